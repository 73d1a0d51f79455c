import { describe, expect, test } from 'vitest';
import {
  always,
  type Properties,
  put,
  type Records,
  remove,
  type Scan,
  type ScanPage,
} from '../../src/store/records.ts';
import { freshName, freshRegistry, noise, sameBytes } from '../support/sample.ts';

/** Ranges within a partition, and scans over all partitions. */
export function pagingContract(records: () => Records): void {
  describe('range', () => {
    const table = 'repos';
    const all = { table, from: '!', before: '~', limit: 100 } as const;

    test('rows come in byte order of their keys', async () => {
      const partition = newPartition();
      const sorted = ['1.0', '1.0-rc', 'A.b', 'V1', 'Z', '_x', 'a-b', 'a.b', 'a_b'];
      await fill(records(), partition, sorted.toReversed());
      expect(await keys(records(), { ...all, partition })).toEqual(sorted);
    });

    test('a range holds its first key and not its last', async () => {
      const partition = newPartition();
      await fill(records(), partition, ['a', 'b', 'b!', 'c', 'd']);
      expect(await keys(records(), { ...all, partition, from: 'b', before: 'd' })).toEqual(['b', 'b!', 'c']);
    });

    test('the keys of a prefix are a range', async () => {
      const partition = newPartition();
      await fill(records(), partition, ['s!a!1', 's!a!', 's!a', 's!b!1', 't!a!1', 's!a"', 's!a!~']);
      expect(await keys(records(), { ...all, partition, from: 's!a!', before: 's!a"' })).toEqual([
        's!a!',
        's!a!1',
        's!a!~',
      ]);
    });

    test('quotes and other marks in the ends of a range are part of the keys', async () => {
      const partition = newPartition();
      await fill(records(), partition, ["a'1", "a'2", 'a&1', 'a%1', 'a+1', 'a 1']);
      const page = await keys(records(), { ...all, partition, from: "a'1", before: "a'2" });
      expect(page).toEqual(["a'1"]);
      expect(await keys(records(), { ...all, partition, from: 'a ', before: "a'" })).toEqual([
        'a 1',
        'a%1',
        'a&1',
      ]);
    });

    test('rows of other partitions and tables are not in a range', async () => {
      const partition = newPartition();
      await fill(records(), partition, ['k']);
      await fill(records(), `${partition}x`, ['other-partition']);
      await records().batch('blobs', partition, [
        put({ table: 'blobs', partition, row: 'other-table' }, { v: 1 }, always),
      ]);
      expect(await keys(records(), { ...all, partition })).toEqual(['k']);
    });

    test('a range of no rows has no more', async () => {
      const partition = newPartition();
      expect(await records().range({ ...all, partition })).toEqual({ rows: [], more: false });
      await fill(records(), partition, ['a', 'z']);
      const empty = { ...all, partition, from: 'b', before: 'c', limit: 1 };
      expect(await records().range(empty)).toEqual({ rows: [], more: false });
      const nothing = { ...all, partition, from: 'a', before: 'a' };
      expect(await records().range(nothing)).toEqual({ rows: [], more: false });
    });

    test.each([
      [2, 3, 2, false],
      [3, 3, 3, false],
      [4, 3, 3, true],
      [1, 1, 1, false],
      [2, 1, 1, true],
    ])(
      'of %i rows, a range of at most %i gives %i and tells exactly whether there are more',
      async (...row) => {
        const [count, limit, given, more] = row;
        const partition = newPartition();
        const made = Array.from({ length: count }, (_, i) => `k${i}`);
        await fill(records(), partition, [...made, 'z-outside']);
        const page = await records().range({ ...all, partition, before: 'l', limit });
        expect(page.rows.map((found) => found.row)).toEqual(made.slice(0, given));
        expect(page.more).toBe(more);
      },
    );

    test('a range gives 1,000 rows, and tells exactly whether there is one more', async () => {
      const partition = newPartition();
      const made = Array.from({ length: 1000 }, (_, i) => `k${String(i).padStart(4, '0')}`);
      await fill(records(), partition, made);
      const exact = await records().range({ ...all, partition, limit: 1000, select: [] });
      expect(exact.rows.map((found) => found.row)).toEqual(made);
      expect(exact.more).toBe(false);

      await fill(records(), partition, ['last']);
      const page = await records().range({ ...all, partition, limit: 1000, select: [] });
      expect(page.rows.map((found) => found.row)).toEqual(made);
      expect(page.more).toBe(true);
    });

    test('rows carry their values and their etags', async () => {
      const partition = newPartition();
      const bytes = noise(3000);
      const key = { table, partition, row: 'a' } as const;
      await records().batch(table, partition, [
        put<Properties>(key, { n: 2 ** 40, t: 'x', f: true, bytes }, always),
      ]);
      const page = await records().range<Properties>({ ...all, partition });
      const [found] = page.rows;
      expect(found?.value).toMatchObject({ n: 2 ** 40, t: 'x', f: true });
      expect(found?.value['bytes'] instanceof Uint8Array && sameBytes(found.value['bytes'], bytes)).toBe(
        true,
      );
      expect(found?.etag).toBe((await records().get(key))?.etag);
    });

    test('a range gives the properties asked for alone, and keys with etags when none is', async () => {
      const partition = newPartition();
      const key = { table, partition, row: 'a' } as const;
      await records().batch(table, partition, [put<Properties>(key, { a: 1, b: 2, c: noise(100) }, always)]);
      const some = await records().range<Properties>({ ...all, partition, select: ['b'] });
      expect(some.rows[0]?.value).toEqual({ b: 2 });
      const none = await records().range<Properties>({ ...all, partition, select: [] });
      expect(none.rows).toEqual([{ row: 'a', value: {}, etag: (await records().get(key))?.etag }]);
    });
  });

  describe('scan', () => {
    test('rows of every partition between two keys come once each, page by page', async () => {
      const prefix = freshName();
      const expected = new Set<string>();
      for (const partition of [newPartition(), newPartition(), newPartition()]) {
        const rows = ['1', '2', '3'].map((end) => `${prefix}!${end}`);
        await fill(records(), partition, [...rows, `${prefix}"`, 'before', `zz-${prefix}`]);
        for (const row of rows) expected.add(`${partition} ${row}`);
      }
      for (const limit of [1, 2, 9, 1000]) {
        const found = await scanAll(records(), between(prefix), limit);
        expect(found.map((one) => `${one.partition} ${one.row}`).toSorted()).toEqual(
          [...expected].toSorted(),
        );
      }
    });

    test('the last key of a scan is not in it, the first is', async () => {
      const prefix = freshName();
      const partition = newPartition();
      await fill(records(), partition, [`${prefix}!`, `${prefix}!!`, `${prefix}"`]);
      const found = await scanAll(records(), between(prefix), 100);
      expect(found.map((one) => one.row).toSorted()).toEqual([`${prefix}!`, `${prefix}!!`]);
    });

    test('rows of the partitions between two keys come partition by partition, page by page', async () => {
      const base = newPartition();
      const partitions = [`${base}!a`, `${base}!a,b`, `${base}!a.b`, `${base}!b`].toSorted();
      const rows = ['k', 'k!1', 'k!2'];
      for (const partition of [...partitions.toReversed(), base, `${base}!c`, `${base}x`])
        await fill(records(), partition, ['j', ...rows.toReversed(), 'l']);
      const expected = partitions.flatMap((partition) => rows.map((row) => `${partition} ${row}`));
      for (const limit of [1, 2, 3, 7, 1000]) {
        const bounds = { partitions: { from: `${base}!a`, before: `${base}!c` }, from: 'k', before: 'l' };
        const found = await scanAll(records(), bounds, limit);
        expect(found.map(({ partition, row }) => `${partition} ${row}`)).toEqual(expected);
      }
      const last = await scanAll(
        records(),
        { partitions: { from: `${base}!a.`, before: `${base}!b` }, from: 'k!', before: 'k!2' },
        10,
      );
      expect(last.map(({ partition, row }) => `${partition} ${row}`)).toEqual([`${base}!a.b k!1`]);
    });

    test('rows that come and go behind and before a scan neither hide nor double another', async () => {
      const base = newPartition();
      const names = Array.from({ length: 12 }, (_, i) => `${base}!${String(i).padStart(2, '0')}`);
      for (const partition of names) await fill(records(), partition, ['stays']);
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page: ScanPage<Properties> = await records().scan<Properties>({
          table: 'repos',
          partitions: { from: `${base}!`, before: `${base}"` },
          from: '!',
          before: '~',
          limit: 2,
          select: [],
          ...(cursor !== undefined && { cursor }),
        });
        seen.push(...page.rows.filter(({ row }) => row === 'stays').map(({ partition }) => partition));
        const at = page.rows.at(-1)?.partition ?? base;
        await fill(records(), at, ['after']);
        await fill(records(), `${base}!00`, [`behind-${seen.length}`]);
        await records().batch('repos', at, [remove({ table: 'repos', partition: at, row: 'after' }, always)]);
        cursor = page.cursor;
      } while (cursor !== undefined);
      expect(seen).toEqual(names);
    });

    test('rows of the other table are not in a scan', async () => {
      const prefix = freshName();
      const key = { table: 'blobs', partition: newPartition(), row: `${prefix}!1` } as const;
      await records().batch(key.table, key.partition, [put(key, { v: 1 }, always)]);
      expect(await scanAll(records(), between(prefix), 100)).toEqual([]);
    });

    test('rows carry their values and etags, or the properties asked for alone', async () => {
      const prefix = freshName();
      const key = { table: 'repos', partition: newPartition(), row: `${prefix}!1` } as const;
      await records().batch(key.table, key.partition, [put<Properties>(key, { a: 1, b: 'two' }, always)]);
      const etag = (await records().get(key))?.etag;
      const base = { partition: key.partition, row: key.row, etag };
      expect(await scanAll(records(), between(prefix), 100)).toEqual([
        { ...base, value: { a: 1, b: 'two' } },
      ]);
      expect(await scanAll(records(), between(prefix), 100, ['b'])).toEqual([
        { ...base, value: { b: 'two' } },
      ]);
      expect(await scanAll(records(), between(prefix), 100, [])).toEqual([{ ...base, value: {} }]);
    });
  });
}

