import { describe, expect, test } from 'vitest';
import type { Key } from '../../src/model/record.ts';
import {
  always,
  Conflict,
  type Condition,
  type Etag,
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
import { newKey, newKeys, writeOnce } from '../support/row-sample.ts';

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

        const outcome = await records()
          .batch(key.table, key.partition, [write])
          .catch((error: unknown) => error);
        const after = await records().get(key);

        const conflict = outcome instanceof Conflict ? outcome.index : undefined;
        expect(conflict).toBe(expected ? undefined : 0);
        expect(outcome instanceof Error).toBe(!expected);
        expect(expected ? after?.value : after).toEqual(expected ? valueAfter(op, state) : before);
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
}

function happens(state: 'missing' | 'there', condition: string): boolean {
  if (condition === 'always') return true;
  return state === 'there' ? condition === 'present' || condition === 'current etag' : condition === 'absent';
}

function valueAfter(op: 'put' | 'merge' | 'delete', state: 'missing' | 'there'): Properties | undefined {
  if (op === 'delete') return undefined;
  return op === 'merge' && state === 'there' ? { old: 2, both: 9, new: 9 } : { both: 9, new: 9 };
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
