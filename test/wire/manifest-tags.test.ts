import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { problemOf } from '../support/answer.ts';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import { IMAGE_TYPE, pushImage, putManifest } from '../support/push.ts';

describe.each(adapters)('tags set and removed by manifests on %s', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await openTestApp({ adapter });
  });
  afterAll(() => app.close());

  test('a push by digest may set several tags, and names each it set', async () => {
    const { manifest } = await pushImage(app, 'ma/tags');
    const tags = ['1.2.3', '1.2', '1', 'latest', 'a', 'b', 'c', 'd', 'e', 'f'];
    const query = tags.map((tag) => `tag=${tag}`).join('&');
    const answer = await app.fetch('PUT', `/v2/ma/tags/manifests/${manifest.digest}?${query}&tag=latest`, {
      body: manifest.bytes,
      headers: { 'content-type': IMAGE_TYPE },
    });
    expect(answer.status).toBe(201);
    expect(answer.headers.get('oci-tag')?.split(', ')).toEqual(tags);
    for (const tag of tags) {
      const head = await app.fetch('HEAD', `/v2/ma/tags/manifests/${tag}`);
      expect(head.headers.get('docker-content-digest')).toBe(manifest.digest);
    }
  });

  test('a tag that cannot be, or more tags than one push takes, sets none', async () => {
    const { manifest } = await pushImage(app, 'ma/manytags');
    const put = async (query: string) =>
      await app.fetch('PUT', `/v2/ma/manytags/manifests/${manifest.digest}?${query}`, {
        body: manifest.bytes,
        headers: { 'content-type': IMAGE_TYPE },
      });
    expect(await problemOf(await put('tag=good&tag=.bad'))).toBe('400 TAG_INVALID');
    const many = Array.from({ length: 200 }, (_, i) => `tag=t${i}`).join('&');
    expect(await problemOf(await put(many))).toBe('414 TAG_INVALID');
    for (const tag of ['good', 't0'])
      expect((await app.fetch('HEAD', `/v2/ma/manytags/manifests/${tag}`)).status).toBe(404);
  });

  test('a push without ?tag= names no tags in the answer', async () => {
    const { manifest } = await pushImage(app, 'ma/plain', 'v1');
    const answer = await putManifest(app, 'ma/plain', 'v1', manifest.bytes);
    expect([answer.status, answer.headers.has('oci-tag'), answer.headers.has('oci-subject')]).toEqual([
      201,
      false,
      false,
    ]);
  });

  test('a tag moves to the newest push, and the older manifest stays by digest', async () => {
    const one = await pushImage(app, 'ma/move', 'latest', 'one');
    const two = await pushImage(app, 'ma/move', 'latest', 'two');
    const head = await app.fetch('HEAD', '/v2/ma/move/manifests/latest');
    expect(head.headers.get('docker-content-digest')).toBe(two.manifest.digest);
    expect((await app.fetch('HEAD', `/v2/ma/move/manifests/${one.manifest.digest}`)).status).toBe(200);
  });

  test('deleting a tag keeps the manifest and its other tags; deleting the digest takes all, at once and everywhere', async () => {
    const other = await openTestApp({ stores: app.stores, registry: app.registry });
    const { manifest } = await pushImage(app, 'ma/delete', 'one');
    for (const tag of ['two', 'three']) await putManifest(app, 'ma/delete', tag, manifest.bytes);
    const untagged = await app.fetch('DELETE', '/v2/ma/delete/manifests/one');
    expect([untagged.status, untagged.headers.get('content-length')]).toEqual([202, '0']);
    const alive = async (reference: string) =>
      (await other.fetch('HEAD', `/v2/ma/delete/manifests/${reference}`)).status;
    expect(await Promise.all(['one', 'two', 'three', manifest.digest].map(alive))).toEqual([
      404, 200, 200, 200,
    ]);
    expect((await app.fetch('DELETE', `/v2/ma/delete/manifests/${manifest.digest}`)).status).toBe(202);
    expect(await Promise.all(['one', 'two', 'three', manifest.digest].map(alive))).toEqual([
      404, 404, 404, 404,
    ]);
    expect(await problemOf(await app.fetch('DELETE', `/v2/ma/delete/manifests/${manifest.digest}`))).toBe(
      '404 MANIFEST_UNKNOWN',
    );
  });

  test('a manifest with more tags than fit one transaction is deleted with all of them', async () => {
    const { manifest } = await pushImage(app, 'ma/hundred');
    const tags = Array.from({ length: 70 }, (_, i) => `t${i}`);
    for (let i = 0; i < tags.length; i += 10) {
      const query = tags
        .slice(i, i + 10)
        .map((tag) => `tag=${tag}`)
        .join('&');
      const put = await app.fetch('PUT', `/v2/ma/hundred/manifests/${manifest.digest}?${query}`, {
        body: manifest.bytes,
        headers: { 'content-type': IMAGE_TYPE },
      });
      expect(put.status).toBe(201);
    }
    expect((await app.fetch('DELETE', `/v2/ma/hundred/manifests/${manifest.digest}`)).status).toBe(202);
    const list = await app.fetch('GET', '/v2/ma/hundred/tags/list');
    expect(await problemOf(list)).toBe('404 NAME_UNKNOWN');
  });
});
