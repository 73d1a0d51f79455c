import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';
import { describe, expect, test } from 'vitest';
import { getToken } from '../../src/access/tokens.ts';
import { jsonOf } from '../support/answer.ts';
import { type Lab, SERVICE, decoded, keptLabs, textOf } from './lab.ts';

const open = keptLabs();
const APP = 'repository:team/app';

describe('our tokens', () => {
  const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89a-f][0-9a-f]{3}-[0-9a-f]{12}$/;

  test('an access token has the claims and the lifetime of ACR', async () => {
    const lab = await open();
    const { id, ...login } = await lab.principal(['AcrPush']);
    const token = await lab.access(login, `${APP}:pull,push`);
    const now = Math.floor(lab.clock.now() / 1000);
    expect(decoded(token)).toEqual({
      jti: expect.stringMatching(GUID),
      sub: `entra:${id}`,
      nbf: now,
      iat: now,
      exp: now + 4500,
      iss: 'Azure Container Registry',
      aud: SERVICE,
      version: '1.0',
      rid: lab.registry,
      grant_type: 'access_token',
      access: [{ type: 'repository', name: 'team/app', actions: expect.any(Array) }],
      roles: [],
      tenant: expect.stringMatching(GUID),
      // Our own: as logs show the caller, and what revocation compares.
      name: expect.any(String),
      issued_ms: lab.clock.now(),
    });
    expect(decoded(token, 0)).toEqual({
      alg: 'RS256',
      typ: 'JWT',
      kid: expect.stringMatching(/^([A-Z2-7]{4}:){11}[A-Z2-7]{4}$/),
    });
  });

  test('a refresh token has the claims and the lifetime of ACR', async () => {
    const lab = await open();
    const { id } = await lab.principal(['AcrPush']);
    const now = Math.floor(lab.clock.now() / 1000);
    expect(decoded(await lab.refresh(id))).toEqual({
      jti: expect.stringMatching(GUID),
      sub: `entra:${id}`,
      nbf: now,
      iat: now,
      exp: now + 11_700,
      iss: 'Azure Container Registry',
      aud: SERVICE,
      version: '1.0',
      rid: lab.registry,
      grant_type: 'refresh_token',
      permissions: {
        actions: [
          'read',
          'write',
          'delete',
          'metadata/read',
          'metadata/write',
          'deleted/read',
          'deleted/restore/action',
        ],
      },
      roles: [],
      tenant: expect.stringMatching(GUID),
      name: expect.any(String),
      issued_ms: lab.clock.now(),
    });
  });

  test('no token holds a password, nor what recognises one', async () => {
    const lab = await open();
    const login = await lab.token('reader', '_repositories_pull');
    const payload = JSON.stringify(decoded(await lab.access(login, `${APP}:pull`)));
    const kept = JSON.stringify(await storedToken(lab, 'reader'));
    expect(payload).not.toContain(login.password);
    expect(kept).not.toContain(login.password);
    const [, hash = 'none'] = /"hash":"([0-9a-f]{64})"/.exec(kept) ?? [];
    expect(hash).not.toBe('none');
    expect(payload).not.toContain(hash);
  });

  test('no access token outlives the password that it came by', async () => {
    const lab = await open();
    const login = await lab.token('passing', '_repositories_pull', lab.clock.now() + 90_000);
    const body = await jsonOf(await lab.ask(login, `${APP}:pull`));
    expect(body).toMatchObject({ expires_in: 90 });
    const { iat, exp } = decoded(textOf(body, 'access_token'));
    expect(Number(exp) - Number(iat)).toBe(90);
  });

  test('verify against the published keys, with a library alone', async () => {
    const lab = await open();
    const response = await lab.fetch('GET', '/oauth2/keys');
    const keys = await jsonOf(response);
    expect(JSON.stringify(keys)).not.toMatch(/"(d|p|q|dp|dq|qi|k)":/);
    const token = await lab.access(await lab.admin(), `${APP}:pull`);
    const { payload } = await jwtVerify(token, createLocalJWKSet(toKeySet(keys)), {
      issuer: 'Azure Container Registry',
      audience: SERVICE,
      currentDate: new Date(lab.clock.now()),
    });
    expect(payload.sub).toBe('admin');
  });
});

function toKeySet(value: unknown): JSONWebKeySet {
  if (typeof value !== 'object' || value === null || !('keys' in value) || !Array.isArray(value.keys))
    throw new Error('no key set');
  return { keys: value.keys };
}

async function storedToken({ app, registry }: Lab, name: string): Promise<unknown> {
  return await getToken(app.context, registry, name);
}
