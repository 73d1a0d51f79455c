import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/model/digest.ts';
import { parseRegistryName, parseRepositoryName } from '../../../src/model/names.ts';
import { catalogKey, linkKey, repositoryKey } from '../../../src/model/record.ts';
import { always, put as write, remove } from '../../../src/store/records.ts';
import { adapters } from '../../support/app.ts';
import { begin, clientOf, document, end, patch, publish } from '../../support/client.ts';
import { type PortCall, intercept } from '../../support/intercept.ts';
import { breaches } from '../../support/invariants.ts';
import { orphans } from '../../support/orphans.ts';
import { HOUR_MS, LONG_MS, openLab, put } from './lab.ts';

const NAME = 'team/app';

function layers(...digests: string[]) {
  return digests.map((digest) => ({ mediaType: 'application/x', digest, size: 1 }));
}

describe.each(adapters)('on %s', (adapter) => {
  test('a blob that no manifest needs goes a day after somebody relied on it, with its bytes', async () => {
    const { send, pass, collect, has, names } = await openLab({ adapter });
    const digest = await put(send, NAME, 'nobody needs this');
    pass(23 * HOUR_MS);
    expect((await collect()).totals).toMatchObject({ links: 0, blobs: 0, bytes: 0 });
    expect(await has(NAME, digest)).toBe(true);
    pass(2 * HOUR_MS);
    const { finished, totals } = await collect();
    expect(finished).toBe(true);
    expect(totals).toMatchObject({ links: 1, blobs: 1, bytes: 17, leftovers: 0 });
    expect(await has(NAME, digest)).toBe(false);
    expect(await names()).toEqual([]);
  });

  test('what deleted manifests needed goes; what others need stays', async () => {
    const { app, send, registry, pass, collect, has } = await openLab({ adapter });
    const [own, shared] = [await put(send, NAME, 'own'), await put(send, NAME, 'shared')];
    const [gone, stays] = [
      document('gone', { layers: layers(own, shared) }),
      document('stays', { layers: layers(shared) }),
    ];
    for (const one of [gone, stays]) expect((await publish(send, NAME, one.digest, one)).status).toBe(201);
    await send('DELETE', `/v2/${NAME}/manifests/${gone.digest}`);
    pass(LONG_MS);
    expect((await collect()).totals).toMatchObject({ links: 1, blobs: 1, bytes: 3 });
    expect([await has(NAME, own), await has(NAME, shared)]).toEqual([false, true]);
    expect(await orphans(app.stores, registry)).toEqual([]);
  });
});

