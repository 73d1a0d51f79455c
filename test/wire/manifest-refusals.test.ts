import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { problemOf } from '../support/answer.ts';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import {
  IMAGE_TYPE,
  INDEX_TYPE,
  imageManifest,
  pushImage,
  putManifest,
  indexManifest,
} from '../support/push.ts';

const MISSING = digestOf(Buffer.from('missing'));

describe.each(adapters)('refused manifests on %s', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await openTestApp({ adapter });
  });
  afterAll(() => app.close());

  test('a manifest whose layer, config or child is missing is MANIFEST_BLOB_UNKNOWN, naming each', async () => {
    const { config, layer } = await pushImage(app, 'ma/missing');
    const gone = { ...layer, digest: MISSING };
    for (const manifest of [
      imageManifest(gone, [layer]),
      imageManifest(config, [layer, gone]),
      indexManifest([{ mediaType: IMAGE_TYPE, digest: MISSING, size: 1 }]),
    ]) {
      const type = String(manifest.mediaType);
      const answer = await putManifest(app, 'ma/missing', 'v1', JSON.stringify(manifest), type);
      expect(await answer.clone().text()).toContain(MISSING);
      expect(await problemOf(answer)).toBe('400 MANIFEST_BLOB_UNKNOWN');
    }
    expect((await app.fetch('HEAD', '/v2/ma/missing/manifests/v1')).status).toBe(404);
  });

  test('an index may come before its children where the setting says so', async () => {
    const sparse = await openTestApp({
      stores: app.stores,
      registry: app.registry,
      settings: { sparseIndexes: true },
    });
    const index = indexManifest([{ mediaType: IMAGE_TYPE, digest: MISSING, size: 1 }]);
    const answer = await putManifest(sparse, 'ma/sparse', 'v1', JSON.stringify(index), INDEX_TYPE);
    expect(answer.status).toBe(201);
  });

  test.each([
    ['text', 'blablabla', IMAGE_TYPE],
    ['nothing', '', IMAGE_TYPE],
    ['a list', '[]', IMAGE_TYPE],
    ['null', 'null', IMAGE_TYPE],
    ['a number', '7', IMAGE_TYPE],
    ['half an object', '{"schemaVersion":2', IMAGE_TYPE],
    ['text outside UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), IMAGE_TYPE],
    ['layers that are no list', '{"layers":{}}', IMAGE_TYPE],
    ['a layer without a digest', '{"layers":[{}]}', IMAGE_TYPE],
    ['a digest that is none', '{"config":{"digest":"sha256:x","size":1}}', IMAGE_TYPE],
    ['a digest that is a number', '{"config":{"digest":7}}', IMAGE_TYPE],
    ['a size below zero', `{"config":{"digest":"${MISSING}","size":-1}}`, IMAGE_TYPE],
    ['a size that is text', `{"config":{"digest":"${MISSING}","size":"1"}}`, IMAGE_TYPE],
    ['a media type that is no text', '{"mediaType":7}', IMAGE_TYPE],
    ['no media type', '{}', ''],
    ['a media type with a line break', '{"mediaType":"a/b\\r\\nx: y"}', ''],
    ['a subject that is text', '{"subject":"x"}', IMAGE_TYPE],
    ['an index without manifests', '{}', INDEX_TYPE],
    [
      'schema 1',
      '{"schemaVersion":1,"name":"a","fsLayers":[]}',
      'application/vnd.docker.distribution.manifest.v1+prettyjws',
    ],
    ['schema 1 in disguise', '{"schemaVersion":1}', IMAGE_TYPE],
    ['a tower of lists', `{"annotations":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, IMAGE_TYPE],
  ])('%s is MANIFEST_INVALID', async (_, body, type) => {
    expect(await problemOf(await putManifest(app, 'ma/bad', 'v1', body, type))).toBe('400 MANIFEST_INVALID');
  });

  test('a push by digest is refused when the bytes have another, or the digest is none', async () => {
    const { config, manifest } = await pushImage(app, 'ma/digest');
    const text = JSON.stringify(imageManifest(config, []));
    expect(await problemOf(await putManifest(app, 'ma/digest', manifest.digest, text))).toBe(
      '400 DIGEST_INVALID',
    );
    for (const digest of [
      'sha256:totallywrong',
      'sha256:baddigeststring',
      'md5:d41d8cd98f00b204e9800998ecf8427e',
    ])
      expect(await problemOf(await putManifest(app, 'ma/digest', digest, text))).toBe('400 DIGEST_INVALID');
    expect(await problemOf(await app.fetch('GET', '/v2/ma/digest/manifests/sha256:totallywrong'))).toBe(
      '400 DIGEST_INVALID',
    );
  });

  test('what is not there is MANIFEST_UNKNOWN, also where no tag can have that name', async () => {
    await pushImage(app, 'ma/there', 'v1');
    for (const repository of ['ma/there', 'ma/nowhere']) {
      for (const reference of ['v2', MISSING, '.INVALID_MANIFEST_NAME', 'x'.repeat(129), 'sp ace', '']) {
        const path = `/v2/${repository}/manifests/${reference}`;
        expect(await problemOf(await app.fetch('GET', path))).toBe('404 MANIFEST_UNKNOWN');
        const head = await app.fetch('HEAD', path);
        expect([head.status, head.body]).toEqual([404, null]);
        expect(await problemOf(await app.fetch('DELETE', path))).toBe('404 MANIFEST_UNKNOWN');
      }
    }
  });

  test('a tag that cannot be is refused at the push', async () => {
    const { manifest } = await pushImage(app, 'ma/badtag');
    for (const tag of ['.dot', '-dash', 'x'.repeat(129), 'sp ace'])
      expect(await problemOf(await putManifest(app, 'ma/badtag', tag, manifest.bytes))).toBe(
        '400 TAG_INVALID',
      );
    for (const tag of ['x'.repeat(128), '_', 'V1.0_x-y'])
      expect((await putManifest(app, 'ma/badtag', tag, manifest.bytes)).status).toBe(201);
  });
});
