import { describe, expect, test } from 'vitest';
import { newRegistryDocument } from '../../src/access/registry.ts';
import { handle } from '../../src/app/http.ts';
import { metadataRoutes, registryRoutes, repositoryRoutes, signInRoutes } from '../../src/app/routes.ts';
import { addressRanges } from '../../src/guard/address.ts';
import { admitAddress } from '../../src/guard/network.ts';
import type { RegistryDocument } from '../../src/model/access.ts';
import { type Lab, basic, bearer, openLab } from '../auth/lab.ts';
import { HOST, openTestApp } from '../support/app.ts';
import { jsonOf } from '../support/answer.ts';

const OUTSIDE = '198.51.100.7';
const INSIDE = '203.0.113.9';
const closed: Partial<RegistryDocument> = {
  networkRules: { allowByDefault: false, rules: [{ value: '203.0.113.0/24' }, { value: '2001:db8::/32' }] },
};

function isAdmitted(change: Partial<RegistryDocument>, address: string): boolean {
  try {
    admitAddress({ ...newRegistryDocument(0), ...change }, address);
    return true;
  } catch {
    return false;
  }
}

describe('network rules', () => {
  test.each([
    ['203.0.113.9', true],
    ['2001:db8::9', true],
    ['198.51.100.7', false],
    ['2001:db9::9', false],
    ['127.0.0.1', false],
    ['', false],
  ])('that deny by default, for %s: %s', (address, admitted) => {
    expect(isAdmitted(closed, address)).toBe(admitted);
  });

  test('that allow by default let everybody in, named or not', () => {
    const rules = { allowByDefault: true, rules: [{ value: INSIDE }] };
    expect(isAdmitted({ networkRules: rules }, OUTSIDE)).toBe(true);
    expect(isAdmitted({ networkRules: rules }, '')).toBe(true);
  });

  test('let nobody in while public access is off: neither those they name nor this machine', () => {
    for (const address of [INSIDE, '127.0.0.1', '::1', '']) {
      expect(isAdmitted({ ...closed, publicNetworkAccess: false }, address)).toBe(false);
      expect(isAdmitted({ publicNetworkAccess: false }, address)).toBe(false);
    }
  });

  test('that cannot be read let nobody in', () => {
    const rules = { allowByDefault: false, rules: [{ value: 'everybody' }, { value: '0.0.0.0/-0' }] };
    expect(isAdmitted({ networkRules: rules }, INSIDE)).toBe(false);
  });
});

const platform = { proxies: { platform: true, ranges: addressRanges([]) }, rateLimits: false, audit: false };

async function knock(lab: Lab): Promise<number> {
  return (await lab.fetch('GET', '/v2/', { headers: { 'x-forwarded-for': OUTSIDE } })).status;
}

async function openNetwork(): Promise<Lab> {
  return await openLab({ config: { guard: platform } });
}

/** Every route of the data plane, by each of its methods, and some that are none. */
function routes(): [method: string, path: string][] {
  const named = new Map([
    ['\\/manifests\\/([^/]*)$', '/v2/net/app/manifests/v1'],
    ['\\/blobs\\/uploads\\/?()$', '/v2/net/app/blobs/uploads/'],
    ['\\/blobs\\/uploads\\/([^/]+)$', '/v2/net/app/blobs/uploads/0'],
    ['\\/blobs\\/([^/]*)$', `/v2/net/app/blobs/sha256:${'0'.repeat(64)}`],
    ['\\/tags\\/list()$', '/v2/net/app/tags/list'],
    ['\\/_tags()$', '/acr/v1/net/app/_tags'],
    ['\\/_tags\\/([^/]*)$', '/acr/v1/net/app/_tags/v1'],
    ['\\/_manifests()$', '/acr/v1/net/app/_manifests'],
    ['\\/_manifests\\/([^/]*)$', `/acr/v1/net/app/_manifests/sha256:${'0'.repeat(64)}`],
    ['(?<=\\/[^_/][^/]*)()$', '/acr/v1/net/app'],
    ['\\/referrers\\/([^/]*)$', `/v2/net/app/referrers/sha256:${'0'.repeat(64)}`],
  ]);
  const pathOf = (tail: RegExp) => {
    const path = named.get(tail.source);
    if (path === undefined) throw new Error(`this test needs a path for ${tail.source}`);
    return path;
  };
  return [
    ...Object.entries(signInRoutes).map(([path, methods]) => ({ path, methods })),
    ...registryRoutes,
    ...[...repositoryRoutes, ...metadataRoutes].map(({ tail, methods }) => ({ path: pathOf(tail), methods })),
    { path: '/v2/no/such/route', methods: { GET: 0 } },
    { path: '/', methods: { GET: 0 } },
  ].flatMap(({ path, methods }) => Object.keys(methods).map((method): [string, string] => [method, path]));
}

