import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseRegistryName } from '../../src/model/names.ts';
import { jsonOf, problemOf } from '../support/answer.ts';
import { type TestApp, openTestApp } from '../support/app.ts';
import { beginUpload, locationOf, pushBlob, pushImage, putManifest } from '../support/push.ts';
import { noise } from '../support/sample.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;

describe('routing', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await openTestApp();
  });
  afterAll(() => app.close());

  test.each(['/v2/', '/v2'])('%s says that this is a registry', async (path) => {
    const answer = await app.fetch('GET', path);
    expect([answer.status, answer.headers.get('docker-distribution-api-version')]).toEqual([
      200,
      'registry/2.0',
    ]);
    expect(await jsonOf(answer)).toEqual({});
    const head = await app.fetch('HEAD', path);
    expect([head.status, head.body, head.headers.get('content-length')]).toEqual([200, null, '2']);
  });

  test.each([
    'a',
    'library/alpine',
    'a/b/c/d/e/f/g',
    'a-b_c.d__e--f/g',
    'blobs',
    'blobs/uploads',
    'manifests',
    'tags',
    'tags/list',
    'referrers',
    'v2',
    'v2/v2',
    'uploads',
    'a/manifests/b/uploads',
    'a/manifests/b',
    'a/blobs/uploads',
    'a/tags/list',
    'a/referrers/b',
    'x'.repeat(255),
  ])('a repository named %s takes and gives images', async (name) => {
    const { manifest, layer } = await pushImage(app, name, 'v1');
    for (const [path, status] of [
      [`manifests/v1`, 200],
      [`manifests/${manifest.digest}`, 200],
      [`blobs/${layer.digest}`, 200],
      [`blobs/${DIGEST}`, 404],
      ['tags/list', 200],
      [`referrers/${manifest.digest}`, 200],
    ] as const)
      expect([path, (await app.fetch('GET', `/v2/${name}/${path}`)).status]).toEqual([path, status]);
    expect(await jsonOf(await app.fetch('GET', `/v2/${name}/tags/list`))).toEqual({ name, tags: ['v1'] });
    expect((await app.fetch('GET', await beginUpload(app, name))).status).toBe(204);
  });

  test.each([
    'A',
    'a/B',
    'a//b',
    '/a',
    'a/',
    '-a',
    'a-',
    'a..b',
    'a___b',
    'ä',
    'a b',
    'a:b',
    'a@b',
    'x'.repeat(256),
    '%',
  ])('the repository name %j is NAME_INVALID', async (name) => {
    const encoded = name === '%' ? '%25' : name;
    expect(await problemOf(await app.fetch('POST', `/v2/${encoded}/blobs/uploads/`))).toBe(
      '400 NAME_INVALID',
    );
    expect(await problemOf(await putManifest(app, encoded, 'v1', '{}'))).toBe('400 NAME_INVALID');
    expect(await problemOf(await app.fetch('GET', `/v2/${encoded}/tags/list`))).toBe('400 NAME_INVALID');
  });

  test('names, digests and tags may come percent-encoded, whole or in part', async () => {
    const { manifest, layer } = await pushImage(app, 'enc/a/b', 'v1');
    const digest = encodeURIComponent(manifest.digest);
    const lower = digest.toLowerCase();
    for (const path of [
      `/v2/enc%2Fa%2Fb/manifests/v1`,
      `/v2/enc%2fa/b/manifests/v1`,
      `/v2/enc/a/b/manifests/${digest}`,
      `/v2/enc/a/b/manifests/${lower}`,
      `/v2/enc%2Fa%2Fb/manifests/%76%31`,
      `/v2/%65nc/a/b/blobs/${encodeURIComponent(layer.digest)}`,
      `/v2/enc%2Fa%2Fb%2Fmanifests%2Fv1`,
      `/v2/enc%2Fa%2Fb/tags/list`,
      `/v2/enc%2Fa%2Fb/referrers/${digest}`,
    ])
      expect([path, (await app.fetch('GET', path)).status]).toEqual([path, 200]);
  });

  test('a path is decoded once and no more', async () => {
    await pushImage(app, 'enc/once', 'v1');
    expect(await problemOf(await app.fetch('GET', '/v2/enc%252Fonce/manifests/v1'))).toBe('400 NAME_INVALID');
  });

  test('an upload to an encoded name goes on under its plain name', async () => {
    const answer = await app.fetch('POST', '/v2/enc%2Fupload/blobs/uploads/');
    expect(locationOf(answer)).toMatch(/^\/v2\/enc\/upload\/blobs\/uploads\//);
  });

  test.each(['/v2/a/manifests/%', '/v2/%zz/tags/list', '/v2/%E0%A4%A/tags/list', '/v2/%ff/tags/list'])(
    '%s is no text: refused',
    async (path) => {
      expect(await problemOf(await app.fetch('GET', path))).toBe('400 UNSUPPORTED');
    },
  );

  test('dots in a path cannot lead anywhere else', async () => {
    await pushImage(app, 'dots', 'v1');
    for (const path of ['/v2/x%2F..%2Fdots/manifests/v1', '/v2/dots%2F.%2F/manifests/v1'])
      expect(await problemOf(await app.fetch('GET', path))).toBe('400 NAME_INVALID');
  });

  test.each([
    '/',
    '/v1/',
    '/v2x',
    '/v2/a',
    '/v2/a/b/c',
    '/v2/manifests/v1',
    '/v2/blobs/uploads/',
    '/v2/a/tags',
    '/v2/a/tags/list/',
    '/v2/a/referrers',
    '/V2/',
    '/v2/_catalog/',
    '//v2/',
    '/favicon.ico',
    '/.well-known/x',
  ])('%s is no route, in the form of the registry', async (path) => {
    expect(await problemOf(await app.fetch('GET', path))).toBe('404 UNSUPPORTED');
  });

  test.each([
    ['POST', '/v2/', 'GET, HEAD'],
    ['DELETE', '/v2/_catalog', 'GET'],
    ['POST', '/v2/a/manifests/v1', 'HEAD, GET, PUT, DELETE'],
    ['PATCH', '/v2/a/manifests/v1', 'HEAD, GET, PUT, DELETE'],
    ['GET', '/v2/a/blobs/uploads/', 'POST'],
    ['PUT', '/v2/a/blobs/uploads/', 'POST'],
    ['POST', '/v2/a/blobs/uploads/x', 'PATCH, PUT, GET, DELETE'],
    ['PUT', `/v2/a/blobs/${DIGEST}`, 'HEAD, GET, DELETE'],
    ['POST', '/v2/a/tags/list', 'GET'],
    ['PUT', `/v2/a/referrers/${DIGEST}`, 'GET'],
    ['OPTIONS', '/v2/a/tags/list', 'GET'],
    ['constructor', '/v2/', 'GET, HEAD'],
    ['__proto__', '/v2/', 'GET, HEAD'],
  ])('%s %s is UNSUPPORTED, and Allow tells what is', async (method, path, allow) => {
    const answer = await app.fetch(method, path);
    expect(answer.headers.get('allow')).toBe(allow);
    expect(await problemOf(answer)).toBe('405 UNSUPPORTED');
  });

  test('an unknown query changes nothing, as mirrors send `ns`', async () => {
    await pushImage(app, 'query', 'v1');
    expect((await app.fetch('GET', '/v2/query/manifests/v1?ns=docker.io&x=1')).status).toBe(200);
  });

  test('every answer carries its length or has none, the version, a request id, and cannot be sniffed', async () => {
    const { manifest, layer } = await pushImage(app, 'headers', 'v1');
    const upload = await beginUpload(app, 'headers');
    const ids = new Set<string | null>();
    for (const [method, path] of [
      ['GET', '/v2/'],
      ['GET', '/v2/_catalog'],
      ['GET', '/nowhere'],
      ['POST', '/v2/'],
      ['HEAD', '/v2/headers/manifests/v1'],
      ['GET', '/v2/headers/manifests/v1'],
      ['GET', '/v2/headers/manifests/v2'],
      ['GET', `/v2/headers/blobs/${layer.digest}`],
      ['GET', '/v2/headers/tags/list'],
      ['GET', `/v2/headers/referrers/${manifest.digest}`],
      ['POST', '/v2/headers/blobs/uploads/'],
      ['PATCH', upload],
      ['GET', upload],
      ['DELETE', upload],
      ['DELETE', `/v2/headers/manifests/${manifest.digest}`],
    ] as const) {
      const { status, headers, body } = await app.fetch(method, path);
      const text = body === null ? '' : Buffer.concat(await Array.fromAsync(body)).toString();
      const length = headers.get('content-length');
      const right =
        status === 204 ? length === null : method === 'HEAD' || length === String(Buffer.byteLength(text));
      expect([method, path, length, right]).toEqual([method, path, length, true]);
      expect(headers.get('docker-distribution-api-version')).toBe('registry/2.0');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('access-control-expose-headers')?.split(', ')).toHaveLength(4);
      // Nobody said that clients come by https.
      expect(headers.get('strict-transport-security')).toBe(null);
      expect(headers.get('x-ms-correlation-request-id')).toMatch(
        /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/,
      );
      ids.add(headers.get('x-ms-correlation-request-id'));
    }
    expect(ids.size).toBe(15);
  });
});

