import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runTimer } from '../../src/app/jobs.ts';
import { Sums } from '../../src/lifecycle/collect/measured.ts';
import { beginMeasurement, saveMeasured } from '../../src/lifecycle/usage/measurement.ts';
import { showUsage } from '../../src/lifecycle/usage/registry.ts';
import { type RepositoryUsage, listRepositoryUsages } from '../../src/lifecycle/usage/repositories.ts';
import { jsonOf } from '../support/answer.ts';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import { countCalls, intercept } from '../support/intercept.ts';
import { type Pushed, imageManifest, pushBlob, pushImage, pushManifest } from '../support/push.ts';
import { noise } from '../support/sample.ts';
import { measure } from './measuring.ts';

const DAY_MS = 86_400_000;

async function sizeOf(app: TestApp): Promise<number> {
  return (await showUsage(app.app.context, app.registry)).bytes;
}

/** What a repository stores; undefined when it is not listed. */
async function usageOf(app: TestApp, name: string): Promise<RepositoryUsage | undefined> {
  const { entries } = await listRepositoryUsages(app.app.context, app.registry, '');
  return entries.find((entry) => entry.name === name);
}

function bytesOf(image: Readonly<Record<'manifest' | 'config' | 'layer', Pushed>>): number {
  return image.manifest.size + image.config.size + image.layer.size;
}

