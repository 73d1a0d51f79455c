import { describe, expect, test } from 'vitest';
import { type Environment, readConfig } from '../../src/app/config.ts';
import { callerAddress } from '../../src/guard/address.ts';

const REQUIRED: Environment = {
  PUBLIC_URL: 'https://registry.example.com',
  KEY_FILE: 'keys.json',
  STORAGE: 'disk',
  UPLOAD_KEY: Buffer.alloc(32, 1).toString('base64'),
};

function guardOf(env: Environment) {
  const { guard } = readConfig({ ...REQUIRED, ...env });
  if (!guard) throw new Error('no guard');
  return guard;
}

/** Who calls, by these settings, when a proxy at 10.0.0.1 forwards for 198.51.100.1. */
function callerBy(env: Environment): string {
  const headers = new Headers({ 'x-forwarded-for': '127.0.0.1, 198.51.100.1' });
  return callerAddress({ address: '10.0.0.1', headers }, guardOf(env).proxies);
}

describe('settings', () => {
  test('trust no proxy, limit calls and audit, unless told otherwise', () => {
    expect(callerBy({})).toBe('10.0.0.1');
    expect(guardOf({})).toMatchObject({ rateLimits: true, audit: true });
    expect(guardOf({ RATE_LIMITS: 'off', AUDIT: 'false' })).toMatchObject({
      rateLimits: false,
      audit: false,
    });
  });

  test.each([
    [{ WEBSITE_SITE_NAME: 'registry-functions' }, '198.51.100.1'],
    [{ WEBSITE_SITE_NAME: 'registry-functions', TRUSTED_PROXIES: '' }, '10.0.0.1'],
    [{ TRUSTED_PROXIES: 'platform' }, '198.51.100.1'],
    [{ TRUSTED_PROXIES: 'platform, 198.51.100.0/24' }, '127.0.0.1'],
    [{ TRUSTED_PROXIES: '10.0.0.1' }, '198.51.100.1'],
    [{ TRUSTED_PROXIES: ' 10.0.0.0/8 ,2001:db8::/32' }, '198.51.100.1'],
    [{ TRUSTED_PROXIES: '10.0.0.2' }, '10.0.0.1'],
  ] as const)('%j make the caller %s', (env, caller) => {
    expect(callerBy(env)).toBe(caller);
  });

  test.each([
    ['TRUSTED_PROXIES', 'localhost'],
    ['TRUSTED_PROXIES', '10.0.0.0/33'],
    ['RATE_LIMITS', 'some'],
    ['AUDIT', 'yes'],
  ])('name %s when it is %s', (name, value) => {
    expect(() => guardOf({ [name]: value })).toThrow(name);
  });

  test('have no guard where everybody may do everything', () => {
    const config = readConfig({ ...REQUIRED, AUTHENTICATION: 'open', FUNCTIONARY_LOOPBACK: 'true' });
    expect([config.auth, config.guard]).toEqual([undefined, undefined]);
  });
});
