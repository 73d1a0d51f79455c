import { describe, expect, test } from 'vitest';
import type { Key, TableName } from '../../src/model/record.ts';
import {
  always,
  Conflict,
  type Condition,
  type Etag,
  type Found,
  ifAbsent,
  ifMatch,
  ifPresent,
  merge,
  type Properties,
  put,
  type Records,
  remove,
  type Write,
} from '../../src/store/records.ts';
import { freshName, freshRegistry, noise, sameBytes } from '../support/sample.ts';

/** Single rows and batches: conditions, atomicity, versions and what a property can hold. */
export function writingContract(records: () => Records): void {
  describe('conditions', () => {
    const operations = ['put', 'merge', 'delete'] as const;
    const states = ['missing', 'there'] as const;
    const conditions = ['absent', 'present', 'always', 'current etag', 'stale etag'] as const;
    const cases = operations.flatMap((op) =>
      states.flatMap((state) =>
        conditions
          // Storage has no delete that demands absence, and nobody needs one.
          .filter((condition) => op !== 'delete' || condition !== 'absent')
          .map((condition) => ({ op, state, condition, happens: happens(state, condition) })),
      ),
    );

    test.each(cases)(
      '$op of a row that is $state under the condition $condition: happens = $happens',
      async ({ op, state, condition, happens: expected }) => {
        const key = newKey();
        const stale = await writeOnce(records(), key, { old: 1, both: 1 });
        if (state === 'there')
          await records().batch(key.table, key.partition, [put(key, { old: 2, both: 2 }, always)]);
        else await records().batch(key.table, key.partition, [remove(key, always)]);
        const before = await records().get(key);
        const write = writeOf(op, key, conditionOf(condition, stale, before?.etag ?? stale));

        const outcome = records().batch(key.table, key.partition, [write]);
        if (expected) await outcome;
        else await expect(outcome).rejects.toMatchObject({ name: 'Conflict', index: 0 });

        const after = await records().get(key);
        if (!expected) expect(after).toEqual(before);
        else if (op === 'delete') expect(after).toBeUndefined();
        else if (op === 'merge' && state === 'there')
          expect(after?.value).toEqual({ old: 2, both: 9, new: 9 });
        else expect(after?.value).toEqual({ both: 9, new: 9 });
      },
    );

    test('a conflict is a Conflict', async () => {
      const key = newKey();
      await writeOnce(records(), key, { a: 1 });
      await expect(
        records().batch(key.table, key.partition, [put(key, { a: 2 }, ifAbsent)]),
      ).rejects.toBeInstanceOf(Conflict);
    });

    test('the etag of a row that was deleted and made again does not match', async () => {
      const key = newKey();
      const etag = await writeOnce(records(), key, { a: 1 });
      await records().batch(key.table, key.partition, [remove(key, ifMatch(etag))]);
      await records().batch(key.table, key.partition, [put(key, { a: 1 }, ifAbsent)]);
      await expect(
        records().batch(key.table, key.partition, [put(key, { a: 2 }, ifMatch(etag))]),
      ).rejects.toMatchObject({ index: 0 });
    });

    test('of 32 racing inserts exactly one wins', async () => {
      const key = newKey();
      const outcomes = await Promise.allSettled(
        Array.from({ length: 32 }, (_, racer) =>
          records().batch(key.table, key.partition, [put(key, { racer }, ifAbsent)]),
        ),
      );
      const winners = outcomes.flatMap((outcome, i) => (outcome.status === 'fulfilled' ? [i] : []));
      const losers = outcomes.filter((outcome) => outcome.status === 'rejected');
      expect(winners).toHaveLength(1);
      expect((await records().get(key))?.value).toEqual({ racer: winners[0] });
      for (const loser of losers) expect(loser.reason).toMatchObject({ name: 'Conflict', index: 0 });
    });

    test('of 16 racing updates of one version exactly one wins', async () => {
      const key = newKey();
      const etag = await writeOnce(records(), key, { racer: -1 });
      const outcomes = await Promise.allSettled(
        Array.from({ length: 16 }, (_, racer) =>
          records().batch(key.table, key.partition, [put(key, { racer }, ifMatch(etag))]),
        ),
      );
      expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
    });
  });

  describe('versions', () => {
    test('the etag changes with every write, the same values included', async () => {
      const key = newKey();
      const seen = new Set<string>();
      const writes = [
        put(key, { a: 1 }, always),
        put(key, { a: 1 }, always),
        merge(key, { a: 1 }, always),
        merge(key, { a: 1 }, ifPresent),
        merge(key, {}, ifPresent),
        put(key, { a: 2 }, ifPresent),
      ];
      for (const write of writes) {
        await records().batch(key.table, key.partition, [write]);
        seen.add((await records().get(key))?.etag ?? 'none');
      }
      expect(seen.size).toBe(writes.length);
    });

    test('the etag stays while nobody writes the row', async () => {
      const key = newKey();
      const etag = await writeOnce(records(), key, { a: 1 });
      await writeOnce(records(), { ...key, row: 'another' }, { a: 1 });
      expect((await records().get(key))?.etag).toBe(etag);
    });
  });

  describe('batches', () => {
    test.each([
      ['first', 0],
      ['middle', 2],
      ['last', 4],
    ])('a conflict of the %s write names its index and undoes all others', async (_, index) => {
      const keys = newKeys(5);
      const [key] = keys;
      const wrong = keys[index];
      if (!key || !wrong) throw new Error('five keys were made');
      await writeOnce(records(), wrong, { before: true });
      const writes = keys.map((one) => put<Properties>(one, { after: true }, ifAbsent));

      await expect(records().batch(key.table, key.partition, writes)).rejects.toMatchObject({
        name: 'Conflict',
        index,
      });

      for (const one of keys) {
        const value = (await records().get(one))?.value;
        expect(value).toEqual(one === wrong ? { before: true } : undefined);
      }
    });

    test('a batch that fails leaves updates, merges and deletes undone', async () => {
      const [updated, merged, deleted, blocker] = newKeys(4);
      if (!updated || !merged || !deleted || !blocker) throw new Error('four keys were made');
      for (const key of [updated, merged, deleted, blocker]) await writeOnce(records(), key, { a: 1 });
      const before = await Promise.all([updated, merged, deleted].map((key) => records().get(key)));

      await expect(
        records().batch(updated.table, updated.partition, [
          put(updated, { a: 2 }, always),
          merge(merged, { b: 2 }, ifPresent),
          remove(deleted, ifPresent),
          put(blocker, { a: 2 }, ifAbsent),
        ]),
      ).rejects.toMatchObject({ index: 3 });

      const after = await Promise.all([updated, merged, deleted].map((key) => records().get(key)));
      expect(after).toEqual(before);
    });

    test('inserts, replacements, merges and deletes happen together', async () => {
      const [added, replaced, merged, deleted, gone] = newKeys(5);
      if (!added || !replaced || !merged || !deleted || !gone) throw new Error('five keys were made');
      const etag = await writeOnce(records(), replaced, { a: 1, b: 1 });
      await writeOnce(records(), merged, { a: 1, b: 1 });
      await writeOnce(records(), deleted, { a: 1 });

      await records().batch(added.table, added.partition, [
        put(added, { a: 2 }, ifAbsent),
        put(replaced, { a: 2 }, ifMatch(etag)),
        merge(merged, { a: 2 }, ifPresent),
        remove(deleted, ifPresent),
        remove(gone, always),
      ]);

      const values = await Promise.all(
        [added, replaced, merged, deleted, gone].map(async (key) => (await records().get(key))?.value),
      );
      expect(values).toEqual([{ a: 2 }, { a: 2 }, { a: 2, b: 1 }, undefined, undefined]);
    });

    test('a batch holds 100 writes', async () => {
      const keys = newKeys(100);
      const [first] = keys;
      if (!first) throw new Error('keys were made');
      await records().batch(
        first.table,
        first.partition,
        keys.map((key, i) => put<Properties>(key, { i }, ifAbsent)),
      );
      const last = keys[99];
      expect(last && (await records().get(last))?.value).toEqual({ i: 99 });
    });

    test('the conflict of the last of 100 writes is named', async () => {
      const keys = newKeys(100);
      const last = keys[99];
      if (!last) throw new Error('keys were made');
      await writeOnce(records(), last, { taken: true });
      const writes = keys.map((key, i) => put<Properties>(key, { i }, ifAbsent));
      await expect(records().batch(last.table, last.partition, writes)).rejects.toMatchObject({ index: 99 });
    });
  });

  describe('rows', () => {
    test('an absent row is undefined, whether its partition has rows or not', async () => {
      const [there, absent] = newKeys(2);
      if (!there || !absent) throw new Error('two keys were made');
      expect(await records().get(there)).toBeUndefined();
      await writeOnce(records(), there, { a: 1 });
      expect(await records().get(absent)).toBeUndefined();
    });

    test('a row is found under its table, partition and row key alone', async () => {
      const key = newKey('repos');
      await writeOnce(records(), key, { here: true });
      expect((await records().get(key))?.row).toBe(key.row);
      expect(await records().get({ ...key, table: 'blobs' })).toBeUndefined();
      expect(await records().get({ ...key, partition: `${key.partition}x` })).toBeUndefined();
      expect(await records().get({ ...key, row: `${key.row}x` })).toBeUndefined();
      expect(await records().get({ ...key, row: key.row.toUpperCase() })).toBeUndefined();
    });

    test('put replaces the whole row', async () => {
      const key = newKey();
      await writeOnce(records(), key, { a: 1, b: 'two', c: noise(3) });
      await records().batch(key.table, key.partition, [put(key, { d: true }, always)]);
      expect((await records().get(key))?.value).toEqual({ d: true });
    });

    test('merge leaves the other properties as they were', async () => {
      const key = newKey();
      const bytes = noise(2000);
      await writeOnce(records(), key, { number: 1, text: 'two', flag: true, bytes });
      await records().batch(key.table, key.partition, [merge(key, { number: 3 }, ifPresent)]);
      const value = (await records().get(key))?.value;
      expect(value).toMatchObject({ number: 3, text: 'two', flag: true });
      expect(bytesOf(value, 'bytes', bytes)).toBe(true);
    });

    test('merge can change the kind of a property and replace bytes', async () => {
      const key = newKey();
      const later = noise(10);
      await writeOnce(records(), key, { a: 1, b: noise(2000), c: noise(10), d: 'text' });
      await records().batch(key.table, key.partition, [merge(key, { a: 'one', b: later, c: false }, always)]);
      const value = (await records().get(key))?.value;
      expect(value).toMatchObject({ a: 'one', c: false, d: 'text' });
      expect(bytesOf(value, 'b', later)).toBe(true);
    });

    test('properties that are undefined are left out by put and untouched by merge', async () => {
      const key = newKey();
      await records().batch(key.table, key.partition, [put(key, { a: 1, b: undefined, c: 3 }, ifAbsent)]);
      expect(Object.keys((await records().get(key))?.value ?? {}).toSorted()).toEqual(['a', 'c']);
      await records().batch(key.table, key.partition, [merge(key, { a: undefined, c: 4 }, ifPresent)]);
      expect((await records().get(key))?.value).toEqual({ a: 1, c: 4 });
    });

    test('a row may have no properties', async () => {
      const key = newKey();
      await writeOnce(records(), key, {});
      expect((await records().get(key))?.value).toEqual({});
    });

    test('bytes given to a batch may be overwritten as soon as it is over, and bytes read belong to the reader', async () => {
      const key = newKey();
      const bytes = noise(1000);
      const given = Uint8Array.from(bytes);
      await writeOnce(records(), key, { bytes: given });
      given.fill(0);
      const first = (await records().get(key))?.value['bytes'];
      if (first instanceof Uint8Array) first.fill(1);
      expect(bytesOf((await records().get(key))?.value, 'bytes', bytes)).toBe(true);
    });

    test.each([
      ['the largest bytes', { v: noise(64 * 1024) }],
      [
        '60 KiB of bytes beside other values',
        { size: 61_440, v: noise(60 * 1024), flag: false, w: noise(9) },
      ],
      ['no bytes', { v: new Uint8Array() }],
      ['bytes of every value', { v: Uint8Array.from({ length: 256 }, (_, i) => i) }],
    ])('%s come back unchanged', async (_, written) => {
      const key = newKey();
      await writeOnce(records(), key, written);
      const value = (await records().get(key))?.value;
      expect(Object.keys(value ?? {}).toSorted()).toEqual(Object.keys(written).toSorted());
      for (const [name, one] of Object.entries(written)) {
        if (one instanceof Uint8Array) expect(bytesOf(value, name, one)).toBe(true);
        else expect(value?.[name]).toBe(one);
      }
    });

    test.each([
      ['zero', 0],
      ['a negative integer', -7],
      ['the ends of 32 bits', 2 ** 31 - 1],
      ['one beyond 32 bits', 2 ** 31],
      ['one below 32 bits', -(2 ** 31) - 1],
      ['a size of 400 GB', 400 * 2 ** 30],
      ['milliseconds since 1970', 1_795_000_000_123],
      ['the largest exact integer', Number.MAX_SAFE_INTEGER],
      ['the smallest exact integer', Number.MIN_SAFE_INTEGER],
      ['true', true],
      ['false', false],
      ['empty text', ''],
      ['text in many scripts', 'é 漢字 😀 \u0301'],
      ['text with quotes, breaks and markup', `"'\\\n\t\r<&>%00&amp;`],
      ['text that looks like a date', '2026-11-21T11:20:00.000Z'],
      ['text that looks like a number', '0123456789012345678'],
      ['text that looks like a boolean', 'true'],
      ['the longest text', 'x'.repeat(32 * 1024)],
    ])('%s comes back unchanged', async (_, v) => {
      const key = newKey();
      await writeOnce(records(), key, { v, other: 1 });
      const found = await records().get(key);
      expect(found?.value['v']).toBe(v);
      const page = await records().range<Properties>({
        table: key.table,
        partition: key.partition,
        from: key.row,
        before: `${key.row}!`,
        limit: 1,
      });
      expect(page.rows[0]?.value['v']).toBe(v);
    });

    test.each([
      'a!b',
      'a,b',
      'a.b',
      'a:b',
      'a@b',
      'a~b',
      'a%b',
      'a%2Fb',
      "a'b''c",
      'a&b=c',
      'a+b',
      'a b',
      ' a',
      'a(b)',
      'a;b$c',
      '-_-',
      '!',
      "t!v1.0'&%41+ ,:@~",
      's!sha256:e3b0!',
    ])('%j works as a row key and inside a partition key', async (text) => {
      const key = { ...newKey(), row: text };
      const inPartition = { ...key, partition: `${key.partition}!${text}` };
      for (const one of [key, inPartition]) {
        const etag = await writeOnce(records(), one, { text });
        expect(await records().get(one)).toEqual({ row: text, value: { text }, etag });
        await records().batch(one.table, one.partition, [merge(one, { more: 1 }, ifMatch(etag))]);
        const page = await records().range<Properties>({
          table: one.table,
          partition: one.partition,
          from: text,
          before: `${text}!`,
          limit: 10,
        });
        expect(page.rows.map((found) => [found.row, found.value])).toEqual([[text, { text, more: 1 }]]);
        await records().batch(one.table, one.partition, [remove(one, ifPresent)]);
        expect(await records().get(one)).toBeUndefined();
      }
    });

    test('a point read gives the properties asked for alone', async () => {
      const key = newKey();
      await writeOnce(records(), key, { a: 1, b: 'two', c: noise(5000) });
      expect((await records().get<Properties>(key, ['a', 'b']))?.value).toEqual({ a: 1, b: 'two' });
      expect(bytesOf((await records().get<Properties>(key, ['c']))?.value, 'c')).toBe(true);
    });

    test('a point read that asks for no property, or for one the row lacks, still finds the row', async () => {
      const key = newKey();
      const etag = await writeOnce(records(), key, { a: 1 });
      expect(await records().get<Properties>(key, [])).toEqual({ row: key.row, value: {}, etag });
      const found = await records().get<Properties>(key, ['a', 'missing']);
      expect(found?.value['a']).toBe(1);
      expect(found?.value['missing']).toBeUndefined();
    });
  });
}