describe.each(adapters)('what a registry stores, on %s,', (adapter) => {
  let app: TestApp;
  let other: TestApp;
  beforeEach(async () => {
    app = await openTestApp({ adapter });
    const { stores, registry, clock } = app;
    other = await openTestApp({ stores, registry, clock, seed: 2 });
  });
  afterEach(() => app.close());

  test('is known at once where it was pushed, and everywhere within a minute', async () => {
    const a = bytesOf(await pushImage(app, 'a', 'v1', 'a'));
    const b = bytesOf(await pushImage(other, 'b', 'v1', 'b'));
    expect([await sizeOf(app), await sizeOf(other)]).toEqual([a, b]);
    await Promise.all([app.settle(), other.settle()]);
    expect([await sizeOf(app), await sizeOf(other)]).toEqual([a + b, a + b]);
  });

  test('counts what two repositories have once, and in each of them', async () => {
    const image = await pushImage(app, 'a', 'v1');
    await pushImage(app, 'b', 'v1');
    await pushManifest(app, 'a', imageManifest(image.config, [image.layer]), 'v2');
    await app.settle();
    const size = bytesOf(image);
    expect(await sizeOf(app)).toBe(size + image.manifest.size);
    const grown = { bytes: size, unique: undefined, measured: undefined };
    expect([await usageOf(app, 'a'), await usageOf(app, 'b')]).toMatchObject([grown, grown]);
    const measured = app.clock.now();
    await measure(app);
    expect(await sizeOf(app)).toBe(size + image.manifest.size);
    const exact = { bytes: size, unique: image.manifest.size, measured };
    expect([await usageOf(app, 'a'), await usageOf(app, 'b')]).toMatchObject([exact, exact]);
  });

  test('is shown of a repository by its data plane, too', async () => {
    const image = await pushImage(app, 'a', 'v1');
    const shown = async () => await jsonOf(await app.fetch('GET', '/acr/v1/a'));
    expect(await shown()).not.toHaveProperty('measuredTime');
    expect(await shown()).not.toHaveProperty('uniqueSize');
    const measuredTime = new Date(app.clock.now()).toISOString().replace('Z', '0000Z');
    await measure(app);
    app.clock.advance(1000);
    await pushBlob(app, 'b', image.layer.bytes);
    const { size } = await pushManifest(app, 'a', imageManifest(image.config, []), 'v2');
    const unique = bytesOf(image);
    expect(await shown()).toMatchObject({ size: unique + size, uniqueSize: unique, measuredTime });
  });

  test('falls when a measurement finds less, and grows on from there', async () => {
    const first = await pushImage(app, 'a', 'v1', 'first');
    const second = await pushImage(app, 'a', 'v2', 'second');
    await app.settle();
    const { digest } = first.manifest;
    expect((await app.fetch('DELETE', `/v2/a/manifests/${digest}`)).status).toBe(202);
    expect(await sizeOf(app)).toBe(bytesOf(first) + bytesOf(second));
    for (const blob of [first.config, first.layer])
      expect((await app.fetch('DELETE', `/v2/a/blobs/${blob.digest}`)).status).toBe(202);
    app.clock.advance(1000);
    await measure(app);
    // Their content rows wait for a collection that is not part of this.
    const kept = bytesOf(first) - first.manifest.size;
    expect(await sizeOf(app)).toBe(bytesOf(second) + kept);
    expect(await usageOf(app, 'a')).toMatchObject({ bytes: bytesOf(second), unique: bytesOf(second) });
    app.clock.advance(1000);
    const third = await pushImage(app, 'a', 'v3', 'third');
    await app.settle();
    expect(await sizeOf(other)).toBe(bytesOf(second) + kept + bytesOf(third));
    expect(await usageOf(app, 'a')).toMatchObject({ bytes: bytesOf(second) + bytesOf(third) });
  });

  test('is not counted twice when it is measured before it was written down', async () => {
    const size = bytesOf(await pushImage(app, 'a', 'v1'));
    app.clock.advance(1000);
    await measure(app);
    expect([await sizeOf(app), await sizeOf(other)]).toEqual([size, size]);
    await app.settle();
    expect([await sizeOf(app), await sizeOf(other)]).toEqual([size, size]);
  });

  test('counts what came while it was measured', async () => {
    const before = bytesOf(await pushImage(app, 'a', 'v1', 'before'));
    app.clock.advance(1000);
    let during = 0;
    await measure(app, async () => {
      app.clock.advance(1000);
      during = bytesOf(await pushImage(other, 'b', 'v1', 'during'));
    });
    await Promise.all([app.settle(), other.settle()]);
    expect(await sizeOf(app)).toBe(before + during);
  });

  test('is what the later measurement found, whichever ended last', async () => {
    const size = bytesOf(await pushImage(app, 'a', 'v1'));
    const ctx = app.app.context;
    const early = await beginMeasurement(ctx, app.registry);
    const wrong = new Sums();
    wrong.addBlob(1, ['a']);
    app.clock.advance(1000);
    await measure(app);
    await saveMeasured(ctx, app.registry, early, wrong);
    expect(await sizeOf(app)).toBe(size);
    expect(await usageOf(app, 'a')).toMatchObject({ bytes: size });
  });

  test('of a repository says nothing about another of its name', async () => {
    const { manifest } = await pushImage(app, 'a', 'v1', 'first');
    await pushImage(app, 'b', 'v1', 'b');
    await measure(app);
    expect((await app.fetch('DELETE', `/v2/a/manifests/${manifest.digest}`)).status).toBe(202);
    expect(await usageOf(app, 'a')).toBeUndefined();
    app.clock.advance(1000);
    const second = bytesOf(await pushImage(app, 'a', 'v1', 'another'));
    expect(await usageOf(app, 'a')).toEqual(
      expect.objectContaining({ bytes: second, unique: undefined, measured: undefined }),
    );
  });

  test('of repositories that are gone is forgotten', async () => {
    const { manifest } = await pushImage(app, 'a', 'v1');
    await pushImage(app, 'b', 'v1');
    const rows = async () => {
      const partition = `${app.registry}!!usage`;
      const range = { table: 'repos', partition, from: 'r!', before: 'r~', limit: 10 } as const;
      return (await app.stores.records.range(range)).rows.map(({ row }) => row);
    };
    await measure(app);
    expect(await rows()).toEqual(['r!a', 'r!b']);
    expect((await app.fetch('DELETE', `/v2/a/manifests/${manifest.digest}`)).status).toBe(202);
    app.clock.advance(1000);
    await measure(app);
    expect(await rows()).toEqual(['r!b']);
  });
});

