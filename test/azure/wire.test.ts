import { afterAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import type { Job } from '../../src/store/work.ts';
import { always, ifAbsent, ifMatch, ifPresent, merge, put, remove } from '../../src/store/records.ts';
import { openAzurite, type TestStorage } from '../support/azurite.ts';
import { blockId, holds, newBlob } from '../support/blob-sample.ts';
import { newKey, newKeys, writeOnce } from '../support/row-sample.ts';
import { freshName, freshRegistry, noise } from '../support/sample.ts';

const opened = openAzurite();

afterAll(async () => {
  await (await opened).close();
});

/** Requests that `run` caused; the account is prepared beforehand. */
async function count(storage: TestStorage, run: () => Promise<unknown>): Promise<number> {
  const before = storage.requests();
  await run();
  return storage.requests() - before;
}

async function linked(seconds: number): Promise<string> {
  const { blobs } = await opened;
  const at = newBlob();
  await blobs.put(at, Buffer.from('some bytes'), undefined);
  const link = await blobs.link(at, seconds);
  if (link === undefined) throw new Error('Azure has links');
  return link;
}

async function statusOf(url: string, init?: RequestInit): Promise<number> {
  const answer = await fetch(url, init);
  await answer.arrayBuffer();
  return answer.status;
}

describe('requests to storage', () => {
  test('each call on rows is one request', async () => {
    const storage = await opened;
    const { records } = storage;
    await storage.prepare([]);
    const [key, other] = newKeys(2);
    if (!key || !other) throw new Error('two keys were made');
    const { table, partition } = key;
    const counts = [
      await count(storage, () => records.batch(table, partition, [put(key, { a: 1 }, ifAbsent)])),
      await count(storage, () =>
        records.batch(table, partition, [merge(key, { b: 1 }, ifPresent), put(other, { a: 1 }, always)]),
      ),
      await count(storage, () => records.get(key)),
      await count(storage, () => records.range({ table, partition, from: '!', before: '~', limit: 999 })),
      await count(storage, () => records.range({ table, partition, from: '!', before: '~', limit: 1 })),
      await count(storage, () => records.scan({ table, from: '!', before: '~', limit: 10 })),
      await count(storage, () => records.batch(table, partition, [remove(key, ifPresent)])),
    ];
    expect(counts).toEqual(counts.map(() => 1));
  });

  test('each call on blobs is one request, and a link none', async () => {
    const storage = await opened;
    const { blobs } = storage;
    const at = newBlob();
    const whole = { registry: at.registry, name: freshName() };
    await storage.prepare([at.registry]);
    const digest = digestOf(Buffer.from('x'));
    const counts = {
      stage: await count(storage, () => blobs.stage(at, blockId(0), noise(100))),
      staged: await count(storage, () => blobs.staged(at)),
      commit: await count(storage, () => blobs.commit(at, [blockId(0)], digest)),
      repeated: await count(storage, () => blobs.commit(at, [blockId(0)], digest)),
      put: await count(storage, () => blobs.put(whole, noise(100), digest)),
      stat: await count(storage, () => blobs.stat(at)),
      read: await count(storage, () => holds(blobs, at, noise(100))),
      list: await count(storage, () => blobs.list(at.registry, 100)),
      link: await count(storage, () => blobs.link(at, 60)),
      delete: await count(storage, () => blobs.delete(at)),
    };
    expect(counts).toEqual({
      stage: 1,
      staged: 1,
      commit: 1,
      repeated: 1,
      put: 1,
      stat: 1,
      read: 1,
      list: 1,
      link: 0,
      delete: 1,
    });
  });

  test('each call on the queue is one request', async () => {
    const storage = await opened;
    await storage.prepare([]);
    const job: Job = {
      kind: 'discard',
      registry: freshRegistry(),
      name: freshName(),
      digest: digestOf(Buffer.from('x')),
    };
    expect(await count(storage, () => storage.work.send(job))).toBe(1);
    let deliveries: Awaited<ReturnType<typeof storage.work.receive>> = [];
    expect(
      await count(storage, async () => {
        deliveries = await storage.work.receive(1, 30);
      }),
    ).toBe(1);
    expect(await count(storage, () => Promise.all(deliveries.map((one) => one.done())))).toBe(1);
  });

  test('preparing an account that is prepared changes nothing', async () => {
    const storage = await opened;
    const key = newKey();
    const registry = freshRegistry();
    await storage.prepare([registry]);
    await writeOnce(storage.records, key, { a: 1 });
    await storage.prepare([registry, freshRegistry()]);
    expect((await storage.records.get(key))?.value).toEqual({ a: 1 });
  });
});

describe('links on the wire', () => {
  test('a link reads a blob, whole, in part and by HEAD', async () => {
    const link = await linked(60);
    expect(await (await fetch(link)).text()).toBe('some bytes');
    expect(await (await fetch(link, { headers: { range: 'bytes=5-' } })).text()).toBe('bytes');
    expect((await fetch(link, { method: 'HEAD' })).headers.get('content-length')).toBe('10');
  });

  test('an expired link is refused', async () => {
    expect(await statusOf(await linked(-1))).toBe(403);
  });

  test.each([
    ['overwrite the blob', 'PUT', ''],
    ['stage a block', 'PUT', '&comp=block&blockid=AAAA'],
    ['commit blocks', 'PUT', '&comp=blocklist'],
    ['change metadata', 'PUT', '&comp=metadata'],
    ['delete the blob', 'DELETE', ''],
  ])('a link cannot %s', async (_, method, query) => {
    const link = await linked(60);
    const body = method === 'PUT' ? '<?xml version="1.0" encoding="utf-8"?><BlockList/>' : null;
    const headers = { 'x-ms-blob-type': 'BlockBlob' };
    expect(await statusOf(`${link}${query}`, { method, headers, body })).toBe(403);
    expect(await (await fetch(link)).text()).toBe('some bytes');
  });

  test('a link opens neither another blob nor the list of blobs', async () => {
    const url = new URL(await linked(60));
    const { blobs } = await opened;
    const registry = url.pathname.split('/').at(-2) ?? '';
    const name = url.pathname.split('/').at(-1) ?? '';
    const other = newBlob();
    await blobs.put({ ...other, name }, Buffer.from('secret'), undefined);
    expect(await statusOf(url.href.replace(registry, other.registry))).toBe(403);
    expect(await statusOf(`${url.href.replace(`/${name}`, '')}&restype=container&comp=list`)).toBe(403);
  });

  test('a link whose life was lengthened by hand is refused', async () => {
    const url = new URL(await linked(60));
    url.searchParams.set('se', '2100-01-01T00:00:00Z');
    expect(await statusOf(url.href)).toBe(403);
  });

  test('a client that sends its registry token along with a link is refused, as by Azure', async () => {
    const link = await linked(60);
    expect(await statusOf(link, { headers: { authorization: 'Bearer x' } })).toBe(400);
  });

  test('the last bytes cannot be asked for by a suffix range, as on Azure', async () => {
    expect(await statusOf(await linked(60), { headers: { range: 'bytes=-5' } })).toBe(400);
  });
});

describe('batches on the wire', () => {
  test('rows that are already gone do not hold up a batch that deletes them in any state', async () => {
    const { records } = await opened;
    const [kept, gone, alsoGone, stale] = newKeys(4);
    if (!kept || !gone || !alsoGone || !stale) throw new Error('four keys were made');
    await writeOnce(records, stale, { a: 1 });
    const { table, partition } = kept;
    const writes = [remove(gone, always), put(kept, { a: 1 }, ifAbsent), remove(alsoGone, always)];

    // The index is that of the write as it was given, though earlier ones fell away.
    await expect(
      records.batch(table, partition, [...writes, put(stale, { a: 2 }, ifAbsent)]),
    ).rejects.toMatchObject({ name: 'Conflict', index: 3 });
    expect(await records.get(kept)).toBeUndefined();

    await records.batch(table, partition, writes);
    expect((await records.get(kept))?.value).toEqual({ a: 1 });
  });

  test('a delete under a stale etag in a batch is a conflict of its index', async () => {
    const { records } = await opened;
    const [key, other] = newKeys(2);
    if (!key || !other) throw new Error('two keys were made');
    const etag = await writeOnce(records, key, { a: 1 });
    await records.batch(key.table, key.partition, [put(key, { a: 2 }, ifMatch(etag))]);
    await expect(
      records.batch(key.table, key.partition, [put(other, { a: 1 }, always), remove(key, ifMatch(etag))]),
    ).rejects.toMatchObject({ name: 'Conflict', index: 1 });
    expect((await records.get(key))?.value).toEqual({ a: 2 });
    expect(await records.get(other)).toBeUndefined();
  });

  test('bytes that are a part of a larger memory are stored alone', async () => {
    const { records } = await opened;
    const key = newKey();
    const memory = noise(64);
    await writeOnce(records, key, { bytes: memory.subarray(16, 20) });
    expect((await records.get(key))?.value).toEqual({ bytes: memory.slice(16, 20) });
  });
});
