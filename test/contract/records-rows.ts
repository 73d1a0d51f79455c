import { describe, expect, test } from 'vitest';
import {
  always,
  ifAbsent,
  ifMatch,
  ifPresent,
  merge,
  type Properties,
  put,
  type Records,
  remove,
} from '../../src/store/records.ts';
import { noise, sameBytes } from '../support/sample.ts';
import { newKey, newKeys, writeOnce } from '../support/row-sample.ts';

/** What a row and its keys can hold, and what put, merge and select do to its properties. */
export function rowsContract(records: () => Records): void {
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
      expect(comparable((await records().get(key))?.value)).toEqual(comparable(written));
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

function bytesOf(value: Properties | undefined, name: string, expected?: Uint8Array): boolean {
  const bytes = value?.[name];
  return bytes instanceof Uint8Array && (expected === undefined || sameBytes(bytes, expected));
}

/** The properties with bytes as text: deep equality of large arrays takes seconds. */
function comparable(value: Properties | undefined): Record<string, unknown> | undefined {
  if (!value) return undefined;
  const entries = Object.entries(value).map(([name, one]) => [
    name,
    one instanceof Uint8Array ? { bytes: Buffer.from(one).toString('base64') } : one,
  ]);
  return Object.fromEntries(entries);
}
