import { describe, expect, test } from 'vitest';
import { putToken } from '../../src/access/tokens.ts';
import { parseRegistryName } from '../../src/model/names.ts';
import { problemOf } from '../support/answer.ts';
import { intercept } from '../support/intercept.ts';
import { NARROW, PULL, REFUSED, TAGS, ZERO, basic, bearer, keptLabs, listTags as tags } from './lab.ts';

const open = keptLabs();

function b64(text: string): string {
  return Buffer.from(text).toString('base64');
}

describe('a token in the wrong place', () => {
  test('a refresh token opens nothing by itself', async () => {
    const lab = await open();
    const { id } = await lab.principal(['Owner']);
    expect(await tags(lab, bearer(await lab.refresh(id)))).toBe(REFUSED);
  });

  test('an access token is no refresh token', async () => {
    const lab = await open();
    const token = await lab.access(await lab.principal(['Owner']), PULL);
    const login = { username: ZERO, password: token };
    expect(await tags(lab, basic(login))).toBe(REFUSED);
    expect(await problemOf(await lab.ask(login, PULL))).toBe('401 UNAUTHORIZED');
    const form = { grant_type: 'refresh_token', refresh_token: token };
    expect(await problemOf(await lab.post('/oauth2/token', form))).toBe('401 UNAUTHORIZED');
  });

  test('neither a refresh token nor an access token manages the registry, though their owner may', async () => {
    const lab = await open();
    const { id, ...secret } = await lab.principal(['Owner']);
    const refresh = { username: ZERO, password: await lab.refresh(id) };
    const access = await lab.access(secret, PULL);
    const provider = 'providers/Microsoft.ContainerRegistry/registries';
    const path = `/subscriptions/${ZERO}/resourceGroups/r/${provider}/${lab.registry}?api-version=2025-11-01`;
    const answers = [];
    for (const authorization of [basic(secret), basic(refresh), bearer(access), bearer(refresh.password)]) {
      answers.push((await lab.fetch('GET', path, { headers: { authorization } })).status);
    }
    expect(answers).toEqual([200, 401, 401, 401]);
  });

  test('a token of the directory opens nothing but the exchange', async () => {
    const lab = await open();
    const { id } = await lab.principal(['Owner']);
    expect(await tags(lab, bearer(`entra ${id}`))).toBe(REFUSED);
    const form = { grant_type: 'refresh_token', refresh_token: `entra ${id}` };
    expect(await problemOf(await lab.post('/oauth2/token', form))).toBe('401 UNAUTHORIZED');
  });

  test('a refresh token of some hours ago is refused, and no reason to slow anybody', async () => {
    const lab = await open();
    const { id } = await lab.principal(['AcrPull']);
    const refresh = { username: ZERO, password: await lab.refresh(id) };
    expect((await lab.ask(refresh, PULL)).status).toBe(200);
    lab.clock.advance(11_731_000);
    for (let i = 0; i < 40; i++) {
      expect(await problemOf(await lab.ask(refresh, PULL))).toBe('401 UNAUTHORIZED');
    }
  });

  test('tokens, passwords and refresh tokens of one registry mean nothing to its neighbour', async () => {
    const [first, second] = [parseRegistryName('firstreg'), parseRegistryName('secondreg')];
    const config = { registries: [first, second], domain: 'registries.test' } as const;
    const lab = await open({ registry: first, config });
    const base = 'http://firstreg.registries.test';
    const admin = basic(await lab.admin());
    const { id } = await lab.principal(['Owner']);
    const exchange = `grant_type=access_token&access_token=entra+${id}`;
    const read = async (method: string, url: string, request = {}) => {
      const response = await lab.fetch(method, url, request);
      const body: Record<string, string> = JSON.parse(await response.text());
      return [response.status, body] as const;
    };
    const headers = { authorization: admin };
    const [, { access_token: access = '' }] = await read('GET', `${base}/oauth2/token?scope=${PULL}`, {
      headers,
    });
    const [, { refresh_token: refresh = '' }] = await read('POST', `${base}/oauth2/exchange`, {
      body: exchange,
    });
    const proofs = [admin, bearer(access), basic({ username: ZERO, password: refresh })];
    for (const host of ['firstreg', 'secondreg', 'FIRSTREG', 'SecondReg']) {
      for (const authorization of proofs) {
        const url = `http://${host}.registries.test/v2/`;
        const { status } = await lab.fetch('GET', url, { headers: { authorization } });
        expect([host, status]).toEqual([host, host.toLowerCase() === 'firstreg' ? 200 : 401]);
      }
    }
    for (const host of [
      'registries.test',
      'thirdreg.registries.test',
      'firstreg.registries.test.evil.test',
    ]) {
      const response = await lab.fetch('GET', `http://${host}/v2/`, { headers });
      expect([host, await problemOf(response)]).toEqual([host, '404 NAME_UNKNOWN']);
    }
  });
});

