import type { Bench, Contender } from '../bench.ts';
import { digestOf, freshLayer, manifestOf, mediaType, pushLayer, pushManifest } from '../content.ts';
import type { Layer } from '../content.ts';
import { columns } from '../contenders.ts';
import type { Column, Downloads } from '../contenders.ts';
import { measureRate } from '../rate.ts';
import type { Figure } from '../table.ts';

const repository = 'bench/requests';
const blobBytes = 4096;
const connections = 8;

interface Kind {
  readonly title: string;
  readonly method: 'GET' | 'HEAD';
  readonly path: string;
  readonly status: number;
  readonly downloads: Downloads;
  readonly among: readonly Column[];
}

/** Requests a second of the calls that a pull is made of, and the processor time that one costs. */
export async function requestRows(bench: Bench): Promise<Figure[]> {
  const layer = freshLayer(blobBytes);
  const manifest = manifestOf([layer]);
  const filled = new Set<Column>();
  const kinds = kindsOf(layer, manifest);
  const figures: Figure[] = [];
  for (const kind of kinds) {
    bench.say(kind.title);
    const measures = [
      { title: kind.title, unit: 'requests/s', better: 'more' },
      { title: '… processor time, server and emulator', unit: 'µs/request', better: 'less' },
    ] as const;
    const once = async (column: Column): Promise<number[]> => {
      const contender = await bench.contender(column, kind.downloads);
      if (!filled.has(column)) {
        await pushLayer(contender.client, repository, layer, 'put');
        await pushManifest(contender.client, repository, 'v1', manifest);
        filled.add(column);
      }
      return await measureOnce(bench, kind, column, contender);
    };
    figures.push(...(await bench.compare(measures, bench.quick ? 1 : 3, once, kind.among)));
  }
  bench.note(`Requests: ${connections} kept-alive connections; a blob of ${blobBytes} bytes.`);
  return figures;
}

function kindsOf(layer: Layer, manifest: Buffer): Kind[] {
  const digest = digestOf(manifest);
  return [
    {
      title: 'HEAD manifest by tag',
      method: 'HEAD',
      path: `/v2/${repository}/manifests/v1`,
      status: 200,
      downloads: 'redirect',
      among: columns,
    },
    {
      title: 'GET manifest by digest',
      method: 'GET',
      path: `/v2/${repository}/manifests/${digest}`,
      status: 200,
      downloads: 'redirect',
      among: columns,
    },
    {
      title: 'GET blob, answered by 307',
      method: 'GET',
      path: `/v2/${repository}/blobs/${layer.digest}`,
      status: 307,
      downloads: 'redirect',
      among: columns.filter((column) => column.endsWith('-azurite')),
    },
    {
      title: 'GET blob, answered by its bytes',
      method: 'GET',
      path: `/v2/${repository}/blobs/${layer.digest}`,
      status: 200,
      downloads: 'proxy',
      among: columns,
    },
  ];
}

async function measureOnce(
  bench: Bench,
  kind: Kind,
  column: Column,
  contender: Contender,
): Promise<number[]> {
  const order = {
    port: Number(new URL(contender.server.url).port),
    method: kind.method,
    path: kind.path,
    headers: { accept: kind.path.includes('/manifests/') ? mediaType : '*/*' },
    connections,
    status: kind.status,
  };
  await measureRate({ ...order, seconds: bench.quick ? 0.5 : 1 });
  const before = await bench.processor(column, contender);
  const report = await measureRate({ ...order, seconds: bench.quick ? 1.5 : 3 });
  const processor = (await bench.processor(column, contender)) - before;
  return [report.requests / report.seconds, (processor * 1e6) / report.requests];
}
