import { describe, expect, test } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { type Blobs, MissingBlock } from '../../src/store/blobs.ts';
import { blockId, holds, newBlob } from '../support/blob-sample.ts';
import { freshRegistry, noise } from '../support/sample.ts';

/** Staging, committing and putting: a name is taken once, and its bytes stay. */
export function writingContract(blobs: () => Blobs): void {
  describe('commit', () => {
    test('staged blocks become one blob in the order they are named', async () => {
      const at = newBlob();
      const [a, b, c] = [noise(70_000), noise(1), noise(3000)];
      await blobs().stage(at, blockId(0), a);
      await blobs().stage(at, blockId(1), b);
      await blobs().stage(at, blockId(2), c);
      expect(await blobs().commit(at, [blockId(0), blockId(1), blockId(2)], undefined)).toBe('committed');
      expect(await holds(blobs(), at, Buffer.concat([a, b, c]))).toBe(true);
    });

    test('the order of staging does not matter, nor that it happens at once', async () => {
      const at = newBlob();
      const parts = Array.from({ length: 6 }, (_, i) => noise(1000 + i));
      await Promise.all(parts.map((part, i) => blobs().stage(at, blockId(5 - i), part)));
      const ids = parts.map((_, i) => blockId(5 - i));
      expect(await blobs().commit(at, ids, undefined)).toBe('committed');
      expect(await holds(blobs(), at, Buffer.concat(parts))).toBe(true);
    });

    test('blocks that are not named are dropped', async () => {
      const at = newBlob();
      const [kept, dropped] = [noise(10), noise(20)];
      await blobs().stage(at, blockId(0), dropped);
      await blobs().stage(at, blockId(1), kept);
      await blobs().stage(at, blockId(2), dropped);
      await blobs().commit(at, [blockId(1)], undefined);
      expect(await holds(blobs(), at, kept)).toBe(true);
      expect(await blobs().staged(at)).toEqual([]);
    });

    test('a block staged again under its id is the later one', async () => {
      const at = newBlob();
      const later = noise(30);
      await blobs().stage(at, blockId(0), noise(500));
      await blobs().stage(at, blockId(0), later);
      expect(await blobs().staged(at)).toEqual([blockId(0)]);
      await blobs().commit(at, [blockId(0)], undefined);
      expect(await blobs().stat(at)).toEqual({ size: 30 });
      expect(await holds(blobs(), at, later)).toBe(true);
    });

    test('repeating a commit answers that the blob exists', async () => {
      const at = newBlob();
      const bytes = noise(100);
      await blobs().stage(at, blockId(0), bytes);
      await blobs().commit(at, [blockId(0)], undefined);
      expect(await blobs().commit(at, [blockId(0)], undefined)).toBe('exists');
      expect(await holds(blobs(), at, bytes)).toBe(true);
    });

    test('a second session cannot change committed bytes', async () => {
      const at = newBlob();
      const bytes = noise(100);
      const digest = digestOf(bytes);
      await blobs().stage(at, blockId(0), bytes);
      await blobs().commit(at, [blockId(0)], digest);
      await blobs().stage(at, blockId(7), noise(100));
      expect(await blobs().commit(at, [blockId(7)], digestOf(noise(1)))).toBe('exists');
      expect(await holds(blobs(), at, bytes)).toBe(true);
      expect(await blobs().stat(at)).toEqual({ size: 100, digest });
    });

    test('staging the id of a committed block again does not change the committed bytes', async () => {
      const at = newBlob();
      const bytes = noise(100);
      await blobs().stage(at, blockId(0), bytes);
      await blobs().commit(at, [blockId(0)], undefined);
      await blobs().stage(at, blockId(0), noise(100));
      expect(await holds(blobs(), at, bytes)).toBe(true);
      expect(await blobs().commit(at, [blockId(0)], undefined)).toBe('exists');
      expect(await holds(blobs(), at, bytes)).toBe(true);
    });

    test('one of several commits at once makes the blob, and its bytes stay', async () => {
      const at = newBlob();
      const parts = Array.from({ length: 8 }, () => noise(50));
      await Promise.all(parts.map((part, i) => blobs().stage(at, blockId(i), part)));
      const all = parts.map((_, i) => blockId(i));
      const results = await Promise.all(parts.map(() => blobs().commit(at, all, undefined)));
      expect(results.filter((result) => result === 'committed')).toHaveLength(1);
      expect(await holds(blobs(), at, Buffer.concat(parts))).toBe(true);
    });

    test('a commit of no blocks is a blob of no bytes', async () => {
      const [bare, dropping] = [newBlob(), newBlob()];
      await blobs().stage(dropping, blockId(0), noise(10));
      for (const at of [bare, dropping]) {
        expect(await blobs().commit(at, [], undefined)).toBe('committed');
        expect(await blobs().stat(at)).toEqual({ size: 0 });
        expect(await holds(blobs(), at, new Uint8Array())).toBe(true);
      }
    });

    test('a block that was never staged is missing, and nothing is committed', async () => {
      const at = newBlob();
      const bytes = noise(10);
      await blobs().stage(at, blockId(0), bytes);
      await expect(blobs().commit(at, [blockId(0), blockId(1)], undefined)).rejects.toThrow(MissingBlock);
      expect(await blobs().stat(at)).toBeUndefined();
    });

    test('a commit where nothing at all was staged misses its block', async () => {
      const at = newBlob();
      await expect(blobs().commit(at, [blockId(0)], undefined)).rejects.toThrow(MissingBlock);
      expect(await blobs().stat(at)).toBeUndefined();
    });

    test('a block of another blob is missing', async () => {
      const registry = freshRegistry();
      await blobs().stage({ registry, name: 'one' }, blockId(0), noise(10));
      await expect(blobs().commit({ registry, name: 'two' }, [blockId(0)], undefined)).rejects.toThrow(
        MissingBlock,
      );
    });

    test('block ids may hold every character of base64', async () => {
      const at = newBlob();
      const ids = [Buffer.alloc(12, 0xfb), Buffer.alloc(12, 0xff), Buffer.alloc(12, 0x2f)].map((bytes) =>
        bytes.toString('base64'),
      );
      const parts = ids.map(() => noise(9));
      for (const [i, part] of parts.entries()) await blobs().stage(at, ids[i] ?? '', part);
      expect([...(await blobs().staged(at))].toSorted()).toEqual(ids.toSorted());
      expect(await blobs().commit(at, ids, undefined)).toBe('committed');
      expect(await holds(blobs(), at, Buffer.concat(parts))).toBe(true);
    });

    test('block ids may have 64 bytes', async () => {
      const at = newBlob();
      const long = Buffer.alloc(64, 0xfe).toString('base64');
      const bytes = noise(9);
      await blobs().stage(at, long, bytes);
      expect(await blobs().commit(at, [long], undefined)).toBe('committed');
      expect(await holds(blobs(), at, bytes)).toBe(true);
    });

    test('the bytes given to stage and put may be overwritten as soon as the call is over', async () => {
      const [staged, whole] = [newBlob(), newBlob()];
      const bytes = noise(5000);
      const buffer = Uint8Array.from(bytes);
      await blobs().stage(staged, blockId(0), buffer);
      await blobs().put(whole, buffer, undefined);
      buffer.fill(0);
      await blobs().commit(staged, [blockId(0)], undefined);
      expect(await holds(blobs(), staged, bytes)).toBe(true);
      expect(await holds(blobs(), whole, bytes)).toBe(true);
    });

    test('blobs of one name in two registries are two blobs', async () => {
      const [one, two] = [newBlob(), newBlob()].map(({ registry }) => ({ registry, name: 'same' }));
      if (!one || !two) throw new Error('two blobs were made');
      const bytes = noise(40);
      await blobs().put(one, bytes, undefined);
      expect(await blobs().stat(two)).toBeUndefined();
      expect(await blobs().put(two, noise(50), undefined)).toBe('committed');
      await blobs().delete(two);
      expect(await holds(blobs(), one, bytes)).toBe(true);
    });
  });

  describe('put', () => {
    test('a blob put whole reads back', async () => {
      const at = newBlob();
      const bytes = noise(100_000);
      expect(await blobs().put(at, bytes, digestOf(bytes))).toBe('committed');
      expect(await holds(blobs(), at, bytes)).toBe(true);
      expect(await blobs().stat(at)).toEqual({ size: 100_000, digest: digestOf(bytes) });
    });

    test('a blob of the full block size can be put whole and staged whole', async () => {
      const [whole, staged] = [newBlob(), newBlob()];
      const bytes = noise(blobs().blockSize);
      expect(await blobs().put(whole, bytes, undefined)).toBe('committed');
      await blobs().stage(staged, blockId(0), bytes);
      expect(await blobs().commit(staged, [blockId(0)], undefined)).toBe('committed');
      expect(await holds(blobs(), whole, bytes)).toBe(true);
      expect(await holds(blobs(), staged, bytes)).toBe(true);
      await blobs().delete(whole);
      await blobs().delete(staged);
    });

    test('a blob may have no bytes', async () => {
      const at = newBlob();
      const empty = new Uint8Array();
      expect(await blobs().put(at, empty, digestOf(empty))).toBe('committed');
      expect(await blobs().stat(at)).toEqual({ size: 0, digest: digestOf(empty) });
      expect(await holds(blobs(), at, empty)).toBe(true);
    });

    test('a name that was put is taken for put and for commit', async () => {
      const at = newBlob();
      const bytes = noise(64);
      await blobs().put(at, bytes, digestOf(bytes));
      expect(await blobs().put(at, noise(64), undefined)).toBe('exists');
      await blobs().stage(at, blockId(0), noise(64));
      expect(await blobs().commit(at, [blockId(0)], undefined)).toBe('exists');
      expect(await holds(blobs(), at, bytes)).toBe(true);
      expect(await blobs().stat(at)).toEqual({ size: 64, digest: digestOf(bytes) });
    });

    test('a name that was committed is taken for put', async () => {
      const at = newBlob();
      const bytes = noise(64);
      await blobs().stage(at, blockId(0), bytes);
      await blobs().commit(at, [blockId(0)], undefined);
      expect(await blobs().put(at, noise(64), undefined)).toBe('exists');
      expect(await holds(blobs(), at, bytes)).toBe(true);
    });

    test('one of several puts at once makes the blob', async () => {
      const at = newBlob();
      const candidates = Array.from({ length: 8 }, (_, i) => noise(100 + i));
      const results = await Promise.all(candidates.map((bytes) => blobs().put(at, bytes, undefined)));
      const winner = candidates[results.indexOf('committed')];
      expect(results.filter((result) => result === 'committed')).toHaveLength(1);
      expect(winner && (await holds(blobs(), at, winner))).toBe(true);
    });
  });

  describe('staged', () => {
    test('lists the ids that are staged and not committed', async () => {
      const at = newBlob();
      expect(await blobs().staged(at)).toEqual([]);
      await blobs().stage(at, blockId(3), noise(5));
      await blobs().stage(at, blockId(1), noise(5));
      expect([...(await blobs().staged(at))].toSorted()).toEqual([blockId(1), blockId(3)].toSorted());
      await blobs().commit(at, [blockId(1), blockId(3)], undefined);
      expect(await blobs().staged(at)).toEqual([]);
    });
  });

  describe('stat', () => {
    test('tells the size and the digest that was committed, of either algorithm', async () => {
      const bytes = noise(77);
      for (const digest of [digestOf(bytes), digestOf(bytes, 'sha512')]) {
        const at = newBlob();
        await blobs().stage(at, blockId(0), bytes);
        await blobs().commit(at, [blockId(0)], digest);
        expect(await blobs().stat(at)).toEqual({ size: 77, digest });
      }
    });

    test('tells no digest when none was verified', async () => {
      const at = newBlob();
      await blobs().put(at, noise(5), undefined);
      expect((await blobs().stat(at))?.digest).toBeUndefined();
    });

    test('a blob that was never begun and one that has staged blocks alone do not exist', async () => {
      const at = newBlob();
      expect(await blobs().stat(at)).toBeUndefined();
      await blobs().stage(at, blockId(0), noise(5));
      expect(await blobs().stat(at)).toBeUndefined();
    });
  });
}
