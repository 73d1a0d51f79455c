import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openAzure } from '../../src/azure/account.ts';
import { digestOf } from '../../src/model/digest.ts';
import { startAzurite } from '../../src/local/azurite.ts';
import { blockId, holds, newBlob } from '../support/blob-sample.ts';
import { newKey, writeOnce } from '../support/row-sample.ts';
import { freshName, noise } from '../support/sample.ts';

test('what was written before a stop is there after the next start', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'azurite-'));
  const key = newKey();
  const at = newBlob();
  const begun = { registry: at.registry, name: freshName() };
  const bytes = noise(100_000);

  const first = await startAzurite({ dir });
  const before = openAzure(first.options);
  await before.blobs.put(at, bytes, digestOf(bytes));
  await before.blobs.stage(begun, blockId(0), bytes);
  await before.work.send({ kind: 'discard', ...at, digest: digestOf(bytes) });
  const etag = await writeOnce(before.records, key, { kept: true });
  await first.stop();

  const second = await startAzurite({ dir });
  const after = openAzure(second.options);
  expect(await after.records.get(key)).toEqual({ row: key.row, value: { kept: true }, etag });
  expect(await holds(after.blobs, at, bytes)).toBe(true);
  expect(await after.blobs.commit(begun, [blockId(0)], undefined)).toBe('committed');
  expect((await after.work.receive(1, 10)).map((delivery) => delivery.body)).toMatchObject([at]);
  await second.stop();
  await rm(dir, { recursive: true });
});

test('accounts of other regions hold data of their own', async () => {
  const azurite = await startAzurite({ accounts: ['westus', 'eastus'] });
  const [west, east] = ['westus', 'eastus'].map((name) => openAzure(azurite.account(name)));
  if (!west || !east) throw new Error('two accounts were opened');
  const key = newKey();
  await writeOnce(west.records, key, { region: 'west' });
  await writeOnce(east.records, key, { region: 'east' });
  expect((await west.records.get(key))?.value).toEqual({ region: 'west' });
  expect((await east.records.get(key))?.value).toEqual({ region: 'east' });
  expect(await openAzure(azurite.options).records.get(key)).toBeUndefined();
  expect(() => azurite.account('northeu')).toThrow('northeu');
  await azurite.stop();
});

test('a port that is taken is an error, not a hang', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');
  await expect(startAzurite({ tablePort: address.port })).rejects.toThrow('EADDRINUSE');
  server.close();
});

test('a stop that is repeated is none', async () => {
  const azurite = await startAzurite();
  await Promise.all([azurite.stop(), azurite.stop()]);
  await expect(azurite.stop()).resolves.toBeUndefined();
});
