import { describe, expect, test } from 'vitest';
import { putToken } from '../../src/access/tokens.ts';
import { memoryKeyStore } from '../../src/auth/keys.ts';
import type { GuardConfig } from '../../src/app/config.ts';
import { addressRanges } from '../../src/guard/address.ts';
import { type Lab, type Login, basic, bearer, openLab } from '../auth/lab.ts';
import { INDEX_TYPE, indexManifest } from '../support/push.ts';
import { intercept } from '../support/intercept.ts';

const guard: GuardConfig = {
  proxies: { platform: true, ranges: addressRanges([]) },
  rateLimits: true,
  audit: false,
};
const HERE = '203.0.113.9';
const THERE = '198.51.100.7';

/** An app that counts its storage calls. */
async function openCounted(config: GuardConfig = guard) {
  let calls = 0;
  const lab = await openLab({
    config: { guard: config },
    wrap: (stores) =>
      intercept(stores, {
        hook: async (_, run) => {
          calls += 1;
          return await run();
        },
      }),
  });
  const counted = async <T>(run: () => Promise<T>) => {
    const before = calls;
    const result = await run();
    return { result, calls: calls - before };
  };
  return { lab, counted };
}

async function ask(lab: Lab, login: Login, address: string, path = '/oauth2/token?service=registry.test') {
  const headers = { authorization: basic(login), 'x-forwarded-for': address };
  return await lab.fetch('GET', path, { headers });
}

async function renew(lab: Lab, token: string, address: string) {
  return await lab.fetch('POST', '/oauth2/token', {
    headers: { 'x-forwarded-for': address },
    body: new URLSearchParams({
      grant_type: 'refresh_token',
      service: 'registry.test',
      refresh_token: token,
    }).toString(),
  });
}

describe('guessing a password', () => {
  test('ends in 429 for the guesser, with the right password too, and never for its owner', async () => {
    const { lab } = await openCounted();
    const admin = await lab.admin();
    const statuses = [];
    for (let i = 0; i < 21; i++)
      statuses.push((await ask(lab, { ...admin, password: `guess ${i}` }, HERE)).status);
    expect(statuses).toEqual([...Array.from({ length: 20 }, () => 401), 429]);
    const refused = await ask(lab, admin, HERE);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '60']);
    expect((await ask(lab, admin, THERE)).status).toBe(200);
    lab.clock.advance(60_000);
    expect((await ask(lab, admin, HERE)).status).toBe(200);
  });

  test('counts wherever it is tried: sign-in, the registry, and its management', async () => {
    const { lab } = await openCounted();
    const wrong = { ...(await lab.admin()), password: 'guess' };
    for (const path of [
      '/oauth2/token',
      '/v2/',
      '/v2/app/tags/list',
      '/subscriptions?api-version=2022-12-01',
    ]) {
      for (let i = 0; i < 5; i++) expect((await ask(lab, wrong, HERE, path)).status).toBe(401);
    }
    for (const path of ['/oauth2/token', '/v2/', '/subscriptions?api-version=2022-12-01'])
      expect((await ask(lab, wrong, HERE, path)).status).toBe(429);
  });

  test('is told nothing about which names exist: the same answer for the same work', async () => {
    const { lab, counted } = await openCounted();
    const known = await lab.token('known-token', ['repositories/app/content/read']);
    const off = await lab.token('disabled-token', ['repositories/app/content/read']);
    await putToken(lab.app.context, lab.registry, off.username, { enabled: false });
    const tried = async (login: Login) => {
      const { result, calls } = await counted(() => ask(lab, login, HERE));
      const headers = [...result.headers].filter(([name]) => name !== 'x-ms-correlation-request-id');
      return { status: result.status, headers, body: await result.text(), calls };
    };
    await tried({ username: 'reads-the-settings', password: 'wrong' });
    const unknown = await tried({ username: 'unknown-token', password: 'wrong' });
    expect(unknown).toMatchObject({ status: 401, calls: 1 });
    expect(await tried({ ...known, password: 'wrong' })).toEqual(unknown);
    expect(await tried({ ...off, password: 'wrong' })).toEqual(unknown);
    expect(await tried(off)).toEqual(unknown);
  });
});

