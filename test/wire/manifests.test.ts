import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { problemOf } from '../support/answer.ts';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import {
  IMAGE_TYPE,
  INDEX_TYPE,
  imageManifest,
  locationOf,
  pushBlob,
  pushImage,
  pushManifest,
  putManifest,
  streamed,
  indexManifest,
} from '../support/push.ts';
import { noise, sameBytes } from '../support/sample.ts';

const MISSING = digestOf(Buffer.from('missing'));
const DOCKER_TYPE = 'application/vnd.docker.distribution.manifest.v2+json';

describe.each(adapters)('manifests on %s', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await openTestApp({ adapter });
  });
  afterAll(() => app.close());

  async function pull(repository: string, reference: string): Promise<[Response, Uint8Array]> {
    const answer = await app.fetch('GET', `/v2/${repository}/manifests/${reference}`);
    return [answer, new Uint8Array(await answer.arrayBuffer())];
  }

  test('a manifest comes back byte for byte by tag and digest, with exactly the type it was pushed with', async () => {
    const { config, layer } = await pushImage(app, 'ma/verbatim');
    const text = ` ${JSON.stringify(imageManifest(config, [layer]), null, '\t')}\n\n`;
    const digest = digestOf(Buffer.from(text));
    const put = await putManifest(app, 'ma/verbatim', 'v1', text);
    expect(put.status).toBe(201);
    expect(locationOf(put)).toBe(`/v2/ma/verbatim/manifests/${digest}`);
    expect(put.headers.get('docker-content-digest')).toBe(digest);
    expect(put.headers.get('content-length')).toBe('0');
    for (const reference of ['v1', digest]) {
      const [answer, bytes] = await pull('ma/verbatim', reference);
      expect(answer.status).toBe(200);
      expect(Buffer.from(bytes).toString()).toBe(text);
      const head = await app.fetch('HEAD', `/v2/ma/verbatim/manifests/${reference}`);
      expect([head.status, head.body]).toEqual([200, null]);
      for (const { headers } of [answer, head]) {
        expect(headers.get('content-type')).toBe(IMAGE_TYPE);
        expect(headers.get('content-length')).toBe(String(text.length));
        expect(headers.get('docker-content-digest')).toBe(digest);
      }
    }
  });

  test('a manifest is taken in a chunked body and with parameters at its type', async () => {
    const { config, layer } = await pushImage(app, 'ma/chunked');
    const bytes = Buffer.from(JSON.stringify(imageManifest(config, [layer])));
    const answer = await app.fetch('PUT', '/v2/ma/chunked/manifests/v1', {
      body: streamed(bytes.subarray(0, 10), bytes.subarray(10)),
      headers: { 'content-type': `${IMAGE_TYPE}; charset=utf-8` },
    });
    expect(answer.status).toBe(201);
    const [found] = await pull('ma/chunked', 'v1');
    expect(found.headers.get('content-type')).toBe(IMAGE_TYPE);
  });

  test('without a Content-Type the media type inside decides; where they differ the push is refused', async () => {
    const { config, layer } = await pushImage(app, 'ma/types');
    const text = JSON.stringify(imageManifest(config, [layer]));
    const url = '/v2/ma/types/manifests/v1';
    const bare = await app.fetch('PUT', url, { body: Buffer.from(text) });
    expect(bare.status).toBe(201);
    expect(await problemOf(await putManifest(app, 'ma/types', 'v1', text, INDEX_TYPE))).toBe(
      '400 MANIFEST_INVALID',
    );
  });

  test('a Docker manifest is kept as it is, whatever the reader would rather have', async () => {
    const { config, layer } = await pushImage(app, 'ma/docker');
    const { digest } = await pushManifest(
      app,
      'ma/docker',
      imageManifest(config, [layer], { mediaType: DOCKER_TYPE }),
      'v2',
    );
    const headers = { accept: IMAGE_TYPE };
    const answer = await app.fetch('GET', '/v2/ma/docker/manifests/v2', { headers });
    expect(answer.headers.get('content-type')).toBe(DOCKER_TYPE);
    expect(answer.headers.get('docker-content-digest')).toBe(digest);
  });

  test('a large manifest is stored and listed like a small one', async () => {
    const { config, layer } = await pushImage(app, 'ma/large');
    const annotations = Object.fromEntries(
      Array.from({ length: 390 }, (_, i) => [`large-annotation-${i}`, 'A'.repeat(10_000)]),
    );
    const { digest, bytes } = await pushManifest(
      app,
      'ma/large',
      imageManifest(config, [layer], { annotations }),
      'big',
    );
    expect(bytes.length).toBeGreaterThan(3_900_000);
    const [, found] = await pull('ma/large', 'big');
    expect(sameBytes(found, bytes)).toBe(true);
    const [, byDigest] = await pull('ma/large', digest);
    expect(sameBytes(byDigest, bytes)).toBe(true);
    expect((await app.fetch('DELETE', `/v2/ma/large/manifests/${digest}`)).status).toBe(202);
    expect((await app.fetch('HEAD', '/v2/ma/large/manifests/big')).status).toBe(404);
  });

  test('an index of images, an index of indexes, and an index of nothing are manifests', async () => {
    const images = [
      await pushImage(app, 'ma/index', undefined, 'one'),
      await pushImage(app, 'ma/index', undefined, 'two'),
    ];
    const children = images.map(({ manifest: { mediaType, digest, size } }, i) => ({
      mediaType,
      digest,
      size,
      platform: { os: 'linux', architecture: i === 0 ? 'amd64' : 'arm64' },
    }));
    const inner = await pushManifest(app, 'ma/index', indexManifest(children), 'index');
    const { mediaType, digest, size } = inner;
    const outer = await pushManifest(app, 'ma/index', indexManifest([{ mediaType, digest, size }]), 'nested');
    await pushManifest(app, 'ma/index', indexManifest([]), 'empty');
    for (const tag of ['index', 'nested', 'empty']) {
      const [answer] = await pull('ma/index', tag);
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, INDEX_TYPE]);
    }
    expect((await pull('ma/index', 'nested'))[0].headers.get('docker-content-digest')).toBe(outer.digest);
  });

  test('fields beyond the specification, data in descriptors and no layers at all are taken', async () => {
    const { config } = await pushImage(app, 'ma/odd');
    const { mediaType, digest: blob, size } = config;
    const data = Buffer.from(config.bytes).toString('base64');
    for (const manifest of [
      imageManifest(config, []),
      imageManifest(config, [], { layers: null }),
      imageManifest(config, [], {
        config: { mediaType, digest: blob, size, data, other: 1 },
      }),
      imageManifest(config, [], { 'org.example.random': { deep: [1, { er: null }] } }),
      imageManifest(config, [], { artifactType: 'application/vnd.example+type' }),
    ]) {
      const { digest } = await pushManifest(app, 'ma/odd', manifest);
      expect((await app.fetch('HEAD', `/v2/ma/odd/manifests/${digest}`)).status).toBe(200);
    }
  });

  test('layers that clients fetch elsewhere need not be here', async () => {
    const { config, layer } = await pushImage(app, 'ma/foreign');
    const foreign = [
      { mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', digest: MISSING, size: 1 },
      { mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', digest: MISSING, size: 1 },
      { mediaType: layer.mediaType, digest: MISSING, size: 1, urls: ['https://example.com/layer'] },
    ];
    const manifest = { ...imageManifest(config, [layer]), layers: foreign };
    const { digest } = await pushManifest(app, 'ma/foreign', manifest);
    expect((await app.fetch('HEAD', `/v2/ma/foreign/manifests/${digest}`)).status).toBe(200);
  });

  test('sha512 manifests and children are kept and found under sha512', async () => {
    const bytes = noise(40);
    const config = { ...(await pushBlob(app, 'ma/sha512', bytes)), digest: digestOf(bytes, 'sha512') };
    await app.fetch('POST', `/v2/ma/sha512/blobs/uploads/?digest=${config.digest}`, { body: bytes });
    const image = Buffer.from(JSON.stringify(imageManifest(config, [])));
    const child = digestOf(image, 'sha512');
    const put = await putManifest(app, 'ma/sha512', child, image);
    expect([put.status, put.headers.get('docker-content-digest')]).toEqual([201, child]);
    const index = Buffer.from(
      JSON.stringify(indexManifest([{ mediaType: IMAGE_TYPE, digest: child, size: image.length }])),
    );
    const parent = digestOf(index, 'sha512');
    const tagged = await app.fetch('PUT', `/v2/ma/sha512/manifests/${parent}?tag=long`, {
      body: index,
      headers: { 'content-type': INDEX_TYPE },
    });
    expect([tagged.status, tagged.headers.get('oci-tag')]).toEqual([201, 'long']);
    for (const reference of ['long', parent]) {
      const head = await app.fetch('HEAD', `/v2/ma/sha512/manifests/${reference}`);
      expect(head.headers.get('docker-content-digest')).toBe(parent);
    }
    expect((await app.fetch('HEAD', `/v2/ma/sha512/manifests/${digestOf(index)}`)).status).toBe(404);
  });

  test('the same push again is answered the same', async () => {
    const { manifest } = await pushImage(app, 'ma/repeat', 'v1');
    for (const reference of ['v1', manifest.digest, 'v2']) {
      const answer = await putManifest(app, 'ma/repeat', reference, manifest.bytes);
      expect([answer.status, answer.headers.get('docker-content-digest')]).toEqual([201, manifest.digest]);
    }
  });

  test('a client that has the manifest is told so', async () => {
    const { manifest } = await pushImage(app, 'ma/cached', 'v1');
    const headers = { 'if-none-match': `"${manifest.digest}"` };
    const answer = await app.fetch('GET', '/v2/ma/cached/manifests/v1', { headers });
    expect([answer.status, answer.body]).toEqual([304, null]);
    expect(answer.headers.get('docker-content-digest')).toBe(manifest.digest);
  });
});
