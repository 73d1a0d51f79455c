import { randomUUID } from 'node:crypto';
import type { Bench, Contender } from '../bench.ts';
import { freshLayer, inParallel, manifestOf, mediaType, pushLayer, pushManifest } from '../content.ts';
import type { Layer } from '../content.ts';
import type { Column } from '../contenders.ts';
import type { Figure } from '../table.ts';

const layerBytes = 64 * 1024;
const width = 5;

/** Seconds for an image of many small layers: what a push and a pull cost beside moving bytes. */
export async function layersRows(bench: Bench): Promise<Figure[]> {
  const count = bench.quick ? 40 : 200;
  const title = `of an image of ${count} layers of 64 KiB`;
  bench.say(`push and pull ${title}`);
  const measures = [
    { title: `push ${title}`, unit: 's', better: 'less' },
    { title: `pull ${title}, through the registry`, unit: 's', better: 'less' },
    { title: `pull ${title}, by redirect`, unit: 's', better: 'less' },
  ] as const;
  bench.note(
    `Images of small layers move ${width} layers at a time: HEAD, POST, PUT for each, then the manifest.`,
  );
  return await bench.compare(measures, bench.quick ? 1 : 3, async (column) => {
    const layers = Array.from({ length: count }, () => freshLayer(layerBytes));
    const contender = await bench.contender(column, 'proxy');
    const repository = `bench/layers-${randomUUID()}`;
    return [
      await push(contender, repository, layers),
      await pull(contender, repository, layers),
      await pullByRedirect(bench, column, repository, layers),
    ];
  });
}

async function push(contender: Contender, repository: string, layers: readonly Layer[]): Promise<number> {
  const { client } = contender;
  const started = performance.now();
  await inParallel(layers, width, async (layer) => {
    await client.call(`/v2/${repository}/blobs/${layer.digest}`, { method: 'HEAD', expect: [404] });
    await pushLayer(client, repository, layer, 'put');
  });
  await pushManifest(client, repository, 'v1', manifestOf(layers));
  return (performance.now() - started) / 1000;
}

async function pull(contender: Contender, repository: string, layers: readonly Layer[]): Promise<number> {
  const { client } = contender;
  const started = performance.now();
  await client.call(`/v2/${repository}/manifests/v1`, {
    method: 'GET',
    headers: { accept: mediaType },
    expect: [200],
  });
  await inParallel(layers, width, async (layer) => {
    const bytes = await client.drain(`/v2/${repository}/blobs/${layer.digest}`);
    if (bytes !== layer.size) throw new Error(`pulled ${bytes} of ${layer.size} bytes`);
  });
  return (performance.now() - started) / 1000;
}

async function pullByRedirect(
  bench: Bench,
  column: Column,
  repository: string,
  layers: readonly Layer[],
): Promise<number | string> {
  if (column !== 'ours-azurite') return '–';
  return await pull(await bench.contender(column, 'redirect'), repository, layers);
}
