import { afterEach, describe, expect, test } from 'vitest';
import { jsonOf, problemOf } from '../support/answer.ts';
import { type TestApp, type TestAppOptions, adapters, openTestApp } from '../support/app.ts';
import { breaches } from '../support/invariants.ts';
import {
  imageManifest,
  indexManifest,
  pushBlob,
  pushImage,
  pushManifest,
  putManifest,
} from '../support/push.ts';
import { noise } from '../support/sample.ts';

const NAME = 'team/app';
const PATH = `/acr/v1/${NAME}`;

describe.each(adapters)('DELETE of a repository on %s', (adapter) => {
  let app: TestApp;
  afterEach(() => app.close());

  async function open(options: TestAppOptions = {}): Promise<void> {
    app = await openTestApp({ adapter, ...options });
  }

  test('takes everything of it, tells what that was, and leaves other repositories alone', async () => {
    await open();
    const { manifest, config } = await pushImage(app, NAME, 'v1');
    await putManifest(app, NAME, 'v2', manifest.bytes);
    const index = await pushManifest(
      app,
      NAME,
      indexManifest([{ mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.size }]),
      'latest',
    );
    const { bytes: _, ...subject } = manifest;
    const signature = await pushManifest(app, NAME, imageManifest(config, [], { subject }));
    await putManifest(app, NAME, manifest.digest.replace(':', '-'), manifest.bytes);
    const other = await pushImage(app, 'team/app2', 'v1');

    const answer = await app.fetch('DELETE', PATH, { headers: { 'x-ms-client-request-id': 'mine' } });
    expect(answer.status).toBe(202);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(answer.headers.get('x-ms-client-request-id')).toBe('mine');
    const text = await answer.text();
    expect(text).toMatch(/^\{"manifestsDeleted":\[.*\],"tagsDeleted":\[.*\]\}$/);
    const { manifestsDeleted, tagsDeleted }: Told = JSON.parse(text);
    expect(manifestsDeleted.toSorted()).toEqual([manifest.digest, index.digest, signature.digest].toSorted());
    expect(tagsDeleted.toSorted()).toEqual(['latest', manifest.digest.replace(':', '-'), 'v1', 'v2']);

    expect(await problemOf(await app.fetch('GET', PATH))).toBe('404 NAME_UNKNOWN');
    expect(await problemOf(await app.fetch('DELETE', PATH))).toBe('404 NAME_UNKNOWN');
    expect(await jsonOf(await app.fetch('GET', '/v2/_catalog'))).toEqual({ repositories: ['team/app2'] });
    expect((await app.fetch('GET', `/v2/team/app2/manifests/${other.manifest.digest}`)).status).toBe(200);
    const referrers = await app.fetch('GET', `/v2/${NAME}/referrers/${manifest.digest}`);
    expect(await jsonOf(referrers)).toMatchObject({ manifests: [] });
    await pushImage(app, NAME, 'again');
    expect(await breaches(app.stores, app.registry)).toEqual([]);
  });

  test('is refused for a repository that was never there', async () => {
    await open();
    expect(await (await app.fetch('DELETE', PATH)).text()).toBe(
      `{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry","detail":{"name":"${NAME}"}}]}`,
    );
  });

  test.each(['', '/_manifests/DIGEST', '/_tags/v1'])(
    'is refused, and takes nothing, when %s below it or itself is locked against deletion or writing',
    async (below) => {
      await open();
      const { manifest } = await pushImage(app, NAME, 'v1');
      await pushImage(app, NAME, 'v2', 'other');
      const set = async (attributes: Readonly<Record<string, boolean>>) =>
        await app.fetch('PATCH', `${PATH}${below.replace('DIGEST', manifest.digest)}`, {
          body: JSON.stringify(attributes),
        });
      for (const name of ['deleteEnabled', 'writeEnabled']) {
        expect((await set({ [name]: false })).status).toBe(200);
        expect(await problemOf(await app.fetch('DELETE', PATH))).toBe('405 REGISTRY_DISALLOWED_OPERATION');
        expect(await jsonOf(await app.fetch('GET', PATH))).toMatchObject({ manifestCount: 2, tagCount: 2 });
        await set({ [name]: true });
      }
      await set({ listEnabled: false, readEnabled: false });
      expect((await app.fetch('DELETE', PATH)).status).toBe(202);
      expect(await breaches(app.stores, app.registry)).toEqual([]);
    },
  );

  test('leaves everything to be restored while soft delete is on, however large', async () => {
    await open({ document: { softDelete: { enabled: true, days: 7, updated: 0 } } });
    const config = await pushBlob(app, NAME, noise(10));
    const text = 'x'.repeat(55_000);
    for (let i = 0; i < 25; i++) {
      const manifest = imageManifest(config, [], { annotations: { text, i: String(i) } });
      const { digest, bytes } = await pushManifest(app, NAME, manifest, `v${i}`);
      const tags = Array.from({ length: 3 }, (_, j) => `tag=w${i}-${j}`).join('&');
      await putManifest(app, NAME, `${digest}?${tags}`, bytes);
    }
    expect((await app.fetch('DELETE', PATH)).status).toBe(202);
    expect(await problemOf(await app.fetch('GET', PATH))).toBe('404 NAME_UNKNOWN');
    const deleted = `/acr/v1/_deleted/${NAME}`;
    const { manifests }: { manifests: { digest: string }[] } = JSON.parse(
      await (await app.fetch('GET', `${deleted}/_manifests?n=100`)).text(),
    );
    expect(manifests).toHaveLength(25);
    const { tags }: { tags: unknown[] } = JSON.parse(
      await (await app.fetch('GET', `${deleted}/_tags?n=200`)).text(),
    );
    expect(tags).toHaveLength(100);
    for (const { digest } of manifests) {
      const restored = await app.fetch('POST', `${deleted}/_manifests/${digest}`, { body: '{}' });
      expect([restored.status, digest]).toEqual([200, digest]);
    }
    expect(await jsonOf(await app.fetch('GET', PATH))).toMatchObject({ manifestCount: 25 });
    expect(await breaches(app.stores, app.registry)).toEqual([]);
  });

  test('takes a manifest with more tags than a transaction, among others', async () => {
    await open();
    const { manifest } = await pushImage(app, NAME, 'v1', 'many');
    const tags = Array.from({ length: 130 }, (_, i) => `t${String(i).padStart(3, '0')}`);
    for (let i = 0; i < tags.length; i += 18) {
      const query = tags.slice(i, i + 18).map((tag) => `tag=${tag}`);
      await putManifest(app, NAME, `${manifest.digest}?${query.join('&')}`, manifest.bytes);
    }
    const layer = await pushBlob(app, NAME, noise(20));
    for (let i = 0; i < 60; i++) {
      await pushManifest(app, NAME, imageManifest(layer, [], { annotations: { i: String(i) } }), `u${i}`);
    }
    const { manifestsDeleted, tagsDeleted }: Told = JSON.parse(
      await (await app.fetch('DELETE', PATH)).text(),
    );
    expect([manifestsDeleted.length, new Set(manifestsDeleted).size]).toEqual([61, 61]);
    expect([tagsDeleted.length, new Set(tagsDeleted).size]).toEqual([191, 191]);
    expect(await problemOf(await app.fetch('GET', PATH))).toBe('404 NAME_UNKNOWN');
    expect(await breaches(app.stores, app.registry)).toEqual([]);
  });
});

interface Told {
  readonly manifestsDeleted: readonly string[];
  readonly tagsDeleted: readonly string[];
}