describe('odd credentials', () => {
  test('in the header are refused, never an error of ours', async () => {
    const lab = await open();
    const good = await lab.admin();
    const token = await lab.access(good, PULL);
    const odd = [
      'Basic',
      'Basic ',
      'Basic =',
      'Basic ====',
      'Basic !!!!',
      `Basic ${b64('no colon')}`,
      `Basic ${b64(':')}`,
      `Basic ${b64(`:${good.password}`)}`,
      `Basic ${b64(`${good.username}:`)}`,
      `Basic ${b64(`${good.username} :${good.password}`)}`,
      `Basic ${b64(`${good.username}:${good.password} `)}`,
      `Basic ${b64(`${good.username}:${good.password}\0`)}`,
      `Basic ${b64(`${good.username}\0:${good.password}`)}`,
      `Basic ${b64(`${good.username}:${good.password}`)} x`,
      `Basic ${b64(`${good.username}:${good.password}`)}, ${basic(good)}`,
      `Basic ${b64('x'.repeat(9000))}:${b64('y')}`,
      `Basic ${b64(`${'x'.repeat(5000)}:${'y'.repeat(5000)}`)}`,
      `Basic ${Buffer.from([0xff, 0xfe, 0x3a, 0xff]).toString('base64')}`,
      'Bearer',
      'Bearer ',
      `Bearer ${token} ${token}`,
      `Bearer ${token},`,
      `Bearer ${token}, Bearer ${token}`,
      `Bearer token=${token}`,
      `Bearer "${token}"`,
      `Token ${token}`,
      token,
      `BearerX ${token}`,
      `Digest username="${good.username}"`,
      'Negotiate AAAA',
      'x',
    ];
    for (const authorization of odd) {
      expect([authorization, await tags(lab, authorization)]).toEqual([authorization, REFUSED]);
      const response = await lab.fetch('GET', '/oauth2/token', { headers: { authorization } });
      expect([authorization, await problemOf(response)]).toEqual([authorization, '401 UNAUTHORIZED']);
    }
  });

  test('sent twice in headers of their own are refused', async () => {
    const lab = await open();
    const token = bearer(await lab.access(await lab.admin(), PULL));
    const headers = new Headers([
      ['authorization', token],
      ['authorization', token],
    ]);
    expect(headers.get('authorization')).toBe(`${token}, ${token}`);
    expect(await tags(lab, headers.get('authorization') ?? '')).toBe(REFUSED);
  });

  test('elsewhere than in the header change nothing', async () => {
    const lab = await open();
    const admin = await lab.admin();
    const token = await lab.access(admin, PULL);
    const headers = JSON.stringify({ authorization: bearer(token) });
    const queries = [
      `access_token=${token}`,
      `token=${token}`,
      `Headers=${encodeURIComponent(headers)}`,
      `authorization=${encodeURIComponent(bearer(token))}`,
      `code=${token}`,
      `_state=${token}`,
    ];
    for (const query of queries) {
      const response = await lab.fetch('GET', `${TAGS}?${query}`);
      expect([query, response.status]).toEqual([query, 401]);
    }
    const names = [
      'x-authorization',
      'x-ms-client-principal',
      'x-functions-key',
      'proxy-authorization',
      'cookie',
    ];
    for (const name of names) {
      const response = await lab.fetch('GET', TAGS, { headers: { [name]: bearer(token) } });
      expect([name, response.status]).toEqual([name, 401]);
    }
    const response = await lab.fetch('GET', TAGS.replace('//', `//${admin.username}:${admin.password}@`));
    expect(response.status).toBe(401);
  });

  test('another name of the method or of the path leads to no other permission', async () => {
    const lab = await open();
    const login = await lab.token('reader', ['repositories/team/app/content/read']);
    const authorization = basic(login);
    const tries = [
      ['PUT', '/v2/team/app/manifests/latest', { 'x-http-method-override': 'GET' }],
      ['GET', '/v2/other/app/manifests/latest', { 'x-original-url': TAGS, 'x-rewrite-url': TAGS }],
      ['GET', '/v2/team/app/../../other/app/manifests/latest', {}],
      ['GET', '/v2/team%2Fapp%2F..%2F..%2Fother%2Fapp/manifests/latest', {}],
      ['GET', '/v2/team/app/manifests/../../other/manifests/latest', {}],
      ['GET', '/v2/other/app/blobs/uploads/../../manifests/latest', {}],
      ['GET', '/v2//team/app/manifests/latest', {}],
      ['GET', '/v2/team/app%00/manifests/latest', {}],
      ['GET', '/v2/TEAM/app/manifests/latest', {}],
    ] as const;
    for (const [method, path, more] of tries) {
      const { status } = await lab.fetch(method, path, {
        headers: { authorization, ...more },
      });
      expect([path, [400, 401, 404].includes(status)]).toEqual([path, true]);
      expect([path, status === 404 && !path.includes('%00') && path.includes('other')]).toEqual([
        path,
        false,
      ]);
    }
  });
});

