import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openDisk } from '../../src/disk/open.ts';
import { digestOf } from '../../src/model/digest.ts';
import { Conflict, ifAbsent, ifMatch, type Properties, put, Unavailable } from '../../src/store/records.ts';
import { blockId, holds, newBlob } from '../support/blob-sample.ts';
import { type DiskLab, openDiskLab } from '../support/disk-lab.ts';
import { newKey, newKeys, writeOnce } from '../support/row-sample.ts';
import { noise } from '../support/sample.ts';

let lab: DiskLab;

beforeEach(async () => {
  lab = await openDiskLab();
});

afterEach(async () => {
  await lab.close();
});

describe('a directory', () => {
  test('keeps rows, etags, bytes, staged blocks and jobs over a restart', async () => {
    const first = await lab.open();
    const key = newKey();
    const [committed, staged] = [newBlob(), newBlob()];
    const bytes = noise(5000);
    const etag = await writeOnce(first.records, key, { text: 'kept', number: 2 ** 40 });
    await first.blobs.stage(committed, blockId(0), bytes);
    await first.blobs.commit(committed, [blockId(0)], digestOf(bytes));
    await first.blobs.stage(staged, blockId(1), bytes);
    const job = {
      kind: 'discard',
      registry: committed.registry,
      name: 'x',
      digest: digestOf(bytes),
    } as const;
    await first.work.send(job);

    const second = await lab.reopen(first);
    const value = { text: 'kept', number: 2 ** 40 };
    expect(await second.records.get(key)).toEqual({ row: key.row, value, etag });
    expect(await holds(second.blobs, committed, bytes)).toBe(true);
    expect(await second.blobs.stat(committed)).toEqual({ size: 5000, digest: digestOf(bytes) });
    expect(await second.blobs.staged(staged)).toEqual([blockId(1)]);
    expect(await second.blobs.commit(staged, [blockId(1)], undefined)).toBe('committed');
    expect((await second.work.receive(32, 30)).map((delivery) => delivery.body)).toEqual([job]);
  });

  test('never gives an etag twice, though all rows were deleted and it was opened again', async () => {
    const first = await lab.open();
    const key = newKey();
    const etag = await writeOnce(first.records, key, { a: 1 });
    await first.records.batch(key.table, key.partition, [
      { op: 'delete', row: key.row, condition: ifMatch(etag) },
    ]);
    const second = await lab.reopen(first);
    expect(await writeOnce(second.records, key, { a: 1 })).not.toBe(etag);
    const stale = put(key, { a: 2 }, ifMatch(etag));
    await expect(second.records.batch(key.table, key.partition, [stale])).rejects.toThrow(Conflict);
  });

  test('refuses a second opener with a message for a person, and serves the first on', async () => {
    const first = await lab.open();
    await expect(openDisk({ dir: lab.dir })).rejects.toThrow(/is in use by another process/);
    const key = newKey();
    await writeOnce(first.records, key, { a: 1 });
    const second = await lab.reopen(first);
    expect(await second.records.get(key)).toBeDefined();
  });

  test.each([
    [99, /a later version/],
    [1, /an earlier version/],
  ])('refuses data of version %d instead of spoiling it', async (version, message) => {
    await (await openDisk({ dir: lab.dir })).close();
    const database = new DatabaseSync(join(lab.dir, 'registry.sqlite'));
    database.exec(`PRAGMA user_version = ${version}`);
    database.close();
    await expect(openDisk({ dir: lab.dir })).rejects.toThrow(message);
  });

  test('is made when it is not there', async () => {
    const deep = join(lab.dir, 'not', 'yet', 'there');
    const disk = await openDisk({ dir: deep });
    lab.adopt(disk);
    expect(await readdir(deep)).toContain('registry.sqlite');
  });

  test('writes that come together are saved together, and each fails by itself', async () => {
    const disk = await lab.open();
    const keys = newKeys(50);
    const [taken] = keys;
    if (!taken) throw new Error('keys were made');
    await writeOnce(disk.records, taken, { before: true });
    const outcomes = await Promise.allSettled(
      keys.map((key) =>
        disk.records.batch(key.table, key.partition, [put<Properties>(key, { a: 1 }, ifAbsent)]),
      ),
    );
    expect(outcomes.map((outcome) => outcome.status)).toEqual(
      keys.map((key) => (key === taken ? 'rejected' : 'fulfilled')),
    );
    const again = await lab.reopen(disk);
    const found = await Promise.all(keys.map((key) => again.records.get(key)));
    expect(found.map((one) => one?.value)).toEqual(
      keys.map((key) => (key === taken ? { before: true } : { a: 1 })),
    );
  });

  test('a storage that was closed is unavailable', async () => {
    const disk = await lab.open();
    const key = newKey();
    await disk.close();
    await expect(disk.records.get(key)).rejects.toThrow(Unavailable);
    const write = disk.records.batch(key.table, key.partition, [put(key, { a: 1 }, ifAbsent)]);
    await expect(write).rejects.toThrow(Unavailable);
    await expect(disk.work.receive(1, 1)).rejects.toThrow(Unavailable);
  });
});
