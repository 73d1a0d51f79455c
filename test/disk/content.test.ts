import { mkdir, readdir, readFile, readlink, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openDisk } from '../../src/disk/open.ts';
import type { BlobName, Blobs } from '../../src/store/blobs.ts';
import { Unavailable } from '../../src/store/records.ts';
import { blockId, newBlob } from '../support/blob-sample.ts';
import { type DiskLab, openDiskLab } from '../support/disk-lab.ts';
import { gather, noise } from '../support/sample.ts';

let lab: DiskLab;

beforeEach(async () => {
  lab = await openDiskLab();
});

afterEach(async () => {
  await lab.close();
});

describe('files', () => {
  test('a crash in the middle of writing leaves nothing behind', async () => {
    const first = await lab.open();
    await first.blobs.put(newBlob(), noise(10), undefined);
    await writeFile(join(lab.dir, 'incoming', 'half'), 'half a block');
    await lab.reopen(first);
    expect(await readdir(join(lab.dir, 'incoming'))).toEqual([]);
  });

  test('a commit copies no bytes: it names the files that were staged', async () => {
    const disk = await lab.open();
    const at = newBlob();
    await disk.blobs.stage(at, blockId(0), noise(300_000));
    const before = await blockFiles(at);
    await disk.blobs.commit(at, [blockId(0)], undefined);
    expect(await blockFiles(at)).toEqual(before);
    const head = await readFile(join(home(at), at.name));
    expect(head.length).toBeLessThan(300);
  });

  test('the blocks that a commit does not name leave the disk, and delete leaves no file', async () => {
    const disk = await lab.open();
    const at = newBlob();
    for (const index of [0, 1, 1, 2]) await disk.blobs.stage(at, blockId(index), noise(10));
    await disk.blobs.commit(at, [blockId(2), blockId(1)], undefined);
    expect(await blockFiles(at)).toHaveLength(2);
    await disk.blobs.delete(at);
    expect(await readdir(home(at))).toEqual([]);
  });

  test.each(['..', '.', '../up', 'a/b', 'a\\b', '/etc/passwd', 'a.b', '', 'a\0b', 'é', 'x'.repeat(129)])(
    'the name %j cannot leave the directory: no call takes it',
    async (name) => {
      const disk = await lab.open();
      const memory = await openDisk();
      lab.adopt(memory);
      const at = { registry: newBlob().registry, name };
      for (const { blobs } of [disk, memory]) {
        await expect(blobs.stage(at, blockId(0), noise(1))).rejects.toThrow(RangeError);
        await expect(blobs.commit(at, [blockId(0)], undefined)).rejects.toThrow(RangeError);
        await expect(blobs.put(at, noise(1), undefined)).rejects.toThrow(RangeError);
        await expect(blobs.read(at)).rejects.toThrow(RangeError);
        await expect(blobs.stat(at)).rejects.toThrow(RangeError);
        await expect(blobs.staged(at)).rejects.toThrow(RangeError);
        await expect(blobs.delete(at)).rejects.toThrow(RangeError);
      }
    },
  );

  test.each(['../../../up', 'not base64', 'YQ', 'YR==', '', 'a'.repeat(92)])(
    'the block id %j is no name of a file',
    async (id) => {
      const disk = await lab.open();
      await expect(disk.blobs.stage(newBlob(), id, noise(1))).rejects.toThrow(RangeError);
    },
  );

  test('a block larger than the block size, or of no bytes, is refused', async () => {
    const disk = await openDisk({ dir: lab.dir, blockSize: 100 });
    lab.adopt(disk);
    await disk.blobs.stage(newBlob(), blockId(0), noise(100));
    await expect(disk.blobs.stage(newBlob(), blockId(0), noise(101))).rejects.toThrow(RangeError);
    await expect(disk.blobs.stage(newBlob(), blockId(0), noise(0))).rejects.toThrow(RangeError);
    await expect(disk.blobs.put(newBlob(), noise(101), undefined)).rejects.toThrow(RangeError);
  });

  test('reading holds no file open after the end, nor after the loop was broken off', async () => {
    const disk = await lab.open();
    const [large, whole] = [newBlob(), newBlob()];
    for (const index of [0, 1, 2]) await disk.blobs.stage(large, blockId(index), noise(1_200_000));
    await disk.blobs.commit(large, [blockId(0), blockId(1), blockId(2)], undefined);
    await disk.blobs.put(whole, noise(1_200_000), undefined);
    for (const at of [large, whole]) {
      for await (const part of (await disk.blobs.read(at)) ?? []) if (part.length > 0) break;
      await readAll(disk.blobs, at);
      expect(await disk.blobs.read(at)).toBeDefined();
    }
    expect(await openFilesUnder(join(lab.dir, 'content'))).toEqual([]);
  });

  test('a file that lost bytes is told, and nothing but its true bytes is given before', async () => {
    const disk = await lab.open();
    const at = newBlob();
    await disk.blobs.stage(at, blockId(0), noise(1000));
    await disk.blobs.commit(at, [blockId(0)], undefined);
    const [file = ''] = await blockFiles(at);
    await truncate(join(home(at), `${at.name}.blocks`, file), 400);
    await expect(readAll(disk.blobs, at)).rejects.toThrow(/damaged/);
    await rm(join(home(at), `${at.name}.blocks`), { recursive: true });
    await expect(readAll(disk.blobs, at)).rejects.toThrow(Unavailable);
  });

  test('a head that is no head is told', async () => {
    const disk = await lab.open();
    const at = newBlob();
    await mkdir(home(at), { recursive: true });
    for (const text of ['', 'no line end', '{"size":"three"}\n', 'not json\n', '{"size":0}\n', '[]\n']) {
      await writeFile(join(home(at), at.name), text);
      await expect(disk.blobs.stat(at)).rejects.toThrow(Unavailable);
      await expect(disk.blobs.read(at)).rejects.toThrow(Unavailable);
    }
  });

  test('what the file system refuses is Unavailable, with its cause', async () => {
    const disk = await lab.open();
    await rm(join(lab.dir, 'incoming'), { recursive: true });
    await writeFile(join(lab.dir, 'incoming'), 'a file where a directory should be');
    const errors = await Promise.all([
      disk.blobs.put(newBlob(), noise(10), undefined).catch((reason: unknown) => reason),
      disk.blobs.stage(newBlob(), blockId(0), noise(10)).catch((reason: unknown) => reason),
    ]);
    for (const error of errors) {
      expect(error).toBeInstanceOf(Unavailable);
      expect(error).toMatchObject({ cause: { code: 'ENOTDIR' } });
    }
  });
});

function home(at: BlobName): string {
  return join(lab.dir, 'content', at.registry, at.name.slice(-2));
}

async function blockFiles(at: BlobName): Promise<string[]> {
  return await readdir(join(home(at), `${at.name}.blocks`));
}

async function readAll(blobs: Blobs, at: BlobName): Promise<Uint8Array> {
  const source = await blobs.read(at);
  if (!source) throw new Error('the blob is absent');
  return await gather(source);
}

/** Files below `dir` that this process holds open, as Linux tells. */
async function openFilesUnder(dir: string): Promise<string[]> {
  const handles = await readdir('/proc/self/fd');
  const files = await Promise.all(
    handles.map((handle) => readlink(`/proc/self/fd/${handle}`).catch(() => '')),
  );
  return files.filter((file) => file.startsWith(dir));
}
