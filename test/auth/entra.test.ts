import { createHmac } from 'node:crypto';
import { SignJWT, exportSPKI, importJWK } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { jsonOf, problemOf } from '../support/answer.ts';
import { AUDIENCE, openAuthority } from '../support/authority.ts';
import { APP, type DirectoryLab, SECOND, TENANT, USER, openDirectoryLab } from './directory.ts';
import { SERVICE, ZERO, bearer, decoded, textOf } from './lab.ts';

const STRANGE = '6a1f0000-1111-4222-8333-00000000000f';

let lab: DirectoryLab;
beforeEach(async () => {
  lab = await openDirectoryLab();
});
afterEach(async () => {
  await lab.close();
});

/** A part of a token. */
function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** The payload of a good token. */
function body(): string {
  const seconds = Math.floor(lab.clock.now() / 1000);
  return part({ ...lab.authority.claims(USER), iat: seconds, nbf: seconds, exp: seconds + 600 });
}

describe('a token of the directory', () => {
  test('is exchanged for a refresh token about its principal', async () => {
    const app = await lab.open();
    const token = await lab.authority.mint(lab.authority.claims(USER, { upn: 'ada@example.com' }));
    const refresh = textOf(await jsonOf(await lab.exchange(app, token)), 'refresh_token');
    expect(decoded(refresh)).toMatchObject({
      sub: `entra:${USER}`,
      name: 'ada@example.com',
      grant_type: 'refresh_token',
      iss: 'Azure Container Registry',
      aud: SERVICE,
    });
  });

  test.each([
    ['a second tenant', { tid: SECOND, iss: 'second' }],
    ['the other form of the audience', { aud: `${AUDIENCE}/` }],
    ['several audiences, one of them ours', { aud: ['https://graph.example', AUDIENCE] }],
    ['a tenant in capitals', { tid: TENANT.toUpperCase() }],
  ])('is taken with %s', async (_, more) => {
    const app = await lab.open();
    const own = { ...more, ...('iss' in more && { iss: lab.authority.issuerOf(SECOND) }) };
    expect((await lab.exchange(app, await lab.authority.mint(lab.authority.claims(USER, own)))).status).toBe(
      200,
    );
  });

  test.each<[string, Record<string, unknown>]>([
    ['another audience', { aud: 'https://graph.microsoft.com' }],
    ['an audience that only begins like ours', { aud: `${AUDIENCE}.example` }],
    ['no audience', { aud: undefined }],
    ['another issuer', { iss: 'https://login.example/v2.0' }],
    ['no issuer', { iss: undefined }],
    ['the issuer of another tenant', { tid: SECOND }],
    ['a tenant that is not ours', { tid: STRANGE }],
    ['a tenant that is no text', { tid: [TENANT] }],
    ['no object id', { oid: undefined }],
    ['an object id that could be taken for another', { oid: `${USER}!x` }],
    ['an object id with a colon', { oid: `${USER}:x` }],
    ['no end', { exp: undefined }],
    ['an end that is no number', { exp: '9999999999' }],
  ])('is refused with %s', async (_, more) => {
    const app = await lab.open();
    const response = await lab.exchange(app, await lab.authority.mint(lab.authority.claims(USER, more)));
    expect(response.headers.get('www-authenticate')).toContain('/oauth2/token');
    expect(await problemOf(response)).toBe('401 UNAUTHORIZED');
  });

  test('is refused after its end and before its beginning, a minute of grace apart', async () => {
    const app = await lab.open();
    const status = async (times: { lives?: number; startsIn?: number }) =>
      (await lab.exchange(app, await lab.authority.mint(lab.authority.claims(USER), times))).status;
    expect(await status({ lives: -30 })).toBe(200);
    expect(await status({ lives: -61 })).toBe(401);
    expect(await status({ startsIn: 30 })).toBe(200);
    expect(await status({ startsIn: 90 })).toBe(401);
  });

  test('of the older issuer is taken where settings name it, for the tenant it names alone', async () => {
    const app = await lab.open({ issuers: ['https://sts.example/{tenant}/'] });
    const status = async (more: Record<string, unknown>) =>
      (await lab.exchange(app, await lab.authority.mint(lab.authority.claims(USER, more)))).status;
    expect(await status({ iss: `https://sts.example/${TENANT}/` })).toBe(200);
    expect(await status({ iss: `https://sts.example/${SECOND}/` })).toBe(401);
    expect(await status({ iss: `https://sts.example/${TENANT}/`, tid: undefined })).toBe(401);
  });

  test('of a provider without tenants is about its subject', async () => {
    const app = await lab.open({ authority: `${lab.authority.url}/{tenant}/v2.0`, tenants: [TENANT] });
    const claims = lab.authority.claims(USER, {
      tid: undefined,
      oid: undefined,
      sub: 'ada',
      client_id: 'cli',
    });
    const refresh = textOf(
      await jsonOf(await lab.exchange(app, await lab.authority.mint(claims))),
      'refresh_token',
    );
    expect(decoded(refresh)).toMatchObject({ sub: 'entra:ada', name: 'cli' });
  });

  test('is the password of the zero user once exchanged, as az acr login --expose-token gives it', async () => {
    const app = await lab.open();
    await lab.assign(app, USER, 'AcrPull');
    const response = await lab.login(app, ZERO, await lab.refreshOf(app));
    const access = textOf(await jsonOf(response), 'access_token');
    expect(decoded(access)['access']).toEqual([
      { type: 'repository', name: 'team/app', actions: ['pull', 'metadata_read'] },
    ]);
  });

  test('is itself no password and no token of ours', async () => {
    const app = await lab.open();
    await lab.assign(app, USER, 'AcrPull');
    const token = await lab.authority.mint(lab.authority.claims(USER));
    expect(await problemOf(await lab.login(app, ZERO, token))).toBe('401 UNAUTHORIZED');
    const headers = { authorization: bearer(token) };
    expect(await problemOf(await app.fetch('GET', '/v2/', { headers }))).toBe('401 UNAUTHORIZED');
  });
});

