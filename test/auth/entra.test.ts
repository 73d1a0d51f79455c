import { createHmac } from 'node:crypto';
import { SignJWT, exportSPKI, importJWK } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SETTINGS_LIFE_MS, updateRegistry } from '../../src/access/registry.ts';
import { deleteAssignment, putAssignment } from '../../src/access/roles.ts';
import { type EntraOptions, openEntra } from '../../src/auth/entra.ts';
import { memoryKeyStore } from '../../src/auth/keys.ts';
import { jsonOf, problemOf } from '../support/answer.ts';
import { type TestApp, type TestClock, createClock, openTestApp } from '../support/app.ts';
import { AUDIENCE, type Authority, openAuthority } from '../support/authority.ts';
import { SERVICE, ZERO, basic, bearer, decoded, textOf } from './lab.ts';

const TENANT = '6a1f0000-1111-4222-8333-000000000001';
const SECOND = '6a1f0000-1111-4222-8333-000000000002';
const STRANGE = '6a1f0000-1111-4222-8333-00000000000f';
const USER = '0b7cf06a-0000-4000-8000-0000000000a1';
const APP = '0b7cf06a-0000-4000-8000-0000000000a2';
const CLIENT = '0b7cf06a-0000-4000-8000-0000000000c1';
const SECRET = 'cl13nt-s3cret~with:colon';
const PULL = 'repository:team/app:pull';
const keys = memoryKeyStore();

let clock: TestClock;
let authority: Authority;
const opened: TestApp[] = [];

beforeEach(async () => {
  clock = createClock();
  authority = await openAuthority([TENANT, SECOND], clock.now);
});

afterEach(async () => {
  await authority.close();
  for (const app of opened.splice(0)) await app.close();
});

const catalog = { type: 'registry', name: 'catalog', actions: ['*'] };

function repository(...actions: string[]) {
  return { type: 'repository', name: 'team/app', actions };
}

/** A part of a token. */
function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** The payload of a good token. */
function body(): string {
  const seconds = Math.floor(clock.now() / 1000);
  return part({ ...authority.claims(USER), iat: seconds, nbf: seconds, exp: seconds + 600 });
}

/** An app that trusts the authority. */
async function open(options: Partial<EntraOptions> = {}): Promise<TestApp> {
  const entra = openEntra({ now: clock.now, log: () => undefined }, { ...authority.options, ...options });
  const app = await openTestApp({ clock, signIn: { keys, entra } });
  opened.push(app);
  return app;
}

async function post(app: TestApp, path: string, form: Readonly<Record<string, string>>): Promise<Response> {
  return await app.fetch('POST', path, {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
  });
}

async function exchange(app: TestApp, token: string): Promise<Response> {
  const form = { grant_type: 'access_token', service: SERVICE, access_token: token };
  return await post(app, '/oauth2/exchange', form);
}

async function refreshOf(app: TestApp, id = USER): Promise<string> {
  const response = await exchange(app, await authority.mint(authority.claims(id)));
  return textOf(await jsonOf(response), 'refresh_token');
}

async function accessOf(app: TestApp, refresh: string, scope: string): Promise<string> {
  const form = { grant_type: 'refresh_token', service: SERVICE, scope, refresh_token: refresh };
  return textOf(await jsonOf(await post(app, '/oauth2/token', form)), 'access_token');
}

async function login(app: TestApp, username: string, password: string): Promise<Response> {
  const headers = { authorization: basic({ username, password }) };
  return await app.fetch('GET', `/oauth2/token?service=${SERVICE}&scope=${PULL}`, { headers });
}

async function assign(app: TestApp, principalId: string, role: string, patterns = ['*']): Promise<void> {
  const id = `assignment-${role.replaceAll(' ', '-')}`;
  await putAssignment(app.app.context, app.registry, id, { principalId, role, patterns });
}