/** The app as it is met under another host name. */
function at(app: TestApp, host: string): TestApp {
  return {
    ...app,
    fetch: async (method, path, request) =>
      await app.fetch(method, new URL(path, `http://${host}.registries.test`).href, request),
  };
}

describe('several registries in one deployment', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await openTestApp({
      config: {
        domain: 'registries.test',
        registries: [parseRegistryName('first'), parseRegistryName('second')],
      },
    });
  });
  afterAll(() => app.close());

  test('the host name tells which, and nothing is shared', async () => {
    const { layer, manifest } = await pushImage(at(app, 'first'), 'same', 'v1');
    for (const [host, status] of [
      ['first', 200],
      ['FIRST', 200],
      ['second', 404],
    ] as const) {
      expect((await at(app, host).fetch('HEAD', '/v2/same/manifests/v1')).status).toBe(status);
      expect((await at(app, host).fetch('HEAD', `/v2/same/blobs/${layer.digest}`)).status).toBe(status);
    }
    const mounted = await at(app, 'second').fetch(
      'POST',
      `/v2/same/blobs/uploads/?mount=${layer.digest}&from=same`,
    );
    expect(mounted.status).toBe(202);
    const pushed = await putManifest(at(app, 'second'), 'same', 'v1', manifest.bytes);
    expect(await problemOf(pushed)).toBe('400 MANIFEST_BLOB_UNKNOWN');
    const blob = await pushBlob(at(app, 'second'), 'same', noise(10));
    expect((await at(app, 'first').fetch('HEAD', `/v2/same/blobs/${blob.digest}`)).status).toBe(404);
  });

  test.each([
    'http://third.registries.test/v2/',
    'http://registries.test/v2/',
    'http://first.other.test/v2/',
    'http://127.0.0.1/v2/',
    'http://a.first.registries.test/v2/',
    'http://xregistries.test/v2/',
  ])('%s is no registry', async (url) => {
    expect(await problemOf(await app.fetch('GET', url))).toBe('404 NAME_UNKNOWN');
  });
});