describe('a signature', () => {
  test('by an elliptic curve counts where the directory publishes such a key', async () => {
    await lab.authority.rotate('ES256');
    const app = await lab.open();
    expect((await lab.exchange(app, await lab.authority.mint(lab.authority.claims(USER)))).status).toBe(200);
  });

  test.each(['none', 'None', 'NONE', ''])('is not left out by the algorithm %j', async (alg) => {
    const app = await lab.open();
    const { kid } = lab.authority.publicKey();
    for (const end of ['', 'AAAA']) {
      const token = `${part({ alg, kid, typ: 'JWT' })}.${body()}.${end}`;
      expect(await problemOf(await lab.exchange(app, token))).toBe('401 UNAUTHORIZED');
    }
  });

  test.each(['HS256', 'HS384', 'HS512'])('by %s with the public key for a secret is none', async (alg) => {
    const app = await lab.open();
    const { kid, ...jwk } = lab.authority.publicKey();
    const key = await importJWK(jwk, 'RS256', { extractable: true });
    if (key instanceof Uint8Array) throw new Error('a key pair was expected');
    const spki = await exportSPKI(key);
    for (const secret of [spki, spki.trim(), JSON.stringify(lab.authority.publicKey()), jwk.n ?? '']) {
      const signed = `${part({ alg, kid, typ: 'JWT' })}.${body()}`;
      const hash = alg.replace('HS', 'sha');
      const token = `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`;
      expect(await problemOf(await lab.exchange(app, token))).toBe('401 UNAUTHORIZED');
    }
  });

  test('by another key under the id of a known one is none', async () => {
    const app = await lab.open();
    const { kid } = lab.authority.publicKey();
    await lab.refreshOf(app);
    await lab.authority.rotate();
    const token = await lab.authority.mint(lab.authority.claims(USER), { kid });
    expect(await problemOf(await lab.exchange(app, token))).toBe('401 UNAUTHORIZED');
  });

  test('by a key that the token brings along is none', async () => {
    const app = await lab.open();
    const { kid } = lab.authority.publicKey();
    const stranger = await openAuthority([TENANT], lab.clock.now);
    const seconds = Math.floor(lab.clock.now() / 1000);
    const token = await new SignJWT({ ...lab.authority.claims(USER), exp: seconds + 600 })
      .setProtectedHeader({ alg: 'RS256', kid, jwk: stranger.publicKey(), jku: `${stranger.url}/keys` })
      .sign(stranger.privateKey());
    await stranger.close();
    expect(await problemOf(await lab.exchange(app, token))).toBe('401 UNAUTHORIZED');
    expect(stranger.calls).toEqual({ discovery: 0, keys: 0, token: 0 });
  });

  test('no longer fits a token that was changed or cut', async () => {
    const app = await lab.open();
    const token = await lab.authority.mint(lab.authority.claims(USER));
    const [head = '', , tail = ''] = token.split('.');
    const raised = part({ ...decoded(token), oid: APP });
    const broken = [
      `${head}.${raised}.${tail}`,
      token.slice(0, -10),
      `${head}.${tail}`,
      `${token}.`,
      'x',
      '',
    ];
    for (const one of broken) expect(await problemOf(await lab.exchange(app, one))).toBe('401 UNAUTHORIZED');
    const long = await lab.authority.mint(lab.authority.claims(USER, { padding: 'x'.repeat(30_000) }));
    expect(await problemOf(await lab.exchange(app, long))).toBe('401 UNAUTHORIZED');
  });
});