describe('a manifest keeps', () => {
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', size: 2 };
  const one = 'application/vnd.oci.image.layer.v1.tar';
  test.each<[string, (digest: string) => Record<string, unknown>]>([
    ['its config', (digest) => ({ config: { ...config, digest } })],
    ['its layers', (digest) => ({ layers: [{ mediaType: one, digest, size: 1 }] })],
    ['the blobs of an artifact', (digest) => ({ blobs: [{ mediaType: one, digest, size: 1 }] })],
    [
      'layers that clients may fetch elsewhere, where they were pushed',
      (digest) => ({
        layers: [{ mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar', digest, size: 1 }],
      }),
    ],
    [
      'layers with addresses of their own',
      (digest) => ({ layers: [{ mediaType: one, digest, size: 1, urls: ['https://elsewhere.test/x'] }] }),
    ],
    [
      'blobs that an index lists, as build caches do',
      (digest) => ({ manifests: [{ mediaType: one, digest, size: 1 }] }),
    ],
    [
      'layers beyond what its row has room to name',
      (digest) => ({
        layers: [{ mediaType: one, digest, size: 1 }],
        manifests: Array.from({ length: 2000 }, (_, i) => ({
          mediaType: one,
          digest: digestOf(Buffer.from(`${i}`)),
          size: 1,
        })),
      }),
    ],
  ])('%s', async (_, fields) => {
    const { app, send, registry, pass, collect, has } = await openLab({ settings: { sparseIndexes: true } });
    const digest = await put(send, NAME, 'needed');
    const manifest = document('needs it', fields(digest));
    expect((await publish(send, NAME, 'v1', manifest)).status).toBe(201);
    for (let day = 0; day < 3; day++) {
      pass(LONG_MS);
      await collect();
    }
    expect(await has(NAME, digest)).toBe(true);
    expect(await breaches(app.stores, registry)).toEqual([]);

    await send('DELETE', `/v2/${NAME}/manifests/${manifest.digest}`);
    await collect();
    expect(await orphans(app.stores, registry)).toEqual([]);
  });

  test('blobs named by sha512', async () => {
    const { send, pass, collect } = await openLab();
    const [needed, other] = [Buffer.from('needed'), Buffer.from('other')];
    const digests = [needed, other].map((bytes) => digestOf(bytes, 'sha512'));
    for (const [i, bytes] of [needed, other].entries())
      expect((await end(send, await begin(send, NAME), digests[i] ?? '', bytes)).status).toBe(201);
    expect(
      (await publish(send, NAME, 'v1', document('512', { layers: layers(digests[0] ?? '') }))).status,
    ).toBe(201);
    pass(LONG_MS);
    expect((await collect()).totals).toMatchObject({ links: 1, blobs: 1 });
    const found = await Promise.all(digests.map((digest) => send('HEAD', `/v2/${NAME}/blobs/${digest}`)));
    expect(found.map(({ status }) => status)).toEqual([200, 404]);
  });
});

describe('a client that is told by HEAD that a blob is there', () => {
  test('finds it there hours later, if it may push', async () => {
    const { send, pass, collect } = await openLab();
    const digest = await put(send, NAME, 'long on its way');
    for (let time = 0; time < 100; time += 11) {
      expect((await send('HEAD', `/v2/${NAME}/blobs/${digest}`)).status).toBe(200);
      pass(11 * HOUR_MS);
      await collect();
    }
    expect((await publish(send, NAME, 'v1', document('at last', { layers: layers(digest) }))).status).toBe(
      201,
    );
  });

  test('does not keep it by asking, if it may only pull', async () => {
    const pulls = {
      name: 'reader',
      subject: 'reader',
      allows: (_: unknown, action: string) => action === 'pull',
    };
    const { app, send, pass, collect } = await openLab();
    const digest = await put(send, NAME, 'looked at');
    const reader = { ...app.app, authorize: () => Promise.resolve(pulls) };
    for (let time = 0; time < 33; time += 11) {
      await clientOf(reader)('HEAD', `/v2/${NAME}/blobs/${digest}`);
      pass(11 * HOUR_MS);
    }
    await collect();
    expect((await clientOf(reader)('HEAD', `/v2/${NAME}/blobs/${digest}`)).status).toBe(404);
  });
});

test('a blob goes from the repository that does not need it, and stays in the one that does', async () => {
  const { send, pass, collect, has, names } = await openLab();
  const digest = await put(send, NAME, 'shared');
  await put(send, 'other', 'shared');
  await publish(send, 'other', 'v1', document('needs it', { layers: layers(digest) }));
  pass(LONG_MS);
  const { totals } = await collect();
  // The copy that lost to the older one goes, too.
  expect(totals).toMatchObject({ links: 1, blobs: 0, leftovers: 1 });
  expect([await has(NAME, digest), await has('other', digest)]).toEqual([false, true]);
  expect((await names()).length).toBe(1);
});

test('an instance does not send anybody to a blob that it collected, though it served it just before', async () => {
  const { app, send, pass, collect } = await openLab();
  const digest = await put(send, NAME, 'served often');
  pass(LONG_MS);
  expect((await app.fetch('GET', `/v2/${NAME}/blobs/${digest}`)).status).toBe(200);
  await collect();
  expect((await app.fetch('GET', `/v2/${NAME}/blobs/${digest}`)).status).toBe(404);
});

test('a dry run tells what would go and how much, and writes nothing', async () => {
  const calls: PortCall[] = [];
  const { app, send, pass, collect } = await openLab({
    wrap: (stores) => intercept(stores, { hook: async (call, run) => (calls.push(call), await run()) }),
  });
  const digest = await put(send, NAME, 'nobody needs this');
  await put(send, NAME, 'needed');
  await publish(send, NAME, 'v1', document('image', { layers: layers(digestOf(Buffer.from('needed'))) }));
  await put(send, 'other', 'needed');
  await patch(send, await begin(send, NAME), Buffer.from('never ended'));
  pass(LONG_MS);
  calls.length = 0;
  const dry = await collect({ dryRun: true });
  expect(calls.filter(({ name }) => /batch|delete|put|commit|stage$/.test(name))).toEqual([]);
  expect(dry.examples.toSorted((a, b) => (a.digest < b.digest ? -1 : 1))).toEqual(
    [
      { digest, repositories: ['team.app'], bytes: 17 },
      { digest: digestOf(Buffer.from('needed')), repositories: ['other'], bytes: 0 },
    ].toSorted((a, b) => (a.digest < b.digest ? -1 : 1)),
  );
  const real = await collect();
  const { calls: _, scanned: __, ...freed } = dry.totals;
  expect(real.totals).toMatchObject(freed);
  expect(real.totals).toMatchObject({ links: 2, blobs: 1, leftovers: 2, bytes: 23 });
  expect(real.examples).toEqual([]);
  expect(await orphans(app.stores, app.registry)).toEqual([]);
});

test('a repository with a manifest that cannot be read loses nothing', async () => {
  const { app, send, registry, pass, collect, has } = await openLab();
  const [digest, other] = [await put(send, NAME, 'perhaps needed'), await put(send, 'other', 'not needed')];
  const manifest = document('x'.repeat(70_000), {
    manifests: Array.from({ length: 2000 }, (_, i) => ({
      mediaType: 'a/b',
      digest: digestOf(Buffer.from(`${i}`)),
      size: 1,
    })),
  });
  const { settings } = app.app.context;
  expect(settings.sparseIndexes).toBe(false);
  const sparse = {
    ...app.app,
    context: { ...app.app.context, settings: { ...settings, sparseIndexes: true } },
  };
  expect((await publish(clientOf(sparse), NAME, 'v1', manifest)).status).toBe(201);
  const { blobs } = await app.stores.blobs.list(registry, 100);
  const name = blobs.find((blob) => blob.name.startsWith('m-'))?.name ?? '';
  await app.stores.blobs.delete({ registry, name });
  pass(LONG_MS);
  await collect();
  expect([await has(NAME, digest), await has('other', other)]).toEqual([true, false]);
  expect(app.logs.filter(({ level }) => level === 'error').length).toBe(1);
});

test('a link whose content row is gone goes when nobody needs it, and does not stop the rest', async () => {
  const { app, send, registry, pass, collect } = await openLab();
  const digest = await put(send, NAME, 'half gone');
  const key = linkKey({ registry, name: parseRepositoryName(NAME) }, digest);
  await app.stores.records.batch('blobs', key.partition, [remove({ ...key, row: digest }, always)]);
  await put(send, NAME, 'whole');
  pass(LONG_MS);
  expect((await collect()).totals).toMatchObject({ links: 2, blobs: 1 });
  expect(await orphans(app.stores, registry)).toEqual([]);
});

test('a repository that the catalog lost is listed again, and a name without one goes', async () => {
  const { app, send, registry, pass, collect } = await openLab();
  for (const name of ['a/kept', 'b/lost', 'c/kept']) await publish(send, name, 'v1', document('image'));
  const { records } = app.stores;
  const key = (name: string) => catalogKey({ registry, name: parseRepositoryName(name) });
  const list = (name: string) => write(key(name), { name, stamp: app.app.context.stamp() }, always);
  const partition = key('a').partition;
  await records.batch('repos', partition, [
    remove(key('b/lost'), always),
    list('b/stray'),
    list('0/stray'),
    list('z/stray'),
  ]);
  const catalog = async () => Buffer.from((await send('GET', '/v2/_catalog')).bytes).toString();
  await collect();
  // A name without a repository may be that of a first push.
  expect(JSON.parse(await catalog())).toEqual({
    repositories: ['0/stray', 'a/kept', 'b/lost', 'b/stray', 'c/kept', 'z/stray'],
  });
  pass(2 * HOUR_MS);
  await collect();
  expect(JSON.parse(await catalog())).toEqual({ repositories: ['a/kept', 'b/lost', 'c/kept'] });
  expect(
    await records.get(repositoryKey({ registry, name: parseRepositoryName('b/lost') }), []),
  ).toBeDefined();
});

test('what a registry and its repositories hold is measured on the way', async () => {
  const { send, pass, collect } = await openLab();
  const image = async (name: string, ...texts: string[]) => {
    const digests = await Promise.all(texts.map((text) => put(send, name, text)));
    const manifest = document('image', { layers: layers(...digests) });
    expect((await publish(send, name, 'v1', manifest)).status).toBe(201);
    return manifest.bytes.length;
  };
  const one = await image(NAME, 'shared', 'own of one');
  const two = await image('two', 'shared');
  await put(send, 'two', 'not needed');
  pass(LONG_MS);
  const { measured } = await collect();
  expect(measured?.registry).toEqual({ bytes: 16 + one + two, blobs: 2 });
  expect(Object.fromEntries(measured?.repositories ?? [])).toEqual({
    'team.app': { bytes: 16 + one, unique: 10 + one },
    two: { bytes: 6 + two, unique: two },
  });
});

test('a registry never takes from another, whose name begins as its own', async () => {
  const { app, send, registry, pass, collect } = await openLab();
  await put(send, NAME, 'of this one');
  const other = await openLab({
    stores: app.stores,
    registry: parseRegistryName(`${registry}0`),
    clock: app.clock,
  });
  const digest = await put(other.send, NAME, 'of the other');
  pass(LONG_MS);
  expect((await collect()).totals).toMatchObject({ links: 1, blobs: 1 });
  expect(await other.has(NAME, digest)).toBe(true);
  expect((await other.collect()).totals).toMatchObject({ links: 1, blobs: 1 });
});