describe('a refresh token', () => {
  test('that is good is never held up by bad ones from the same address', async () => {
    const { lab } = await openCounted();
    const { id } = await lab.principal(['AcrPull']);
    const good = await lab.refresh(id);
    const statuses = [];
    for (let i = 0; i < 21; i++) statuses.push((await renew(lab, `${good}x`, HERE)).status);
    expect(statuses).toEqual([...Array.from({ length: 20 }, () => 401), 429]);
    expect((await renew(lab, good, HERE)).status).toBe(200);
    expect(
      (await ask(lab, { username: '00000000-0000-0000-0000-000000000000', password: good }, HERE)).status,
    ).toBe(200);
  });

  test('of ours that is too old is answered 401 each time, so that its owner signs in again', async () => {
    const { lab } = await openCounted();
    const { id } = await lab.principal(['AcrPull']);
    const old = await lab.refresh(id);
    lab.clock.advance(4 * 3_600_000);
    for (let i = 0; i < 40; i++) expect((await renew(lab, old, HERE)).status).toBe(401);
  });

  test('that another deployment signed counts as a guess', async () => {
    const { lab } = await openCounted();
    const other = await openLab({
      registry: lab.registry,
      signIn: { keys: memoryKeyStore(), ...(lab.app.auth?.entra && { entra: lab.app.auth.entra }) },
    });
    const { id } = await lab.principal(['AcrPull']);
    const foreign = await other.refresh(id);
    for (let i = 0; i < 20; i++) expect((await renew(lab, foreign, HERE)).status).toBe(401);
    expect((await renew(lab, foreign, HERE)).status).toBe(429);
  });
});

describe('limits of calls', () => {
  test('answer 429 with Retry-After, and spare other identities', async () => {
    const { lab } = await openCounted();
    await lab.settings({ sku: 'Basic' });
    const first = await lab.token('first-token', ['repositories/app/content/delete']);
    const second = await lab.token('second-token', ['repositories/app/content/delete']);
    const remove = async (token: string) =>
      await lab.fetch('DELETE', '/v2/app/manifests/none', { headers: { authorization: bearer(token) } });
    const busy = await lab.access(first, 'repository:app:delete');
    for (let i = 0; i < 500; i++) expect((await remove(busy)).status).toBe(404);
    const refused = await remove(busy);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(JSON.parse(await refused.text())).toEqual({
      errors: [{ code: 'TOOMANYREQUESTS', message: 'too many requests', detail: null }],
    });
    expect((await remove(await lab.access(second, 'repository:app:delete'))).status).toBe(404);
    lab.clock.advance(1000);
    expect((await remove(busy)).status).toBe(404);
  });

  test('are told to sign-ins and deletes', async () => {
    const { lab } = await openCounted();
    await lab.settings({ sku: 'Standard' });
    const admin = await lab.admin();
    const name = 'x-ms-ratelimit-remaining-calls-per-second';
    expect((await ask(lab, admin, HERE)).headers.get(name)).toBe('166.65');
    const authorization = bearer(await lab.access(admin, 'repository:app:pull,push,delete'));
    await lab.fetch('PUT', '/v2/app/manifests/v1', {
      headers: { authorization, 'content-type': INDEX_TYPE },
      body: JSON.stringify(indexManifest([])),
    });
    const read = await lab.fetch('GET', '/v2/app/manifests/v1', { headers: { authorization } });
    expect(read.headers.get(name)).toBeNull();
    const removed = await lab.fetch('DELETE', '/v2/app/manifests/v1', { headers: { authorization } });
    expect([removed.status, removed.headers.get(name)]).toEqual([202, '16.65']);
  });

  test('do not hold where they are off', async () => {
    const { lab } = await openCounted({ ...guard, rateLimits: false });
    await lab.settings({ sku: 'Basic' });
    const token = await lab.access(await lab.admin(), 'repository:app:delete');
    for (let i = 0; i < 501; i++) {
      const { status } = await lab.fetch('DELETE', '/v2/app/manifests/none', {
        headers: { authorization: bearer(token) },
      });
      expect(status).toBe(404);
    }
  });
});

describe('a request with a valid access token', () => {
  test('costs no storage call for addresses, limits and rights while the settings are fresh', async () => {
    const { lab, counted } = await openCounted({ ...guard, audit: true });
    await lab.settings({ networkRules: { allowByDefault: false, rules: [{ value: HERE }] } });
    const login = await lab.token('ci-builder', ['repositories/app/content/read']);
    const answer = await ask(
      lab,
      login,
      HERE,
      '/oauth2/token?service=registry.test&scope=repository:app:pull',
    );
    const { access_token: token }: { access_token: string } = JSON.parse(await answer.text());
    const get = (path: string) =>
      counted(() =>
        lab.fetch('GET', path, { headers: { authorization: bearer(token), 'x-forwarded-for': HERE } }),
      );
    await get('/v2/');
    expect((await get('/v2/')).calls).toBe(0);
    // The one read of the tag itself.
    const { result, calls } = await get('/v2/app/manifests/v1');
    expect([result.status, calls]).toEqual([404, 1]);
  });

  test('costs one call for the settings every ten seconds, whoever asks', async () => {
    const { lab, counted } = await openCounted();
    const headers = { authorization: bearer(await lab.access(await lab.admin())), 'x-forwarded-for': HERE };
    lab.clock.advance(10_000);
    const many = await counted(() =>
      Promise.all(Array.from({ length: 20 }, () => lab.fetch('GET', '/v2/', { headers }))),
    );
    expect(many.result.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(many.calls).toBe(1);
  });
});