describe('a token of the directory', () => {
  test('is exchanged for a refresh token about its principal', async () => {
    const app = await open();
    const token = await authority.mint(authority.claims(USER, { upn: 'ada@example.com' }));
    const refresh = textOf(await jsonOf(await exchange(app, token)), 'refresh_token');
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
    const app = await open();
    const own = { ...more, ...('iss' in more && { iss: authority.issuerOf(SECOND) }) };
    expect((await exchange(app, await authority.mint(authority.claims(USER, own)))).status).toBe(200);
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
    const app = await open();
    const response = await exchange(app, await authority.mint(authority.claims(USER, more)));
    expect(response.headers.get('www-authenticate')).toContain('/oauth2/token');
    expect(await problemOf(response)).toBe('401 UNAUTHORIZED');
  });

  test('is refused after its end and before its beginning, a minute of grace apart', async () => {
    const app = await open();
    const status = async (times: { lives?: number; startsIn?: number }) =>
      (await exchange(app, await authority.mint(authority.claims(USER), times))).status;
    expect(await status({ lives: -30 })).toBe(200);
    expect(await status({ lives: -61 })).toBe(401);
    expect(await status({ startsIn: 30 })).toBe(200);
    expect(await status({ startsIn: 90 })).toBe(401);
  });

  test('of the older issuer is taken where settings name it, for the tenant it names alone', async () => {
    const app = await open({ issuers: ['https://sts.example/{tenant}/'] });
    const status = async (more: Record<string, unknown>) =>
      (await exchange(app, await authority.mint(authority.claims(USER, more)))).status;
    expect(await status({ iss: `https://sts.example/${TENANT}/` })).toBe(200);
    expect(await status({ iss: `https://sts.example/${SECOND}/` })).toBe(401);
    expect(await status({ iss: `https://sts.example/${TENANT}/`, tid: undefined })).toBe(401);
  });

  test('of a provider without tenants is about its subject', async () => {
    const app = await open({ authority: `${authority.url}/{tenant}/v2.0`, tenants: [TENANT] });
    const claims = authority.claims(USER, { tid: undefined, oid: undefined, sub: 'ada', client_id: 'cli' });
    const refresh = textOf(await jsonOf(await exchange(app, await authority.mint(claims))), 'refresh_token');
    expect(decoded(refresh)).toMatchObject({ sub: 'entra:ada', name: 'cli' });
  });

  test('is the password of the zero user once exchanged, as az acr login --expose-token gives it', async () => {
    const app = await open();
    await assign(app, USER, 'AcrPull');
    const response = await login(app, ZERO, await refreshOf(app));
    const access = textOf(await jsonOf(response), 'access_token');
    expect(decoded(access)['access']).toEqual([
      { type: 'repository', name: 'team/app', actions: ['pull', 'metadata_read'] },
    ]);
  });

  test('is itself no password and no token of ours', async () => {
    const app = await open();
    await assign(app, USER, 'AcrPull');
    const token = await authority.mint(authority.claims(USER));
    expect(await problemOf(await login(app, ZERO, token))).toBe('401 UNAUTHORIZED');
    const headers = { authorization: bearer(token) };
    expect(await problemOf(await app.fetch('GET', '/v2/', { headers }))).toBe('401 UNAUTHORIZED');
  });
});

describe('a signature', () => {
  test('by an elliptic curve counts where the directory publishes such a key', async () => {
    await authority.rotate('ES256');
    const app = await open();
    expect((await exchange(app, await authority.mint(authority.claims(USER)))).status).toBe(200);
  });

  test.each(['none', 'None', 'NONE', ''])('is not left out by the algorithm %j', async (alg) => {
    const app = await open();
    const { kid } = authority.publicKey();
    for (const end of ['', 'AAAA']) {
      const token = `${part({ alg, kid, typ: 'JWT' })}.${body()}.${end}`;
      expect(await problemOf(await exchange(app, token))).toBe('401 UNAUTHORIZED');
    }
  });

  test.each(['HS256', 'HS384', 'HS512'])('by %s with the public key for a secret is none', async (alg) => {
    const app = await open();
    const { kid, ...jwk } = authority.publicKey();
    const key = await importJWK(jwk, 'RS256', { extractable: true });
    if (key instanceof Uint8Array) throw new Error('a key pair was expected');
    const spki = await exportSPKI(key);
    for (const secret of [spki, spki.trim(), JSON.stringify(authority.publicKey()), jwk.n ?? '']) {
      const signed = `${part({ alg, kid, typ: 'JWT' })}.${body()}`;
      const hash = alg.replace('HS', 'sha');
      const token = `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`;
      expect(await problemOf(await exchange(app, token))).toBe('401 UNAUTHORIZED');
    }
  });

  test('by another key under the id of a known one is none', async () => {
    const app = await open();
    const { kid } = authority.publicKey();
    await refreshOf(app);
    await authority.rotate();
    const token = await authority.mint(authority.claims(USER), { kid });
    expect(await problemOf(await exchange(app, token))).toBe('401 UNAUTHORIZED');
  });

  test('by a key that the token brings along is none', async () => {
    const app = await open();
    const { kid } = authority.publicKey();
    const stranger = await openAuthority([TENANT], clock.now);
    const seconds = Math.floor(clock.now() / 1000);
    const token = await new SignJWT({ ...authority.claims(USER), exp: seconds + 600 })
      .setProtectedHeader({ alg: 'RS256', kid, jwk: stranger.publicKey(), jku: `${stranger.url}/keys` })
      .sign(stranger.privateKey());
    await stranger.close();
    expect(await problemOf(await exchange(app, token))).toBe('401 UNAUTHORIZED');
    expect(stranger.calls).toEqual({ discovery: 0, keys: 0, token: 0 });
  });

  test('no longer fits a token that was changed or cut', async () => {
    const app = await open();
    const token = await authority.mint(authority.claims(USER));
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
    for (const one of broken) expect(await problemOf(await exchange(app, one))).toBe('401 UNAUTHORIZED');
    const long = await authority.mint(authority.claims(USER, { padding: 'x'.repeat(30_000) }));
    expect(await problemOf(await exchange(app, long))).toBe('401 UNAUTHORIZED');
  });
});

