import { afterEach, describe, expect, test } from 'vitest';
import type { RegistryDocument } from '../../src/model/access.ts';
import { parseRepositoryName, parseTag } from '../../src/model/names.ts';
import { repositoryKey, repositoryPartition, tagKey } from '../../src/model/record.ts';
import { type Write, ifPresent, merge } from '../../src/store/records.ts';
import { jsonOf, problemOf } from '../support/answer.ts';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import { breaches } from '../support/invariants.ts';
import {
  imageManifest,
  indexManifest,
  pullBlob,
  pushImage,
  pushManifest,
  putManifest,
} from '../support/push.ts';

const NAME = 'team/app';
const V2 = `/v2/${NAME}`;
const DELETED = `/acr/v1/_deleted/${NAME}`;

describe.each(adapters)('what was deleted while soft delete is on, on %s', (adapter) => {
  let app: TestApp;
  afterEach(() => app.close());

  async function open(document: Partial<RegistryDocument> = {}): Promise<void> {
    const softDelete = { enabled: true, days: 7, updated: 0 };
    app = await openTestApp({ adapter, document: { softDelete, ...document } });
  }

  async function remove(reference: string): Promise<void> {
    const { status } = await app.fetch('DELETE', `${V2}/manifests/${reference}`);
    if (status !== 202) throw new Error(`DELETE ${reference}: ${status}`);
  }

  const restore = async (digest: string, tag?: string | null, query = '') =>
    await app.fetch('POST', `${DELETED}/_manifests/${digest}${query}`, {
      body: JSON.stringify({ tag }),
      headers: { 'content-type': 'application/json' },
    });

  const digestOfTag = async (tag: string) =>
    (await app.fetch('HEAD', `${V2}/manifests/${tag}`)).headers.get('docker-content-digest');

  const repository = () => ({ registry: app.registry, name: parseRepositoryName(NAME) });

  const write = async (one: Write) =>
    await app.stores.records.batch('repos', repositoryPartition(repository()), [one]);

  const listed = async (path: string): Promise<unknown> => await jsonOf(await app.fetch('GET', path));

  test('is listed and comes back with its tag and all its bytes', async () => {
    await open();
    const { manifest, layer } = await pushImage(app, NAME, 'v1');
    const created = app.clock.now();
    app.clock.advance(1000);
    await remove(manifest.digest);
    expect((await app.fetch('GET', `${V2}/manifests/v1`)).status).toBe(404);
    const times = { createdAt: timeText(created), deletedAt: timeText(created + 1000) };
    const shared = { registry: 'registry.test', imageName: NAME };
    expect(await listed('/acr/v1/_deleted/_catalog')).toEqual({
      repositories: [{ ...times, repository: NAME }],
    });
    expect(await listed(`${DELETED}/_manifests`)).toEqual({
      ...shared,
      manifests: [{ ...times, digest: manifest.digest }],
    });
    expect(await listed(`${DELETED}/_tags`)).toEqual({
      ...shared,
      tags: [{ ...times, digest: manifest.digest, tag: 'v1' }],
    });

    const answer = await restore(manifest.digest, 'v1');
    expect([answer.status, await jsonOf(answer)]).toEqual([200, { digest: manifest.digest, tag: 'v1' }]);
    const pulled = await app.fetch('GET', `${V2}/manifests/v1`);
    expect(new Uint8Array(await pulled.arrayBuffer())).toEqual(manifest.bytes);
    expect(await pullBlob(app, NAME, layer.digest)).toEqual(layer.bytes);
    expect(await listed('/acr/v1/_deleted/_catalog')).toEqual({ repositories: [] });
    expect(await listed(`${DELETED}/_manifests`)).toEqual({ ...shared, manifests: [] });
    expect(await listed(`${DELETED}/_tags`)).toEqual({ ...shared, tags: [] });
    expect(await listed(`/acr/v1/${NAME}`)).toMatchObject({ manifestCount: 1, tagCount: 1 });
    expect(await breaches(app.stores, app.registry)).toEqual([]);
  });

  test('is gone at once where soft delete is off', async () => {
    await open({ softDelete: { enabled: false, days: 7, updated: 0 } });
    const { manifest } = await pushImage(app, NAME, 'v1');
    await remove(manifest.digest);
    expect(await problemOf(await app.fetch('GET', `${DELETED}/_manifests`))).toBe('404 NAME_UNKNOWN');
    expect(await problemOf(await restore(manifest.digest, 'v1'))).toBe('404 MANIFEST_UNKNOWN');
    expect((await putManifest(app, NAME, 'v1', manifest.bytes)).status).toBe(201);
  });

  test('a manifest beyond what a row holds comes back whole', async () => {
    await open();
    const { config } = await pushImage(app, NAME, 'small');
    const annotations = { text: 'x'.repeat(70_000) };
    const large = await pushManifest(app, NAME, imageManifest(config, [], { annotations }), 'large');
    await remove(large.digest);
    expect((await restore(large.digest, 'large')).status).toBe(200);
    const pulled = await app.fetch('GET', `${V2}/manifests/large`);
    expect(new Uint8Array(await pulled.arrayBuffer())).toEqual(large.bytes);
    expect(await breaches(app.stores, app.registry)).toEqual([]);
  });

  test('a tag that was untagged comes back to its manifest', async () => {
    await open();
    const { manifest } = await pushImage(app, NAME, 'v1');
    await putManifest(app, NAME, 'v2', manifest.bytes);
    await app.fetch('DELETE', `/acr/v1/${NAME}/_tags/v1`);
    expect(await listed(`${DELETED}/_manifests`)).toMatchObject({ manifests: [] });
    expect((await restore(manifest.digest, 'v1')).status).toBe(200);
    expect(await digestOfTag('v1')).toBe(manifest.digest);
    // Once more, as a client does that heard nothing.
    expect((await restore(manifest.digest, 'v1')).status).toBe(200);
    expect(await breaches(app.stores, app.registry)).toEqual([]);
  });

  test('a manifest is restored without its tags, and they one by one', async () => {
    await open();
    const { manifest } = await pushImage(app, NAME, 'v1');
    await putManifest(app, NAME, 'v2', manifest.bytes);
    await remove(manifest.digest);
    expect(await jsonOf(await restore(manifest.digest, null))).toEqual({ digest: manifest.digest });
    expect([await digestOfTag('v1'), await digestOfTag('v2')]).toEqual([null, null]);
    for (const tag of ['v1', 'v2']) expect((await restore(manifest.digest, tag)).status).toBe(200);
    expect(await digestOfTag('v2')).toBe(manifest.digest);
    expect(await listed(`${DELETED}/_tags`)).toMatchObject({ tags: [] });
    expect(await breaches(app.stores, app.registry)).toEqual([]);
  });

  test('no tag is restored that was not taken from this manifest', async () => {
    await open();
    const { manifest } = await pushImage(app, NAME, 'v1');
    await pushImage(app, NAME, 'v2', 'other');
    await remove('v2');
    await remove(manifest.digest);
    expect(await problemOf(await restore(manifest.digest, 'v2'))).toBe('404 TAG_UNKNOWN');
    expect(await problemOf(await restore(manifest.digest, 'never'))).toBe('404 TAG_UNKNOWN');
    expect(await problemOf(await restore(manifest.digest, '.bad'))).toBe('400 TAG_INVALID');
    expect((await app.fetch('HEAD', `${V2}/manifests/${manifest.digest}`)).status).toBe(404);
  });

  test('a tag that another manifest has is taken from it only by force, and can be given back', async () => {
    await open();
    const { manifest: old } = await pushImage(app, NAME, 'v1', 'old');
    await remove(old.digest);
    const { manifest: fresh } = await pushImage(app, NAME, 'v1', 'new');
    expect(await problemOf(await restore(old.digest, 'v1'))).toBe('409 UNSUPPORTED');
    expect(await problemOf(await restore(old.digest, 'v1', '?force=false'))).toBe('409 UNSUPPORTED');
    expect(await digestOfTag('v1')).toBe(fresh.digest);
    // As Python's requests write it.
    expect((await restore(old.digest, 'v1', '?force=True')).status).toBe(200);
    expect(await digestOfTag('v1')).toBe(old.digest);
    expect(await listed(`${DELETED}/_tags`)).toMatchObject({ tags: [{ tag: 'v1', digest: fresh.digest }] });
    expect((await restore(fresh.digest, 'v1', '?force=true')).status).toBe(200);
    expect(await digestOfTag('v1')).toBe(fresh.digest);
    expect(await breaches(app.stores, app.registry)).toEqual([]);
  });

  test('a locked tag, a tag written once and a locked repository stay as they are, by force too', async () => {
    await open();
    const { manifest: old } = await pushImage(app, NAME, 'v1', 'old');
    await remove(old.digest);
    await pushImage(app, NAME, 'v1', 'new');
    const [owner, tag] = [repositoryKey(repository()), tagKey(repository(), parseTag('v1'))];
    await write(merge(tag, { locks: 'w' }, ifPresent));
    expect(await problemOf(await restore(old.digest, 'v1', '?force=true'))).toBe(
      '405 REGISTRY_DISALLOWED_OPERATION',
    );
    await write(merge(tag, { locks: '' }, ifPresent));
    await write(merge(owner, { writeOnce: true }, ifPresent));
    expect(await problemOf(await restore(old.digest, 'v1', '?force=true'))).toBe(
      '405 REGISTRY_DISALLOWED_OPERATION',
    );
    await write(merge(owner, { writeOnce: false, locks: 'w' }, ifPresent));
    expect(await problemOf(await restore(old.digest, null))).toBe('405 REGISTRY_DISALLOWED_OPERATION');
    await write(merge(owner, { locks: '' }, ifPresent));
    expect((await restore(old.digest, 'v1', '?force=true')).status).toBe(200);
  });

  test('the newest deletion of a tag is the last in the list, which is what az restores', async () => {
    await open();
    const digests: string[] = [];
    for (const text of ['c', 'a', 'd', 'b']) {
      const { manifest } = await pushImage(app, NAME, 'latest', text);
      digests.push(manifest.digest);
      await remove(text === 'a' ? 'latest' : manifest.digest);
    }
    const tags = digests.map((digest) => ({ tag: 'latest', digest }));
    expect(await listed(`${DELETED}/_tags`)).toMatchObject({ tags });
  });

  test('a restored index has no children until they are restored', async () => {
    await open();
    const { manifest: child } = await pushImage(app, NAME);
    const { bytes: _, ...descriptor } = child;
    const index = await pushManifest(app, NAME, indexManifest([descriptor]), 'latest');
    await remove(index.digest);
    await remove(child.digest);
    expect((await restore(index.digest, 'latest')).status).toBe(200);
    expect((await app.fetch('HEAD', `${V2}/manifests/${child.digest}`)).status).toBe(404);
    expect((await restore(child.digest)).status).toBe(200);
    expect((await app.fetch('HEAD', `${V2}/manifests/${child.digest}`)).status).toBe(200);
  });

  test('a referrer comes back after its subject, and is listed again', async () => {
    await open();
    const { manifest, config } = await pushImage(app, NAME, 'v1');
    const { bytes: _, ...subject } = manifest;
    const signature = await pushManifest(app, NAME, imageManifest(config, [], { subject }));
    await remove(manifest.digest);
    const refused = await restore(signature.digest);
    expect(refused.status).toBe(409);
    expect(await refused.text()).toContain(manifest.digest);
    expect((await restore(manifest.digest, 'v1')).status).toBe(200);
    expect((await restore(signature.digest)).status).toBe(200);
    expect(await listed(`${V2}/referrers/${manifest.digest}`)).toMatchObject({
      manifests: [{ digest: signature.digest }],
    });
    expect(await breaches(app.stores, app.registry)).toEqual([]);
  });

  test('the digest of a deleted manifest is not pushed, other content revives its repository', async () => {
    await open();
    const { manifest } = await pushImage(app, NAME, 'v1');
    await remove(manifest.digest);
    const refused = await putManifest(app, NAME, 'v2', manifest.bytes);
    expect(refused.status).toBe(405);
    expect(await refused.text()).toContain('restore it');
    expect(await problemOf(await putManifest(app, NAME, manifest.digest, manifest.bytes))).toBe(
      '405 REGISTRY_DISALLOWED_OPERATION',
    );
    await pushImage(app, NAME, 'v2', 'other');
    expect(await listed('/acr/v1/_deleted/_catalog')).toEqual({ repositories: [] });
    expect((await restore(manifest.digest, 'v1')).status).toBe(200);
    // It is there again.
    expect((await putManifest(app, NAME, 'v3', manifest.bytes)).status).toBe(201);
    expect(await breaches(app.stores, app.registry)).toEqual([]);
  });

  test('a restored repository has the locks that it had', async () => {
    await open({ guarded: [NAME] });
    const { manifest } = await pushImage(app, NAME, 'v1');
    await write(merge(repositoryKey(repository()), { locks: 'lr' }, ifPresent));
    await remove(manifest.digest);
    expect((await restore(manifest.digest, 'v1')).status).toBe(200);
    expect(await problemOf(await app.fetch('GET', `${V2}/manifests/v1`))).toBe(
      '405 REGISTRY_DISALLOWED_OPERATION',
    );
    expect(await breaches(app.stores, app.registry)).toEqual([]);
  });

  test('a manifest whose blob was deleted by itself is not restored without it', async () => {
    await open();
    const { manifest, layer } = await pushImage(app, NAME, 'v1');
    await remove(manifest.digest);
    await app.fetch('DELETE', `${V2}/blobs/${layer.digest}`);
    const refused = await restore(manifest.digest, 'v1');
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain(layer.digest);
  });

  test('lists go on where a page ended', async () => {
    await open();
    for (const tag of ['a', 'b']) await pushImage(app, NAME, tag, tag);
    const { manifest } = await pushImage(app, NAME, 'b2', 'b2');
    await putManifest(app, NAME, 'b', manifest.bytes);
    for (const tag of ['a', 'b', 'b2']) await remove(tag);
    await pushImage(app, NAME, 'b', 'b');
    await remove('b');
    const seen: string[] = [];
    let path = `${DELETED}/_tags?n=1`;
    for (let pages = 0; path !== '' && pages < 9; pages++) {
      const answer = await app.fetch('GET', path);
      seen.push(/"tag":"([^"]+)"/.exec(await answer.text())?.[1] ?? '');
      path = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1] ?? '';
    }
    expect(seen).toEqual(['a', 'b', 'b', 'b2']);
  });

  test('an encoded path, a bad body and a bad digest are told apart', async () => {
    await open();
    const { manifest } = await pushImage(app, NAME, 'v1');
    await remove(manifest.digest);
    const encoded = `/acr/v1/_deleted/${encodeURIComponent(NAME)}/_manifests`;
    expect((await app.fetch('GET', encoded)).status).toBe(200);
    const post = async (body: string) =>
      await app.fetch('POST', `${encoded}/${encodeURIComponent(manifest.digest)}`, { body });
    expect(await problemOf(await post('{'))).toBe('400 UNSUPPORTED');
    expect(await problemOf(await post('{"tag":1}'))).toBe('400 UNSUPPORTED');
    expect(await problemOf(await restore('sha256:1'))).toBe('400 DIGEST_INVALID');
    expect(await problemOf(await app.fetch('GET', '/acr/v1/_deleted/no/such/_tags'))).toBe(
      '404 NAME_UNKNOWN',
    );
    expect((await app.fetch('GET', `/acr/v1/_deleted/${NAME}`)).status).toBe(404);
    expect((await post('')).status).toBe(200);
  });
});

function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', '0000Z');
}
