import { describe, expect, test } from 'vitest';
import { type Environment, readConfig } from '../../src/app/config.ts';

const REQUIRED: Environment = {
  PUBLIC_URL: 'https://registry.example.com',
  KEY_FILE: 'keys.json',
  STORAGE: 'disk',
  UPLOAD_KEY: Buffer.alloc(32, 1).toString('base64'),
};

function directoryOf(env: Environment) {
  return readConfig({ ...REQUIRED, ...env }).auth?.entra;
}

describe('settings of the directory', () => {
  test('trust nobody unless tenants are named', () => {
    expect(directoryOf({})).toBeUndefined();
    expect(directoryOf({ ENTRA_TENANTS: ' , ', ENTRA_AUDIENCES: 'https://a.example' })).toBeUndefined();
  });

  test('mean Microsoft Entra unless told otherwise', () => {
    expect(directoryOf({ ENTRA_TENANTS: 'one, two' })).toEqual({
      authority: 'https://login.microsoftonline.com',
      tenants: ['one', 'two'],
      audiences: [
        'https://management.azure.com',
        'https://management.azure.com/',
        'https://management.core.windows.net',
        'https://management.core.windows.net/',
        'https://containerregistry.azure.net',
        'https://containerregistry.azure.net/',
      ],
      issuers: ['https://sts.windows.net/{tenant}/'],
    });
  });

  test('of another provider bring no issuer of Microsoft along', () => {
    const ENTRA_AUTHORITY = 'https://id.example.com/realms/{tenant}/';
    const found = directoryOf({
      ENTRA_TENANTS: 'one',
      ENTRA_AUTHORITY,
      ENTRA_AUDIENCES: 'registry,https://b.example',
    });
    expect(found).toEqual({
      authority: 'https://id.example.com/realms/{tenant}',
      tenants: ['one'],
      audiences: ['registry', 'https://b.example'],
      issuers: [],
    });
    const issuers = directoryOf({
      ENTRA_TENANTS: 'one',
      ENTRA_AUTHORITY,
      ENTRA_ISSUERS: 'https://a, https://b',
    });
    expect(issuers?.issuers).toEqual(['https://a', 'https://b']);
  });

  test.each([
    ['ENTRA_AUTHORITY', 'http://id.example.com'],
    ['ENTRA_AUTHORITY', 'http://localhost.example.com'],
    ['ENTRA_AUTHORITY', 'http://127.0.0.1.example.com'],
    ['ENTRA_AUTHORITY', 'login.microsoftonline.com'],
    ['ENTRA_TENANTS', '../common'],
    ['ENTRA_TENANTS', 'one two'],
  ])('name %s when it is %s', (name, value) => {
    expect(() => directoryOf({ ENTRA_TENANTS: 'one', [name]: value })).toThrow(name);
  });

  test('let a provider on this machine be spoken to in the clear', () => {
    for (const authority of ['http://127.0.0.1:8080', 'http://localhost:8080', 'http://[::1]:8080'])
      expect(directoryOf({ ENTRA_TENANTS: 'one', ENTRA_AUTHORITY: authority })?.authority).toBe(authority);
  });
});