function happens(state: 'missing' | 'there', condition: string): boolean {
  if (condition === 'always') return true;
  return state === 'there' ? condition === 'present' || condition === 'current etag' : condition === 'absent';
}

function conditionOf(name: string, stale: Etag, current: Etag): Condition {
  if (name === 'absent') return ifAbsent;
  if (name === 'present') return ifPresent;
  if (name === 'always') return always;
  return ifMatch(name === 'stale etag' ? stale : current);
}

function writeOf(op: 'put' | 'merge' | 'delete', key: Key<Properties>, condition: Condition): Write {
  if (op === 'delete') return remove(key, condition);
  const write = op === 'put' ? put : merge;
  return write(key, { both: 9, new: 9 }, condition);
}

function newKey(table: TableName = 'repos'): Key<Properties> {
  return { table, partition: `${freshRegistry()}!${freshName()}`, row: `row-${freshName()}` };
}

function newKeys(count: number): Key<Properties>[] {
  const { table, partition } = newKey();
  return Array.from({ length: count }, (_, i) => ({
    table,
    partition,
    row: `row!${String(i).padStart(3, '0')}`,
  }));
}

async function writeOnce(records: Records, key: Key<Properties>, value: Properties): Promise<Etag> {
  await records.batch(key.table, key.partition, [put(key, value, ifAbsent)]);
  const found: Found<Properties> | undefined = await records.get(key);
  if (!found) throw new Error('a row that was just written is missing');
  return found.etag;
}

function bytesOf(value: Properties | undefined, name: string, expected?: Uint8Array): boolean {
  const bytes = value?.[name];
  return bytes instanceof Uint8Array && (expected === undefined || sameBytes(bytes, expected));
}