describe('counting what a registry stores', () => {
  test('costs a push nothing, and all instances one read and one write each for all of a minute', async () => {
    const count = countCalls();
    const app = await openTestApp({ wrap: (stores) => intercept(stores, count) });
    for (const text of ['a', 'b', 'c']) await pushImage(app, 'app', text, text);
    count.reset();
    await app.settle();
    // And one, by which pushes learn whether there is room.
    expect(count.calls.map(({ name }) => name).toSorted()).toEqual([
      'records.batch',
      'records.range',
      'records.range',
    ]);
    await app.close();
  });

  test.each(['fails', 'loses its answer'] as const)(
    'is right in the end when the write %s',
    async (mishap) => {
      let broken = false;
      const app = await openTestApp({
        wrap: (stores) =>
          intercept(stores, {
            async hook(call, run) {
              if (!broken || call.name !== 'records.batch') return await run();
              if (mishap === 'loses its answer') await run();
              throw new Error('no answer');
            },
          }),
      });
      const first = bytesOf(await pushImage(app, 'app', 'v1', 'first'));
      broken = true;
      await expect(app.settle()).rejects.toThrow('no answer');
      broken = false;
      expect(await sizeOf(app)).toBeGreaterThanOrEqual(first);
      const second = bytesOf(await pushImage(app, 'app', 'v2', 'second'));
      await app.settle();
      expect(await sizeOf(app)).toBe(first + second);
      await app.close();
    },
  );

  test('loses nothing when many instances write at once', async () => {
    const app = await openTestApp();
    const { stores, registry, clock } = app;
    const apps = await Promise.all(
      Array.from({ length: 8 }, (_, i) => openTestApp({ stores, registry, clock, seed: i + 2 })),
    );
    const sizes = await Promise.all(
      apps.map(async (one, i) => bytesOf(await pushImage(one, `app${i}`, 'v1', String(i)))),
    );
    await Promise.all(apps.map((one) => one.settle()));
    expect(await sizeOf(app)).toBe(sizes.reduce((sum, size) => sum + size, 0));
    await app.close();
  });

  test('costs a measurement a read per repository and a write per hundred', async () => {
    const count = countCalls();
    const app = await openTestApp({ wrap: (stores) => intercept(stores, count) });
    const sums = new Sums();
    for (let i = 0; i < 205; i++) {
      await pushManifest(app, `app${i}`, { ...imageManifest(await pushBlob(app, `app${i}`, noise(9)), []) });
      sums.addManifest(`app${i}`, 10);
    }
    const ctx = app.app.context;
    count.reset();
    await saveMeasured(ctx, app.registry, await beginMeasurement(ctx, app.registry), sums);
    const calls = Object.groupBy(count.calls, ({ name }) => name);
    expect(calls['records.get']).toHaveLength(205);
    expect(calls['records.batch']).toHaveLength(3 + 1);
    expect(calls['records.range']).toHaveLength(3);
    await app.close();
  });
});

describe('a list of what repositories store', () => {
  test('has every repository once, page by page, and its counts', async () => {
    const app = await openTestApp();
    const names = Array.from({ length: 130 }, (_, i) => `team/app-${String(i).padStart(3, '0')}`);
    for (const name of names) await pushImage(app, name, 'v1');
    await measure(app);
    const found = [];
    for (let last: string | undefined = ''; last !== undefined;) {
      const { entries, next } = await listRepositoryUsages(app.app.context, app.registry, last);
      found.push(...entries);
      last = next;
    }
    expect(found.map(({ name }) => name)).toEqual(names);
    for (const { manifests, tags, measured } of found)
      expect([manifests, tags, measured]).toEqual([1, 1, app.clock.now()]);
    await app.close();
  });
});

describe('the nightly collection', () => {
  test('measures what it leaves, so that what was deleted is no longer counted', async () => {
    const app = await openTestApp();
    const gone = await pushImage(app, 'app', 'v1', 'gone');
    const kept = bytesOf(await pushImage(app, 'app', 'v2', 'kept'));
    await app.settle();
    expect((await app.fetch('DELETE', `/v2/app/manifests/${gone.manifest.digest}`)).status).toBe(202);
    expect(await sizeOf(app)).toBe(kept + bytesOf(gone));
    // Until then somebody might rely on the blobs.
    app.clock.advance(2 * DAY_MS);
    const measured = app.clock.now();
    await runTimer(app.app, 'sweep');
    expect(await sizeOf(app)).toBe(kept);
    expect(await usageOf(app, 'app')).toMatchObject({ bytes: kept, unique: kept, measured });
    await app.close();
  });
});
