import { describe, expect, test } from 'vitest';
import type { Stores } from '../../src/app/compose.ts';
import { type RepositoryRow, type Key } from '../../src/model/record.ts';
import { type Found, type Write, always } from '../../src/store/records.ts';
import * as cleaning from './cleaning.ts';
import { type Story, type WorldOptions, eachSeed, everyOrder } from './world.ts';

const SEEDS = 60;

describe('while policies delete', () => {
  test.each<[what: string, story: Story]>([
    ['a manifest that gets a tag again stays', cleaning.retag],
    ['a manifest that an index takes for its child stays', cleaning.adopt],
    ['an index that gets a tag again keeps its children', cleaning.revive],
    ['a signature stays with what it signs', cleaning.sign],
    ['what is locked stays', cleaning.lock],
    ['a repository that is locked stays as it is', cleaning.lockAll],
    ['a tag that is pushed again stays', cleaning.renew],
    ['a manifest that a tag moves to stays', cleaning.move],
    ['others that delete the same are in nobody’s way', cleaning.twice],
    ['a manifest among many that gets a tag again stays', cleaning.many],
    ['what soft delete keeps is kept', cleaning.binned],
  ])('%s', async (_, story) => {
    expect(await eachSeed(SEEDS, story)).toBe(SEEDS);
  });

  test('a large manifest that gets a tag again stays with its bytes', async () => {
    expect(await eachSeed(SEEDS, cleaning.retagLarge, { blockSize: 100_000 })).toBe(SEEDS);
  });
});

describe('in every order of storage calls', () => {
  test.each<[what: string, story: Story, least: number]>([
    ['retention and a new tag', cleaning.retag, 100],
    ['a purge and an index over what goes', cleaning.adopt, 100],
    ['retention of an index and a new tag for it, as far as time allows', cleaning.revive, 1000],
    ['a purge and a push under the tag, as far as time allows', cleaning.renew, 1000],
    ['retention and a lock on the repository', cleaning.lockAll, 20],
    ['retention and a tag that moves', cleaning.move, 100],
  ])('%s', async (_, story, least) => {
    expect(await everyOrder(story, 2000)).toBeGreaterThan(least);
  });
});

describe('storage as Azure keeps it holds when', () => {
  test.each<[what: string, story: Story]>([
    ['a manifest that goes gets a tag', cleaning.retag],
    ['a manifest that goes becomes a child', cleaning.adopt],
    ['what goes is locked', cleaning.lock],
    ['two delete the same', cleaning.twice],
  ])('%s', async (_, story) => {
    expect(await eachSeed(4, story, { adapter: 'azure' })).toBe(4);
  });
});

describe('these tests find it when', () => {
  test.each<[fault: string, options: WorldOptions, story: Story]>([
    ['a cleaning judges by its first look alone: tags', { spoil: forgetsVersions }, cleaning.retag],
    ['a cleaning judges by its first look alone: indexes', { spoil: forgetsVersions }, cleaning.adopt],
    ['a cleaning judges by its first look alone: children', { spoil: forgetsVersions }, cleaning.revive],
    ['a cleaning judges by its first look alone: locks', { spoil: forgetsVersions }, cleaning.lock],
    ['rows are written whatever their version', { spoil: forgetsConditions }, cleaning.retag],
  ])('%s', async (_, options, story) => {
    await expect(eachSeed(SEEDS, story, options)).rejects.toThrow(/^seed \d+: AssertionError/);
  });
});

/** Storage that shows every repository in the version in which it was seen first. */
function forgetsVersions(stores: Stores): Stores {
  const { records } = stores;
  const first = new Map<string, Pick<RepositoryRow, 'version'>>();
  const frozen = <R>({ row, partition }: Key<R>, found: Found<R> | undefined): Found<R> | undefined => {
    const value: Partial<RepositoryRow> | undefined = found?.value ?? undefined;
    if (row !== '!' || !found || value?.version === undefined) return found;
    const seen = first.get(partition) ?? { version: value.version };
    first.set(partition, seen);
    return { ...found, value: { ...found.value, ...seen } };
  };
  return {
    ...stores,
    records: {
      get: async (key, select) => frozen(key, await records.get(key, select)),
      range: (range) => records.range(range),
      scan: (scan) => records.scan(scan),
      batch: (table, partition, writes) => records.batch(table, partition, writes),
    },
  };
}

/** Storage that writes rows whatever their version. */
function forgetsConditions(stores: Stores): Stores {
  const { records } = stores;
  return {
    ...stores,
    records: {
      get: (key, select) => records.get(key, select),
      range: (range) => records.range(range),
      scan: (scan) => records.scan(scan),
      batch: (table, partition, writes) => records.batch(table, partition, writes.map(loose)),
    },
  };
}

function loose(write: Write): Write {
  return { ...write, condition: always };
}