describe('names', () => {
  test('that are no names are refused by whoever asks, and never reach storage', async () => {
    const seen: string[] = [];
    const lab = await open({
      wrap: (stores) =>
        intercept(stores, {
          hook: async ({ args }, run) => {
            seen.push(JSON.stringify(args));
            return await run();
          },
        }),
    });
    await lab.settings({});
    seen.length = 0;
    const names = [
      "' or 1 eq 1 or '",
      "x'; drop",
      'a/b/c',
      'a#bcd',
      'a!bcd',
      'registry!registry',
      'scopeMap!x',
    ];
    const more = [
      'a\\bcd',
      'a?bcd',
      'a%bcd',
      'a\tbcd',
      'a\u0000bcd',
      'ünïcode',
      '../../x',
      '.....',
      'a'.repeat(51),
    ];
    for (const username of [...names, ...more, '_repositories_admin', '__proto__']) {
      const login = { username, password: 'x' };
      expect([username, await tags(lab, basic(login))]).toEqual([username, REFUSED]);
      const form = { grant_type: 'password', ...login };
      const answer = await problemOf(await lab.post('/oauth2/token', form));
      expect([username, answer]).toEqual([username, '401 UNAUTHORIZED']);
    }
    expect(seen.filter((call) => call.includes('token!'))).toEqual([]);
  });

  test('of properties that all objects have are names like others', async () => {
    const lab = await open();
    for (const username of ['constructor', 'toString', 'hasOwnProperty', 'valueOf']) {
      const login = { username, password: 'x' };
      expect([username, await tags(lab, basic(login))]).toEqual([username, REFUSED]);
    }
  });

  test('of the registry and of principals cannot be those of tokens', async () => {
    const lab = await open();
    const ctx = lab.app.context;
    for (const name of [
      lab.registry,
      lab.registry.toUpperCase(),
      ZERO,
      '0b7cf06a-1111-4111-8111-0123456789ab',
    ]) {
      const created = putToken(ctx, lab.registry, name, { scopeMap: '_repositories_admin' });
      await expect(created).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
    }
  });

  test('compare without case, as ARM has it', async () => {
    const lab = await open();
    const { password } = await lab.token('Reader-One', '_repositories_pull_metadata_read');
    expect(await tags(lab, basic({ username: 'reader-ONE', password }))).toBe('let in');
    const admin = await lab.admin();
    expect(await tags(lab, basic({ ...admin, username: admin.username.toUpperCase() }))).toBe('let in');
  });

  test('of others do not help: a password belongs to one token', async () => {
    const lab = await open();
    const one = await lab.token('token-one', '_repositories_admin');
    const two = await lab.token('token-two', ['repositories/other/*/metadata/read']);
    expect(await tags(lab, basic({ username: one.username, password: two.password }))).toBe(REFUSED);
    expect(await tags(lab, basic(two))).toBe(NARROW);
  });
});
