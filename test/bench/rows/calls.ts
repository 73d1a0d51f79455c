import { randomUUID } from 'node:crypto';
import type { Bench } from '../bench.ts';
import { RegistryClient } from '../client.ts';
import { freshLayer, manifestOf, mediaType, pushLayer, pushManifest, withDigest } from '../content.ts';
import { startContender } from '../contenders.ts';
import type { Column } from '../contenders.ts';
import { startCounter } from '../storage.ts';
import type { StorageCounter } from '../storage.ts';
import { median } from '../table.ts';
import type { Figure } from '../table.ts';

const titles = [
  'HEAD manifest by tag',
  'GET manifest by digest',
  'HEAD blob, absent',
  'GET blob, answered by 307',
  'POST upload',
  'PATCH of 1 MiB',
  'PUT closing an upload',
  'POST and PUT of 1 MiB, as containerd',
  'mount',
  'PUT manifest by tag, 2 blobs',
  'tags list, 100 tags',
  'DELETE tag',
  'DELETE manifest by digest, 2 tags',
] as const;

/** Requests that one API call makes to storage: the part of its cost that no machine makes cheaper. */
export async function callRows(bench: Bench): Promise<Figure[]> {
  bench.say('storage calls per API call');
  const measures = titles.map(
    (title) => ({ title: `storage calls: ${title}`, unit: 'calls', better: 'less' }) as const,
  );
  bench.note(
    'Storage calls are HTTP requests counted before Azurite, without the polling of queues; each is the median of three repeats, so caches are warm where there are any: distribution then redirects to a blob without looking whether it is still there.',
  );
  return await bench.compare(measures, 1, (column) => countCalls(bench, column), [
    'ours-azurite',
    'distribution-azurite',
  ]);
}

async function countCalls(bench: Bench, column: Column): Promise<number[]> {
  const counter = await startCounter(bench.emulator.ports);
  try {
    return await countBehind(bench, column, counter);
  } finally {
    await counter.close();
  }
}

async function countBehind(bench: Bench, column: Column, counter: StorageCounter): Promise<number[]> {
  const server = await startContender(bench.ground, column, 'redirect', counter.ports);
  const client = new RegistryClient(server.url);
  try {
    const rounds: Map<string, number>[] = [];
    for (let round = 0; round < 3; round += 1) rounds.push(await countOnce(client, counter));
    return titles.map((title) => median(rounds.map((counts) => counts.get(title) ?? Number.NaN)));
  } finally {
    client.close();
    await server.stop();
  }
}

async function countOnce(client: RegistryClient, counter: StorageCounter): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const count = async <T>(title: (typeof titles)[number], work: () => Promise<T>): Promise<T> => {
    counter.reset();
    const result = await work();
    counts.set(title, counter.count());
    return result;
  };
  const get = (path: string, method: 'GET' | 'HEAD' | 'DELETE', status: number) =>
    client.call(path, { method, headers: { accept: `${mediaType}, */*` }, expect: [status] });

  const repository = `bench/calls-${randomUUID()}`;
  const uploads = `/v2/${repository}/blobs/uploads/`;
  const [config, layer, whole] = [freshLayer(1024), freshLayer(1 << 20), freshLayer(1 << 20)];
  const manifest = manifestOf([config, layer]);
  await pushLayer(client, repository, config, 'put');
  // The first manifest of a repository costs more; count a later one.
  await pushManifest(client, repository, 'first', manifestOf([config]));

  const opened = await count('POST upload', () => client.call(uploads, { method: 'POST', expect: [202] }));
  const patched = await count('PATCH of 1 MiB', () =>
    client.call(opened.headers.location ?? '', {
      method: 'PATCH',
      headers: { 'content-type': 'application/octet-stream' },
      body: layer.pieces(),
      expect: [202],
    }),
  );
  const target = withDigest(patched.headers.location ?? '', layer.digest, client.url);
  await count('PUT closing an upload', () => client.call(target, { method: 'PUT', expect: [201] }));
  await count('POST and PUT of 1 MiB, as containerd', () => pushLayer(client, repository, whole, 'put'));
  await count('PUT manifest by tag, 2 blobs', () => pushManifest(client, repository, 'v1', manifest));

  const other = `bench/calls-${randomUUID()}`;
  const mount = `/v2/${other}/blobs/uploads/?mount=${layer.digest}&from=${repository}`;
  await count('mount', () => client.call(mount, { method: 'POST', expect: [201] }));
  await count('HEAD manifest by tag', () => get(`/v2/${repository}/manifests/v1`, 'HEAD', 200));
  const absent = freshLayer(32).digest;
  await count('HEAD blob, absent', () => get(`/v2/${repository}/blobs/${absent}`, 'HEAD', 404));
  await count('GET blob, answered by 307', () => get(`/v2/${repository}/blobs/${layer.digest}`, 'GET', 307));
  for (let tag = 2; tag < 100; tag += 1) await pushManifest(client, repository, `v${tag}`, manifest);
  await count('tags list, 100 tags', () => get(`/v2/${repository}/tags/list`, 'GET', 200));

  const doomed = manifestOf([config, layer], 'doomed');
  const digest = await pushManifest(client, repository, 'doomed', doomed);
  // The first pull of an hour is written down besides, after its answer; count a later one.
  await get(`/v2/${repository}/manifests/${digest}`, 'GET', 200);
  for (const tag of ['doomed-2', 'doomed-3']) await pushManifest(client, repository, tag, doomed);
  const manifests = `/v2/${repository}/manifests`;
  await count('GET manifest by digest', () => get(`${manifests}/${digest}`, 'GET', 200));
  await count('DELETE tag', () => get(`${manifests}/doomed-3`, 'DELETE', 202));
  await count('DELETE manifest by digest, 2 tags', () => get(`${manifests}/${digest}`, 'DELETE', 202));
  return counts;
}
