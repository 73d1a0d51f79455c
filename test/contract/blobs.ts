import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { type BlobName, type Blobs, type ListedBlob, MissingBlock } from '../../src/store/blobs.ts';
import { freshName, freshRegistry, gather, noise, poll, sameBytes } from '../support/sample.ts';

/** What every `Blobs` must do. Each test works in a registry of its own. */
export function blobsContract(
  name: string,
  open: () => Promise<{ blobs: Blobs; close(): Promise<void> }>,
): void {
  describe(name, () => {
    let blobs: Blobs;
    let close: () => Promise<void>;

    beforeAll(async () => {
      const opened = await open();
      blobs = opened.blobs;
      close = () => opened.close();
    });

    afterAll(async () => {
      await close();
    });

    describe('commit', () => {
      test('staged blocks become one blob in the order they are named', async () => {
        const at = newBlob();
        const [a, b, c] = [noise(70_000), noise(1), noise(3000)];
        await blobs.stage(at, id(0), a);
        await blobs.stage(at, id(1), b);
        await blobs.stage(at, id(2), c);
        expect(await blobs.commit(at, [id(0), id(1), id(2)], undefined)).toBe('committed');
        expect(await holds(blobs, at, Buffer.concat([a, b, c]))).toBe(true);
      });

      test('the order of staging does not matter, nor that it happens at once', async () => {
        const at = newBlob();
        const parts = Array.from({ length: 6 }, (_, i) => noise(1000 + i));
        await Promise.all(parts.map((part, i) => blobs.stage(at, id(5 - i), part)));
        const ids = parts.map((_, i) => id(5 - i));
        expect(await blobs.commit(at, ids, undefined)).toBe('committed');
        expect(await holds(blobs, at, Buffer.concat(parts))).toBe(true);
      });

      test('blocks that are not named are dropped', async () => {
        const at = newBlob();
        const [kept, dropped] = [noise(10), noise(20)];
        await blobs.stage(at, id(0), dropped);
        await blobs.stage(at, id(1), kept);
        await blobs.stage(at, id(2), dropped);
        await blobs.commit(at, [id(1)], undefined);
        expect(await holds(blobs, at, kept)).toBe(true);
        expect(await blobs.staged(at)).toEqual([]);
      });

      test('a block staged again under its id is the later one', async () => {
        const at = newBlob();
        const later = noise(30);
        await blobs.stage(at, id(0), noise(500));
        await blobs.stage(at, id(0), later);
        expect(await blobs.staged(at)).toEqual([id(0)]);
        await blobs.commit(at, [id(0)], undefined);
        expect(await blobs.stat(at)).toEqual({ size: 30 });
        expect(await holds(blobs, at, later)).toBe(true);
      });

      test('repeating a commit answers that the blob exists', async () => {
        const at = newBlob();
        const bytes = noise(100);
        await blobs.stage(at, id(0), bytes);
        await blobs.commit(at, [id(0)], undefined);
        expect(await blobs.commit(at, [id(0)], undefined)).toBe('exists');
        expect(await holds(blobs, at, bytes)).toBe(true);
      });

      test('a second session cannot change committed bytes', async () => {
        const at = newBlob();
        const bytes = noise(100);
        const digest = digestOf(bytes);
        await blobs.stage(at, id(0), bytes);
        await blobs.commit(at, [id(0)], digest);
        await blobs.stage(at, id(7), noise(100));
        expect(await blobs.commit(at, [id(7)], digestOf(noise(1)))).toBe('exists');
        expect(await holds(blobs, at, bytes)).toBe(true);
        expect(await blobs.stat(at)).toEqual({ size: 100, digest });
      });

      test('staging the id of a committed block again does not change the committed bytes', async () => {
        const at = newBlob();
        const bytes = noise(100);
        await blobs.stage(at, id(0), bytes);
        await blobs.commit(at, [id(0)], undefined);
        await blobs.stage(at, id(0), noise(100));
        expect(await holds(blobs, at, bytes)).toBe(true);
        expect(await blobs.commit(at, [id(0)], undefined)).toBe('exists');
        expect(await holds(blobs, at, bytes)).toBe(true);
      });

      test('one of several commits at once makes the blob, and its bytes stay', async () => {
        const at = newBlob();
        const parts = Array.from({ length: 8 }, () => noise(50));
        await Promise.all(parts.map((part, i) => blobs.stage(at, id(i), part)));
        const all = parts.map((_, i) => id(i));
        const results = await Promise.all(parts.map(() => blobs.commit(at, all, undefined)));
        expect(results.filter((result) => result === 'committed')).toHaveLength(1);
        expect(await holds(blobs, at, Buffer.concat(parts))).toBe(true);
      });

      test('a block that was never staged is missing, and nothing is committed', async () => {
        const at = newBlob();
        const bytes = noise(10);
        await blobs.stage(at, id(0), bytes);
        await expect(blobs.commit(at, [id(0), id(1)], undefined)).rejects.toThrow(MissingBlock);
        expect(await blobs.stat(at)).toBeUndefined();
      });

      test('a commit where nothing at all was staged misses its block', async () => {
        const at = newBlob();
        await expect(blobs.commit(at, [id(0)], undefined)).rejects.toThrow(MissingBlock);
        expect(await blobs.stat(at)).toBeUndefined();
      });

      test('a block of another blob is missing', async () => {
        const registry = freshRegistry();
        await blobs.stage({ registry, name: 'one' }, id(0), noise(10));
        await expect(blobs.commit({ registry, name: 'two' }, [id(0)], undefined)).rejects.toThrow(
          MissingBlock,
        );
      });

      test('block ids may hold every character of base64', async () => {
        const at = newBlob();
        const ids = [Buffer.alloc(12, 0xfb), Buffer.alloc(12, 0xff), Buffer.alloc(12, 0x2f)].map((bytes) =>
          bytes.toString('base64'),
        );
        const parts = ids.map(() => noise(9));
        for (const [i, part] of parts.entries()) await blobs.stage(at, ids[i] ?? '', part);
        expect([...(await blobs.staged(at))].toSorted()).toEqual(ids.toSorted());
        expect(await blobs.commit(at, ids, undefined)).toBe('committed');
        expect(await holds(blobs, at, Buffer.concat(parts))).toBe(true);
      });

      test('block ids may have 64 bytes', async () => {
        const at = newBlob();
        const long = Buffer.alloc(64, 0xfe).toString('base64');
        const bytes = noise(9);
        await blobs.stage(at, long, bytes);
        expect(await blobs.commit(at, [long], undefined)).toBe('committed');
        expect(await holds(blobs, at, bytes)).toBe(true);
      });

      test('the bytes given to stage and put may be overwritten as soon as the call is over', async () => {
        const [staged, whole] = [newBlob(), newBlob()];
        const bytes = noise(5000);
        const buffer = Uint8Array.from(bytes);
        await blobs.stage(staged, id(0), buffer);
        await blobs.put(whole, buffer, undefined);
        buffer.fill(0);
        await blobs.commit(staged, [id(0)], undefined);
        expect(await holds(blobs, staged, bytes)).toBe(true);
        expect(await holds(blobs, whole, bytes)).toBe(true);
      });

      test('blobs of one name in two registries are two blobs', async () => {
        const [one, two] = [newBlob(), newBlob()].map(({ registry }) => ({ registry, name: 'same' }));
        if (!one || !two) throw new Error('two blobs were made');
        const bytes = noise(40);
        await blobs.put(one, bytes, undefined);
        expect(await blobs.stat(two)).toBeUndefined();
        expect(await blobs.put(two, noise(50), undefined)).toBe('committed');
        await blobs.delete(two);
        expect(await holds(blobs, one, bytes)).toBe(true);
      });
    });

    describe('put', () => {
      test('a blob put whole reads back', async () => {
        const at = newBlob();
        const bytes = noise(100_000);
        expect(await blobs.put(at, bytes, digestOf(bytes))).toBe('committed');
        expect(await holds(blobs, at, bytes)).toBe(true);
        expect(await blobs.stat(at)).toEqual({ size: 100_000, digest: digestOf(bytes) });
      });

      test('a blob of the full block size can be put whole and staged whole', async () => {
        const [whole, staged] = [newBlob(), newBlob()];
        const bytes = noise(blobs.blockSize);
        expect(await blobs.put(whole, bytes, undefined)).toBe('committed');
        await blobs.stage(staged, id(0), bytes);
        expect(await blobs.commit(staged, [id(0)], undefined)).toBe('committed');
        expect(await holds(blobs, whole, bytes)).toBe(true);
        expect(await holds(blobs, staged, bytes)).toBe(true);
        await blobs.delete(whole);
        await blobs.delete(staged);
      });

      test('a blob may have no bytes', async () => {
        const at = newBlob();
        const empty = new Uint8Array();
        expect(await blobs.put(at, empty, digestOf(empty))).toBe('committed');
        expect(await blobs.stat(at)).toEqual({ size: 0, digest: digestOf(empty) });
        expect(await holds(blobs, at, empty)).toBe(true);
      });

      test('a name that was put is taken for put and for commit', async () => {
        const at = newBlob();
        const bytes = noise(64);
        await blobs.put(at, bytes, digestOf(bytes));
        expect(await blobs.put(at, noise(64), undefined)).toBe('exists');
        await blobs.stage(at, id(0), noise(64));
        expect(await blobs.commit(at, [id(0)], undefined)).toBe('exists');
        expect(await holds(blobs, at, bytes)).toBe(true);
        expect(await blobs.stat(at)).toEqual({ size: 64, digest: digestOf(bytes) });
      });

      test('a name that was committed is taken for put', async () => {
        const at = newBlob();
        const bytes = noise(64);
        await blobs.stage(at, id(0), bytes);
        await blobs.commit(at, [id(0)], undefined);
        expect(await blobs.put(at, noise(64), undefined)).toBe('exists');
        expect(await holds(blobs, at, bytes)).toBe(true);
      });

      test('one of several puts at once makes the blob', async () => {
        const at = newBlob();
        const candidates = Array.from({ length: 8 }, (_, i) => noise(100 + i));
        const results = await Promise.all(candidates.map((bytes) => blobs.put(at, bytes, undefined)));
        const winner = candidates[results.indexOf('committed')];
        expect(results.filter((result) => result === 'committed')).toHaveLength(1);
        expect(winner && (await holds(blobs, at, winner))).toBe(true);
      });
    });

    describe('staged', () => {
      test('lists the ids that are staged and not committed', async () => {
        const at = newBlob();
        expect(await blobs.staged(at)).toEqual([]);
        await blobs.stage(at, id(3), noise(5));
        await blobs.stage(at, id(1), noise(5));
        expect([...(await blobs.staged(at))].toSorted()).toEqual([id(1), id(3)].toSorted());
        await blobs.commit(at, [id(1), id(3)], undefined);
        expect(await blobs.staged(at)).toEqual([]);
      });
    });

    describe('stat', () => {
      test('tells the size and the digest that was committed, of either algorithm', async () => {
        const bytes = noise(77);
        for (const digest of [digestOf(bytes), digestOf(bytes, 'sha512')]) {
          const at = newBlob();
          await blobs.stage(at, id(0), bytes);
          await blobs.commit(at, [id(0)], digest);
          expect(await blobs.stat(at)).toEqual({ size: 77, digest });
        }
      });

      test('tells no digest when none was verified', async () => {
        const at = newBlob();
        await blobs.put(at, noise(5), undefined);
        expect((await blobs.stat(at))?.digest).toBeUndefined();
      });

      test('a blob that was never begun and one that has staged blocks alone do not exist', async () => {
        const at = newBlob();
        expect(await blobs.stat(at)).toBeUndefined();
        await blobs.stage(at, id(0), noise(5));
        expect(await blobs.stat(at)).toBeUndefined();
      });
    });

    describe('read', () => {
      test('a range holds its first and its last byte, within a block and across blocks', async () => {
        const at = newBlob();
        const parts = [noise(1000), noise(1000), noise(1000)];
        for (const [i, part] of parts.entries()) await blobs.stage(at, id(i), part);
        await blobs.commit(at, [id(0), id(1), id(2)], undefined);
        const all = Buffer.concat(parts);
        const ranges = [
          [0, 2999],
          [0, 0],
          [2999, 2999],
          [999, 1000],
          [500, 2500],
          [1000, 1999],
          [1200, 1300],
          [2000, 2999],
        ] as const;
        for (const [first, last] of ranges) {
          const source = await blobs.read(at, { first, last });
          const bytes = source && (await gather(source));
          expect(bytes && sameBytes(bytes, all.subarray(first, last + 1)), `${first}-${last}`).toBe(true);
        }
      });

      test('a blob of many pieces streams whole', async () => {
        const at = newBlob();
        const size = Math.min(blobs.blockSize, 3 * 1024 * 1024);
        const parts = [noise(size), noise(size), noise(17)];
        for (const [i, part] of parts.entries()) await blobs.stage(at, id(i), part);
        await blobs.commit(at, [id(0), id(1), id(2)], undefined);
        expect(await holds(blobs, at, Buffer.concat(parts))).toBe(true);
      });

      test('an absent blob and one that has staged blocks alone have no bytes', async () => {
        const at = newBlob();
        expect(await blobs.read(at)).toBeUndefined();
        await blobs.stage(at, id(0), noise(5));
        expect(await blobs.read(at)).toBeUndefined();
        expect(await blobs.read(at, { first: 0, last: 0 })).toBeUndefined();
      });

      test('after a loop is broken off, the blob reads again and can be deleted', async () => {
        const at = newBlob();
        const bytes = noise(Math.min(blobs.blockSize, 4 * 1024 * 1024));
        await blobs.put(at, bytes, undefined);
        let seen = 0;
        for await (const part of (await blobs.read(at)) ?? []) {
          seen = part.length;
          break;
        }
        expect(seen).toBeGreaterThan(0);
        expect(await holds(blobs, at, bytes)).toBe(true);
        await blobs.delete(at);
        expect(await blobs.read(at)).toBeUndefined();
      });

      test('several readers of one blob do not disturb each other', async () => {
        const at = newBlob();
        const bytes = noise(300_000);
        await blobs.put(at, bytes, undefined);
        const checks = await Promise.all(Array.from({ length: 8 }, () => holds(blobs, at, bytes)));
        expect(checks).toEqual(checks.map(() => true));
      });
    });

    describe('link', () => {
      test('where there are links, they give the bytes, whole and by range', async () => {
        const at = newBlob();
        const bytes = noise(5000);
        await blobs.put(at, bytes, undefined);
        const link = await blobs.link(at, 60);
        const whole = link === undefined ? bytes : await fetched(link);
        const part = link === undefined ? bytes.subarray(10, 21) : await fetched(link, 'bytes=10-20');
        expect(sameBytes(whole, bytes)).toBe(true);
        expect(sameBytes(part, bytes.subarray(10, 21))).toBe(true);
      });

      test('a link neither writes, nor deletes, nor reaches another blob', async () => {
        const registry = freshRegistry();
        const at = { registry, name: freshName() };
        const other = { registry, name: freshName() };
        const bytes = noise(50);
        await blobs.put(at, bytes, undefined);
        await blobs.put(other, bytes, undefined);
        const link = await blobs.link(at, 60);
        if (link !== undefined) {
          const headers = { 'x-ms-blob-type': 'BlockBlob' };
          const calls = [
            fetch(link, { method: 'PUT', body: 'x', headers }),
            fetch(link, { method: 'DELETE' }),
            fetch(link.replace(at.name, other.name)),
          ];
          for (const answer of await Promise.all(calls)) {
            await answer.arrayBuffer();
            expect(answer.status).toBeGreaterThanOrEqual(400);
          }
        }
        expect(await holds(blobs, at, bytes)).toBe(true);
      });

      test('a link dies after its seconds', async () => {
        const at = newBlob();
        await blobs.put(at, noise(50), undefined);
        const link = await blobs.link(at, 1);
        const dead = await poll(async () => {
          if (link === undefined) return true;
          const answer = await fetch(link);
          await answer.arrayBuffer();
          return answer.status === 403 ? true : undefined;
        });
        expect(dead).toBe(true);
      });
    });

    describe('delete', () => {
      test('a committed blob is gone, and its name is free', async () => {
        const at = newBlob();
        await blobs.stage(at, id(0), noise(10));
        await blobs.commit(at, [id(0)], undefined);
        await blobs.delete(at);
        expect(await blobs.stat(at)).toBeUndefined();
        expect(await blobs.read(at)).toBeUndefined();
        expect(await blobs.put(at, noise(3), undefined)).toBe('committed');
      });

      test('staged blocks are gone', async () => {
        const at = newBlob();
        await blobs.stage(at, id(0), noise(10));
        await blobs.delete(at);
        expect(await blobs.staged(at)).toEqual([]);
        expect((await everything(blobs, at.registry, 10)).map((blob) => blob.name)).toEqual([]);
        await expect(blobs.commit(at, [id(0)], undefined)).rejects.toThrow(MissingBlock);
      });

      test('blocks staged over a committed blob go with it', async () => {
        const at = newBlob();
        await blobs.put(at, noise(10), undefined);
        await blobs.stage(at, id(0), noise(10));
        await blobs.delete(at);
        expect(await blobs.stat(at)).toBeUndefined();
        expect(await blobs.staged(at)).toEqual([]);
      });

      test('nothing happens when there is no such blob', async () => {
        const at = newBlob();
        await blobs.delete(at);
        const neighbour = { registry: at.registry, name: freshName() };
        await blobs.put(neighbour, noise(3), undefined);
        await blobs.delete(at);
        await blobs.delete(at);
        expect(await blobs.stat(neighbour)).toEqual({ size: 3 });
      });
    });

    describe('list', () => {
      test('a registry where nothing was stored lists nothing', async () => {
        expect(await blobs.list(freshRegistry(), 10)).toEqual({ blobs: [] });
      });

      test.each([1, 2, 5, 100])(
        'committed and uncommitted blobs are each listed once in pages of %i',
        async (limit) => {
          const registry = freshRegistry();
          const before = Date.now() - 60_000;
          const committed = ['a0', 'B1', 'c-2', 'd_3'];
          const uncommitted = ['A4', 'b5', 'e6'];
          for (const one of committed) await blobs.put({ registry, name: one }, noise(11), undefined);
          for (const one of uncommitted) await blobs.stage({ registry, name: one }, id(0), noise(11));
          const all = await everything(blobs, registry, limit);
          expect(all.map((blob) => blob.name).toSorted()).toEqual([...committed, ...uncommitted].toSorted());
          for (const blob of all) {
            expect(blob.committed).toBe(committed.includes(blob.name));
            if (!blob.committed) continue;
            expect(blob.size).toBe(11);
            expect(blob.modified).toBeGreaterThan(before);
            expect(blob.modified).toBeLessThan(Date.now() + 60_000);
          }
        },
      );

      test('blobs of another registry are not listed, even when its name starts the same', async () => {
        const short = freshRegistry();
        const long = freshRegistry();
        await blobs.put({ registry: short, name: 'mine' }, noise(1), undefined);
        await blobs.put({ registry: long, name: 'other' }, noise(1), undefined);
        expect((await everything(blobs, short, 10)).map((blob) => blob.name)).toEqual(['mine']);
      });
    });
  });
}

