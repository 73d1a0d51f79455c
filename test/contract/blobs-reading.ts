import { describe, expect, test } from 'vitest';
import { type BlobName, type Blobs, type ListedBlob, MissingBlock } from '../../src/store/blobs.ts';
import { blockId, holds, newBlob } from '../support/blob-sample.ts';
import { freshName, freshRegistry, gather, noise, poll, sameBytes } from '../support/sample.ts';

/** Reading, linking, deleting and listing. */
export function readingContract(blobs: () => Blobs): void {
  describe('read', () => {
    test('a range holds its first and its last byte, within a block and across blocks', async () => {
      const at = newBlob();
      const parts = [noise(1000), noise(1000), noise(1000)];
      for (const [i, part] of parts.entries()) await blobs().stage(at, blockId(i), part);
      await blobs().commit(at, [blockId(0), blockId(1), blockId(2)], undefined);
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
        const source = await blobs().read(at, { first, last });
        const bytes = source && (await gather(source));
        expect(bytes && sameBytes(bytes, all.subarray(first, last + 1)), `${first}-${last}`).toBe(true);
      }
    });

    test('a blob of many pieces streams whole', async () => {
      const at = newBlob();
      const size = Math.min(blobs().blockSize, 3 * 1024 * 1024);
      const parts = [noise(size), noise(size), noise(17)];
      for (const [i, part] of parts.entries()) await blobs().stage(at, blockId(i), part);
      await blobs().commit(at, [blockId(0), blockId(1), blockId(2)], undefined);
      expect(await holds(blobs(), at, Buffer.concat(parts))).toBe(true);
    });

    test('an absent blob and one that has staged blocks alone have no bytes', async () => {
      const at = newBlob();
      expect(await blobs().read(at)).toBeUndefined();
      await blobs().stage(at, blockId(0), noise(5));
      expect(await blobs().read(at)).toBeUndefined();
      expect(await blobs().read(at, { first: 0, last: 0 })).toBeUndefined();
    });

    test('after a loop is broken off, the blob reads again and can be deleted', async () => {
      const at = newBlob();
      const bytes = noise(Math.min(blobs().blockSize, 4 * 1024 * 1024));
      await blobs().put(at, bytes, undefined);
      let seen = 0;
      for await (const part of (await blobs().read(at)) ?? []) {
        seen = part.length;
        break;
      }
      expect(seen).toBeGreaterThan(0);
      expect(await holds(blobs(), at, bytes)).toBe(true);
      await blobs().delete(at);
      expect(await blobs().read(at)).toBeUndefined();
    });

    test('several readers of one blob do not disturb each other', async () => {
      const at = newBlob();
      const bytes = noise(300_000);
      await blobs().put(at, bytes, undefined);
      const checks = await Promise.all(Array.from({ length: 8 }, () => holds(blobs(), at, bytes)));
      expect(checks).toEqual(checks.map(() => true));
    });
  });

  describe('link', () => {
    test('where there are links, they give the bytes, whole and by range', async () => {
      const at = newBlob();
      const bytes = noise(5000);
      await blobs().put(at, bytes, undefined);
      const link = await blobs().link(at, 60);
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
      await blobs().put(at, bytes, undefined);
      await blobs().put(other, bytes, undefined);
      const link = await blobs().link(at, 60);
      const headers = { 'x-ms-blob-type': 'BlockBlob' };
      const calls =
        link === undefined
          ? []
          : [
              fetch(link, { method: 'PUT', body: 'x', headers }),
              fetch(link, { method: 'DELETE' }),
              fetch(link.replace(at.name, other.name)),
            ];
      for (const answer of await Promise.all(calls)) {
        await answer.arrayBuffer();
        expect(answer.status).toBeGreaterThanOrEqual(400);
      }
      expect(await holds(blobs(), at, bytes)).toBe(true);
    });

    test('a link dies after its seconds', async () => {
      const at = newBlob();
      await blobs().put(at, noise(50), undefined);
      const link = await blobs().link(at, 1);
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
      await blobs().stage(at, blockId(0), noise(10));
      await blobs().commit(at, [blockId(0)], undefined);
      await blobs().delete(at);
      expect(await blobs().stat(at)).toBeUndefined();
      expect(await blobs().read(at)).toBeUndefined();
      expect(await blobs().put(at, noise(3), undefined)).toBe('committed');
    });

    test('staged blocks are gone', async () => {
      const at = newBlob();
      await blobs().stage(at, blockId(0), noise(10));
      await blobs().delete(at);
      expect(await blobs().staged(at)).toEqual([]);
      expect((await everything(blobs(), at.registry, 10)).map((blob) => blob.name)).toEqual([]);
      await expect(blobs().commit(at, [blockId(0)], undefined)).rejects.toThrow(MissingBlock);
    });

    test('blocks staged over a committed blob go with it', async () => {
      const at = newBlob();
      await blobs().put(at, noise(10), undefined);
      await blobs().stage(at, blockId(0), noise(10));
      await blobs().delete(at);
      expect(await blobs().stat(at)).toBeUndefined();
      expect(await blobs().staged(at)).toEqual([]);
    });

    test('nothing happens when there is no such blob', async () => {
      const at = newBlob();
      await blobs().delete(at);
      const neighbour = { registry: at.registry, name: freshName() };
      await blobs().put(neighbour, noise(3), undefined);
      await blobs().delete(at);
      await blobs().delete(at);
      expect(await blobs().stat(neighbour)).toEqual({ size: 3 });
    });
  });

  describe('list', () => {
    test('a registry where nothing was stored lists nothing', async () => {
      expect(await blobs().list(freshRegistry(), 10)).toEqual({ blobs: [] });
    });

    test.each([1, 2, 5, 100])(
      'committed and uncommitted blobs are each listed once in pages of %i',
      async (limit) => {
        const registry = freshRegistry();
        const before = Date.now() - 60_000;
        const committed = ['a0', 'B1', 'c-2', 'd_3'];
        const uncommitted = ['A4', 'b5', 'e6'];
        for (const one of committed) await blobs().put({ registry, name: one }, noise(11), undefined);
        for (const one of uncommitted) await blobs().stage({ registry, name: one }, blockId(0), noise(11));
        const all = await everything(blobs(), registry, limit);
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
      await blobs().put({ registry: short, name: 'mine' }, noise(1), undefined);
      await blobs().put({ registry: long, name: 'other' }, noise(1), undefined);
      expect((await everything(blobs(), short, 10)).map((blob) => blob.name)).toEqual(['mine']);
    });
  });
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