describe('a caller whom the rules do not name', () => {
  test('is refused on every route of the data plane, with ACR’s words and whatever it brings', async () => {
    const lab = await openNetwork();
    const admin = await lab.admin();
    const token = await lab.access(admin, 'repository:net/app:pull,push,delete');
    await lab.settings(closed);
    for (const [method, path] of routes()) {
      for (const authorization of [undefined, basic(admin), bearer(token)]) {
        const answer = await lab.fetch(method, path, {
          headers: {
            'x-forwarded-for': `${INSIDE}, ${OUTSIDE}:4711`,
            ...(authorization && { authorization }),
          },
        });
        expect([method, path, answer.status]).toEqual([method, path, 403]);
        if (method === 'HEAD') continue;
        expect(await jsonOf(answer)).toEqual({
          errors: [
            {
              code: 'DENIED',
              message: `client with IP '${OUTSIDE}' is not allowed access. Refer https://aka.ms/acr/firewall to grant access.`,
              detail: null,
            },
          ],
        });
      }
    }
  });

  test('may manage the registry, or nobody could open it again', async () => {
    const lab = await openNetwork();
    const admin = await lab.admin();
    await lab.settings({ ...closed, publicNetworkAccess: false });
    const path = '/subscriptions?api-version=2022-12-01';
    const headers = { authorization: basic(admin), 'x-forwarded-for': OUTSIDE };
    expect((await lab.fetch('GET', path, { headers })).status).toBe(200);
  });
});

describe('a caller whom the rules name', () => {
  test('is let in, and asked for credentials as ever', async () => {
    const lab = await openNetwork();
    const admin = await lab.admin();
    await lab.settings(closed);
    const at = (address: string, authorization?: string) =>
      lab.fetch('GET', '/v2/', {
        headers: { 'x-forwarded-for': address, ...(authorization && { authorization }) },
      });
    expect((await at(INSIDE)).status).toBe(401);
    expect((await at(INSIDE, basic(admin))).status).toBe(200);
    expect((await at('[2001:db8::1]:443', basic(admin))).status).toBe(200);
    expect((await at('::ffff:203.0.113.77', basic(admin))).status).toBe(200);
  });

  test('cannot be played by a header where no proxy is trusted', async () => {
    const lab = await openLab();
    await lab.settings(closed);
    const ask = async (address: string, forwarded: string) =>
      (
        await handle(lab.app, {
          method: 'GET',
          url: `${HOST}/v2/`,
          headers: new Headers({ 'x-forwarded-for': forwarded }),
          body: null,
          address,
        })
      ).status;
    expect(await ask(OUTSIDE, INSIDE)).toBe(403);
    expect(await ask(INSIDE, OUTSIDE)).toBe(401);
  });
});

test('a change of the rules acts within ten seconds on other instances, and at once on the one that made it', async () => {
  const lab = await openNetwork();
  const other = await openLab({
    config: { guard: platform },
    stores: lab.stores,
    registry: lab.registry,
    clock: lab.clock,
  });
  expect(await knock(other)).toBe(401);
  await lab.settings(closed);
  expect(await knock(lab)).toBe(403);
  lab.clock.advance(10_000);
  expect(await knock(other)).toBe(403);
});

test('where sign-in is off there are no network rules either', async () => {
  const lab = await openLab();
  await lab.settings({ publicNetworkAccess: false });
  const open = await openTestApp({ stores: lab.stores, registry: lab.registry });
  expect((await open.fetch('GET', '/v2/')).status).toBe(200);
});