describe('the keys of the directory', () => {
  test('are fetched once, by all who wait together', async () => {
    const app = await lab.open();
    const token = await lab.authority.mint(lab.authority.claims(USER));
    const answers = await Promise.all(Array.from({ length: 8 }, () => lab.exchange(app, token)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect(lab.authority.calls).toEqual({ discovery: 1, keys: 1, token: 0 });
  });

  test('are fetched again for an id that is new, at most twice a minute whoever invents ids', async () => {
    const app = await lab.open();
    await lab.refreshOf(app);
    lab.clock.advance(60_000);
    await lab.authority.rotate();
    await lab.refreshOf(app);
    expect(lab.authority.calls.keys).toBe(2);
    for (const kid of ['a', 'b', 'c']) {
      const token = await lab.authority.mint(lab.authority.claims(USER), { kid });
      expect(await problemOf(await lab.exchange(app, token))).toBe('401 UNAUTHORIZED');
    }
    expect(lab.authority.calls.keys).toBe(2);
    lab.clock.advance(30_000);
    const token = await lab.authority.mint(lab.authority.claims(USER), { kid: 'd' });
    expect(await problemOf(await lab.exchange(app, token))).toBe('401 UNAUTHORIZED');
    expect(lab.authority.calls.keys).toBe(3);
  });

  test('are not fetched for a tenant that is not ours, nor for a token without a signature', async () => {
    const app = await lab.open();
    await lab.exchange(app, await lab.authority.mint(lab.authority.claims(USER, { tid: STRANGE })));
    await lab.exchange(app, 'eyJhbGciOiJub25lIn0.e30.');
    expect(lab.authority.calls).toEqual({ discovery: 0, keys: 0, token: 0 });
  });

  test.each(['down', 'ailing', 'babbling'] as const)(
    'cannot be had from a directory that is %s: 503, not 401, and soon again as it should be',
    async (mood) => {
      const app = await lab.open();
      const token = await lab.authority.mint(lab.authority.claims(USER));
      lab.authority.mood = mood;
      const response = await lab.exchange(app, token);
      expect(response.headers.get('retry-after')).toBe('5');
      expect(await problemOf(response)).toBe('503 UNAVAILABLE');
      const { discovery } = lab.authority.calls;
      expect(await problemOf(await lab.exchange(app, token))).toBe('503 UNAVAILABLE');
      expect(lab.authority.calls.discovery).toBe(discovery);
      lab.authority.mood = 'well';
      lab.clock.advance(5000);
      expect((await lab.exchange(app, token)).status).toBe(200);
    },
  );

  test('serve for a day after the directory went away, but not for ids that they do not have', async () => {
    const app = await lab.open();
    await lab.refreshOf(app);
    lab.authority.mood = 'down';
    lab.clock.advance(20 * 3_600_000);
    await lab.refreshOf(app);
    const stranger = await lab.authority.mint(lab.authority.claims(USER), { kid: 'new' });
    expect(await problemOf(await lab.exchange(app, stranger))).toBe('503 UNAVAILABLE');
    lab.clock.advance(11 * 3_600_000);
    const token = await lab.authority.mint(lab.authority.claims(USER));
    expect(await problemOf(await lab.exchange(app, token))).toBe('503 UNAVAILABLE');
  });
});
