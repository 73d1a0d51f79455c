import { afterEach, beforeEach, expect, test } from 'vitest';
import { Database } from '../../src/disk/database.ts';
import { DiskRecords } from '../../src/disk/records.ts';
import { Conflict, ifAbsent, type Properties, put, Unavailable } from '../../src/store/records.ts';
import { type DiskLab, openDiskLab } from '../support/disk-lab.ts';
import { newKeys, writeOnce } from '../support/row-sample.ts';
import { noise } from '../support/sample.ts';

let lab: DiskLab;
let database: Database;

beforeEach(async () => {
  lab = await openDiskLab();
  database = new Database(lab.dir);
});

afterEach(async () => {
  database.close();
  await lab.close();
});

test('a full disk fails the batch as Unavailable, undoes all of it, and lets later ones pass', async () => {
  const records = new DiskRecords(database);
  const keys = newKeys(100);
  const [first] = keys;
  if (!first) throw new Error('keys were made');
  await writeOnce(records, { ...first, row: 'before' }, { a: 1 });
  const writes = keys.map((key) => put<Properties>(key, { v: noise(40_000) }, ifAbsent));

  const pages = Number(database.prepare('PRAGMA page_count').first()?.[0]);
  database.prepare(`PRAGMA max_page_count = ${pages + 100}`).first();
  await expect(records.batch(first.table, first.partition, writes)).rejects.toThrow(Unavailable);
  const range = {
    table: first.table,
    partition: first.partition,
    from: '!',
    before: '~',
    limit: 10,
    select: [],
  };
  expect((await records.range(range)).rows.map((found) => found.row)).toEqual(['before']);

  database.prepare('PRAGMA max_page_count = 1000000').first();
  await records.batch(first.table, first.partition, writes);
  expect((await records.range(range)).more).toBe(true);
});

test('a conflict fails its own transaction alone among those saved together', async () => {
  const outcomes = await Promise.allSettled([
    database.write(() => 1),
    database.write(() => {
      throw new Conflict(7);
    }),
    database.write(() => 3),
  ]);
  expect(outcomes).toEqual([
    { status: 'fulfilled', value: 1 },
    { status: 'rejected', reason: expect.objectContaining({ name: 'Conflict', index: 7 }) },
    { status: 'fulfilled', value: 3 },
  ]);
});

test('closing saves what was asked for before', async () => {
  const written = database.write(() => database.nextEtag());
  database.close();
  const etag = await written;
  database = new Database(lab.dir);
  expect(await database.write(() => database.nextEtag())).toBeGreaterThan(etag);
});

test('a write that cannot be stored in Azure tables either is refused', async () => {
  const records = new DiskRecords(database);
  const [key, other] = newKeys(2);
  if (!key || !other) throw new Error('two keys were made');
  const { table, partition } = key;
  const insert = (value: Properties, row = key.row) => put({ ...key, row }, value, ifAbsent);
  const many = newKeys(101).map(({ row }) => insert({ a: 1 }, row));
  const parts = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`p${i}`, noise(64 * 1024)]));
  for (const writes of [
    [],
    many,
    [insert({ a: 1 }), insert({ a: 2 })],
    [insert({ a: 1 }, 'a/b')],
    [insert({ a: 1 }, 'a#b')],
    [insert({ a: 1 }, 'a?b')],
    [insert({ a: 1 }, 'a\\b')],
    [insert({ a: 1 }, 'a\nb')],
    [insert({ a: 1 }, 'x'.repeat(513))],
    [insert({ a: 0.5 })],
    [insert({ a: 2 ** 53 })],
    [insert({ a: 'x'.repeat(32 * 1024 + 1) })],
    [insert({ a: noise(64 * 1024 + 1) })],
    [insert(parts)],
  ])
    await expect(records.batch(table, partition, writes)).rejects.toThrow(RangeError);
  await expect(records.batch(table, 'a/b', [insert({ a: 1 })])).rejects.toThrow(RangeError);
  for (const limit of [0, 1001, 1.5])
    await expect(records.range({ table, partition, from: 'a', before: 'b', limit })).rejects.toThrow(
      RangeError,
    );
});