function newPartition(): string {
  return `${freshRegistry()}!${freshName()}`;
}

async function fill(records: Records, partition: string, rows: readonly string[]): Promise<void> {
  for (let start = 0; start < rows.length; start += 100) {
    const writes = rows
      .slice(start, start + 100)
      .map((row) => put({ table: 'repos', partition, row }, { row }, always));
    await records.batch('repos', partition, writes);
  }
}

async function keys(records: Records, range: Parameters<Records['range']>[0]): Promise<string[]> {
  const page = await records.range<Properties>(range);
  return page.rows.map((found) => found.row);
}

function between(prefix: string) {
  return { from: `${prefix}!`, before: `${prefix}"` };
}

async function scanAll(
  records: Records,
  bounds: Pick<Scan, 'partitions' | 'from' | 'before'>,
  limit: number,
  select?: readonly string[],
): Promise<ScanPage<Properties>['rows']> {
  const found: ScanPage<Properties>['rows'][number][] = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < 1000; pages++) {
    const page: ScanPage<Properties> = await records.scan<Properties>({
      table: 'repos',
      ...bounds,
      limit,
      ...(select && { select }),
      ...(cursor !== undefined && { cursor }),
    });
    expect(page.rows.length).toBeLessThanOrEqual(limit);
    found.push(...page.rows);
    cursor = page.cursor;
    if (cursor === undefined) return found;
  }
  throw new Error('the scan does not end');
}
