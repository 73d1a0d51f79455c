import type { Stores } from '../../src/app/compose.ts';
import { parseManifest } from '../../src/model/manifest.ts';
import type { RegistryName } from '../../src/model/names.ts';
import { readTable } from './invariants.ts';
import { gather } from './sample.ts';

/**
 * What collection should have freed when nothing has happened for two days, one sentence each: links that no manifest
 * of their repository needs, content without links, names without rows, a catalog entry without a repository.
 */
export async function orphans(stores: Stores, registry: RegistryName): Promise<string[]> {
  const [blobs, repos] = await Promise.all([
    readTable(stores, 'blobs', registry),
    readTable(stores, 'repos', registry),
  ]);
  const found: string[] = [];
  const needed = new Set<string>();
  const named = new Set<string>();
  for (const [partition, rows] of repos) {
    const repository = partition.slice(registry.length + 1);
    for (const [row, value] of rows) {
      if (repository === '!catalog' && !repos.get(`${registry}!${row}`)?.has('!'))
        found.push(`the catalog lists ${row}, which is not there`);
      if (value.phys !== undefined) named.add(value.phys);
      if (!/^(z!)?m!/.test(row)) continue;
      const bytes = value.body ?? (await read(stores, registry, value.phys));
      const { blobs: own, foreign, children } = parseManifest(bytes, value.mediaType);
      for (const digest of [...own, ...foreign, ...children]) needed.add(`${digest}!${repository}`);
    }
  }
  for (const rows of blobs.values()) {
    const links = [...rows.keys()].filter((row) => row.includes('!'));
    if (links.length === 0) found.push(`${[...rows.keys()].join()} has no links`);
    found.push(...links.filter((row) => !needed.has(row)).map((row) => `nothing needs ${row}`));
    for (const { phys } of rows.values()) named.add(phys);
  }
  for (let cursor: string | undefined; ;) {
    const page = await stores.blobs.list(registry, 1000, cursor);
    const strays = page.blobs.filter(({ name }) => !named.has(name));
    found.push(...strays.map(({ name }) => `no row names ${name}`));
    cursor = page.cursor;
    if (cursor === undefined) return found;
  }
}

async function read({ blobs }: Stores, registry: RegistryName, name = ''): Promise<Uint8Array> {
  const source = await blobs.read({ registry, name });
  return source ? await gather(source) : new Uint8Array(0);
}