function newBlob(): BlobName {
  return { registry: freshRegistry(), name: freshName() };
}

/** A block id as the core makes them: 12 bytes, the last ones the index. */
function id(index: number): string {
  const bytes = Buffer.alloc(12, 0xa5);
  bytes.writeUInt32BE(index, 8);
  return bytes.toString('base64');
}

async function holds(blobs: Blobs, at: BlobName, bytes: Uint8Array): Promise<boolean> {
  const source = await blobs.read(at);
  return source !== undefined && sameBytes(await gather(source), bytes);
}

async function fetched(link: string, range?: string): Promise<Uint8Array> {
  const answer = await fetch(link, range === undefined ? {} : { headers: { range } });
  expect(answer.status).toBe(range === undefined ? 200 : 206);
  return new Uint8Array(await answer.arrayBuffer());
}

async function everything(
  blobs: Blobs,
  registry: BlobName['registry'],
  limit: number,
): Promise<ListedBlob[]> {
  const all: ListedBlob[] = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < 100; pages++) {
    const page = await blobs.list(registry, limit, cursor);
    expect(page.blobs.length).toBeLessThanOrEqual(limit);
    all.push(...page.blobs);
    cursor = page.cursor;
    if (cursor === undefined) return all;
  }
  throw new Error('the listing does not end');
}