describe('the keys of the directory', () => {
  test('are fetched once, by all who wait together', async () => {
    const app = await open();
    const token = await authority.mint(authority.claims(USER));
    const answers = await Promise.all(Array.from({ length: 8 }, () => exchange(app, token)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect(authority.calls).toEqual({ discovery: 1, keys: 1, token: 0 });
  });

  test('are fetched again for an id that is new, at most twice a minute whoever invents ids', async () => {
    const app = await open();
    await refreshOf(app);
    clock.advance(60_000);
    await authority.rotate();
    await refreshOf(app);
    expect(authority.calls.keys).toBe(2);
    for (const kid of ['a', 'b', 'c']) {
      const token = await authority.mint(authority.claims(USER), { kid });
      expect(await problemOf(await exchange(app, token))).toBe('401 UNAUTHORIZED');
    }
    expect(authority.calls.keys).toBe(2);
    clock.advance(30_000);
    const token = await authority.mint(authority.claims(USER), { kid: 'd' });
    expect(await problemOf(await exchange(app, token))).toBe('401 UNAUTHORIZED');
    expect(authority.calls.keys).toBe(3);
  });

  test('are not fetched for a tenant that is not ours, nor for a token without a signature', async () => {
    const app = await open();
    await exchange(app, await authority.mint(authority.claims(USER, { tid: STRANGE })));
    await exchange(app, 'eyJhbGciOiJub25lIn0.e30.');
    expect(authority.calls).toEqual({ discovery: 0, keys: 0, token: 0 });
  });

  test.each(['down', 'ailing', 'babbling'] as const)(
    'cannot be had from a directory that is %s: 503, not 401, and soon again as it should be',
    async (mood) => {
      const app = await open();
      const token = await authority.mint(authority.claims(USER));
      authority.mood = mood;
      const response = await exchange(app, token);
      expect(response.headers.get('retry-after')).toBe('5');
      expect(await problemOf(response)).toBe('503 UNAVAILABLE');
      const { discovery } = authority.calls;
      expect(await problemOf(await exchange(app, token))).toBe('503 UNAVAILABLE');
      expect(authority.calls.discovery).toBe(discovery);
      authority.mood = 'well';
      clock.advance(5000);
      expect((await exchange(app, token)).status).toBe(200);
    },
  );

  test('serve for a day after the directory went away, but not for ids that they do not have', async () => {
    const app = await open();
    await refreshOf(app);
    authority.mood = 'down';
    clock.advance(20 * 3_600_000);
    await refreshOf(app);
    const stranger = await authority.mint(authority.claims(USER), { kid: 'new' });
    expect(await problemOf(await exchange(app, stranger))).toBe('503 UNAVAILABLE');
    clock.advance(11 * 3_600_000);
    const token = await authority.mint(authority.claims(USER));
    expect(await problemOf(await exchange(app, token))).toBe('503 UNAVAILABLE');
  });
});

describe('a service principal', () => {
  beforeEach(() => authority.addClient({ clientId: CLIENT, secret: SECRET, objectId: APP }));

  test('signs in by its secret, and is asked about once a minute', async () => {
    const app = await open();
    await assign(app, APP, 'AcrPull');
    const headers = { authorization: basic({ username: CLIENT, password: SECRET }) };
    for (let i = 0; i < 5; i++) expect((await app.fetch('GET', '/v2/', { headers })).status).toBe(200);
    expect(authority.calls.token).toBe(1);
    expect(Object.fromEntries(authority.forms[0] ?? [])).toEqual({
      grant_type: 'client_credentials',
      client_id: CLIENT,
      client_secret: SECRET,
      scope: `${AUDIENCE}/.default`,
    });
    clock.advance(60_000);
    expect((await app.fetch('GET', '/v2/', { headers })).status).toBe(200);
    expect(authority.calls.token).toBe(2);
  });

  test('gets access tokens that name it', async () => {
    const app = await open();
    await assign(app, APP, 'AcrPush');
    const response = await login(app, CLIENT, SECRET);
    const access = decoded(textOf(await jsonOf(response), 'access_token'));
    expect(access).toMatchObject({ sub: `entra:${APP}`, name: CLIENT });
  });

  test('of another of our tenants signs in too', async () => {
    const other = { clientId: USER, secret: SECRET, objectId: APP, tenant: SECOND };
    authority.addClient(other);
    const app = await open();
    expect((await login(app, USER, SECRET)).status).toBe(200);
  });

  test.each([
    ['a wrong secret', CLIENT, 'wrong'],
    ['an empty secret', CLIENT, ''],
    ['an id that nobody has', USER, SECRET],
  ])('is refused with %s', async (_, id, secret) => {
    const app = await open();
    expect(await problemOf(await login(app, id, secret))).toBe('401 UNAUTHORIZED');
    expect((await login(app, CLIENT, SECRET)).status).toBe(200);
  });

  test.each(['down', 'ailing', 'babbling'] as const)(
    'is answered 503 while the directory is %s',
    async (mood) => {
      const app = await open();
      await refreshOf(app);
      authority.mood = mood;
      const response = await login(app, CLIENT, SECRET);
      expect(await response.clone().text()).not.toContain(SECRET);
      expect(await problemOf(response)).toBe('503 UNAVAILABLE');
      expect(JSON.stringify(app.logs)).not.toContain(SECRET);
    },
  );

  test('is refused when the directory signs another application in', async () => {
    const app = await open();
    authority.addClient({ clientId: USER, secret: SECRET, objectId: APP, issuedTo: CLIENT });
    expect(await problemOf(await login(app, USER, SECRET))).toBe('401 UNAUTHORIZED');
  });
});

describe('roles decide what access tokens hold', () => {
  const everything = ['pull', 'push', 'delete', 'metadata_read', 'metadata_write'];
  const scope = `repository:team/app:${everything.join(',')} registry:catalog:*`;
  const granted = async (app: TestApp) => {
    const claims = decoded(await accessOf(app, await refreshOf(app), scope));
    return claims['access'];
  };

  test('on the registry', async () => {
    const app = await open();
    expect(await granted(app)).toEqual([]);
    await assign(app, USER, 'Container Registry Repository Contributor');
    expect(await granted(app)).toEqual([]);
    await assign(app, USER, 'AcrPull');
    expect(await granted(app)).toEqual([repository('pull', 'metadata_read'), catalog]);
    await assign(app, USER, 'AcrDelete');
    expect(await granted(app)).toEqual([repository('pull', 'delete', 'metadata_read'), catalog]);
  });

  test('on repositories, where the registry asks for such roles', async () => {
    const app = await open();
    await repositoryMode(app);
    await assign(app, USER, 'Owner');
    expect(await granted(app)).toEqual([]);
    await assign(app, USER, 'Container Registry Repository Writer', ['team/*']);
    expect(await granted(app)).toEqual([repository('pull', 'push', 'metadata_read', 'metadata_write')]);
    await assign(app, USER, 'Container Registry Repository Catalog Lister');
    expect(await granted(app)).toContainEqual(catalog);
  });

  test('and one taken back ends tokens that are out already', async () => {
    const app = await open();
    await assign(app, USER, 'AcrPull');
    const refresh = await refreshOf(app);
    const headers = { authorization: bearer(await accessOf(app, refresh, PULL)) };
    const tags = async (at: TestApp) => await at.fetch('GET', '/v2/team/app/tags/list', { headers });
    const elsewhere = await openTestApp({
      clock,
      stores: app.stores,
      registry: app.registry,
      signIn: { keys },
    });
    expect(await problemOf(await tags(app))).toBe('404 NAME_UNKNOWN');
    expect(await problemOf(await tags(elsewhere))).toBe('404 NAME_UNKNOWN');
    await deleteAssignment(app.app.context, app.registry, 'assignment-AcrPull');
    expect(await problemOf(await tags(app))).toBe('401 UNAUTHORIZED');
    clock.advance(SETTINGS_LIFE_MS);
    expect(await problemOf(await tags(elsewhere))).toBe('401 UNAUTHORIZED');
    const again = { authorization: bearer(await accessOf(app, refresh, PULL)) };
    expect((await app.fetch('GET', '/v2/', { headers: again })).status).toBe(200);
    const refused = await app.fetch('GET', '/v2/team/app/tags/list', { headers: again });
    expect(refused.headers.get('www-authenticate')).toContain('insufficient_scope');
  });
});

async function repositoryMode({ app, registry }: TestApp): Promise<void> {
  await updateRegistry(app.context, registry, (document) => ({ ...document, repositoryRoles: true }));
}
