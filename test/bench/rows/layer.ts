import type { Bench, Contender } from '../bench.ts';
import { freshLayer, pushLayer } from '../content.ts';
import type { Layer, PushWay } from '../content.ts';
import type { Column } from '../contenders.ts';
import type { Figure } from '../table.ts';

const repository = 'bench/layer';
const mebibyte = 1024 * 1024;

/** Megabytes a second of one big layer, pushed as docker and as containerd do it, and pulled. */
export async function layerRows(bench: Bench): Promise<Figure[]> {
  const mebibytes = bench.quick ? 128 : 512;
  const rounds = bench.quick ? 1 : 2;
  const layers: { patch: Layer; put: Layer }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    layers.push({ patch: freshLayer(mebibytes * mebibyte), put: freshLayer(mebibytes * mebibyte) });
  }
  const warm = freshLayer(16 * mebibyte);
  const warmed = new Set<Column>();
  const title = `of one layer of ${mebibytes} MiB`;
  bench.say(`push and pull ${title}`);
  const measures = [
    { title: `push ${title}: one chunked PATCH, as docker`, unit: 'MB/s', better: 'more' },
    { title: '… processor time, server and emulator', unit: 's/GiB', better: 'less' },
    { title: `push ${title}: one PUT, as containerd`, unit: 'MB/s', better: 'more' },
    { title: `pull ${title}, through the registry`, unit: 'MB/s', better: 'more' },
    { title: '… processor time, server and emulator', unit: 's/GiB', better: 'less' },
    { title: `pull ${title}, by redirect`, unit: 'MB/s', better: 'more' },
  ] as const;
  bench.note(
    "distribution's redirects name https whatever the emulator speaks, so over plain HTTP it pulls through the registry alone.",
  );
  return await bench.compare(measures, rounds, async (column, round) => {
    const layer = layers[round];
    if (layer === undefined) throw new Error('no such round');
    const contender = await bench.contender(column, 'proxy');
    if (!warmed.has(column)) await push(contender, warm, 'patch');
    warmed.add(column);
    const perGibibyte = async (since: number): Promise<number> =>
      ((await bench.processor(column, contender)) - since) * (1024 / mebibytes);
    let since = await bench.processor(column, contender);
    const patched = [await push(contender, layer.patch, 'patch'), await perGibibyte(since)];
    const put = await push(contender, layer.put, 'put');
    since = await bench.processor(column, contender);
    const pulled = [await pull(contender, layer.patch), await perGibibyte(since)];
    return [...patched, put, ...pulled, await pullByRedirect(bench, column, layer.patch)];
  });
}

async function pullByRedirect(bench: Bench, column: Column, layer: Layer): Promise<number | string> {
  if (column !== 'ours-azurite') return '–';
  return await pull(await bench.contender(column, 'redirect'), layer);
}

async function push(contender: Contender, layer: Layer, way: PushWay): Promise<number> {
  const started = performance.now();
  await pushLayer(contender.client, repository, layer, way);
  return layer.size / 1000 / (performance.now() - started);
}

async function pull(contender: Contender, layer: Layer): Promise<number> {
  const started = performance.now();
  const bytes = await contender.client.drain(`/v2/${repository}/blobs/${layer.digest}`);
  if (bytes !== layer.size) throw new Error(`pulled ${bytes} of ${layer.size} bytes`);
  return layer.size / 1000 / (performance.now() - started);
}
