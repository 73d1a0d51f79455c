import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import type { RegistryClient } from '../client.ts';
import { freshLayer, inParallel, manifestOf, mediaType, pushLayer, pushManifest } from '../content.ts';
import { distributionContainer } from '../contenders.ts';
import type { Column } from '../contenders.ts';
import { container } from '../storage.ts';
import type { Figure } from '../table.ts';

const repository = 'bench/tags';
const pageSize = 1000;

/** Seconds to list every tag of a big repository, a page of 1,000 at a time. */
export async function tagRows(bench: Bench): Promise<Figure[]> {
  const count = bench.quick ? 1000 : 10_000;
  const patience = bench.quick ? 20 : 40;
  const tags = Array.from({ length: count }, (_, index) => `v${String(index).padStart(5, '0')}`);
  const filled = new Set<Column>();
  const givenUp = new Map<Column, string>();
  bench.say(`list ${count} tags`);
  bench.note(
    `Tags are laid into the peers' storage directly (in distribution the link that a listing reads, in zot the index): ` +
      `pushing them one by one would take the time of all other rows. Ours are pushed. A listing is given up after ${patience} s.`,
  );
  return await bench.compare(
    [{ title: `list ${count.toLocaleString('en')} tags by pages of 1,000`, unit: 's', better: 'less' }],
    bench.quick ? 1 : 3,
    async (column) => {
      const { client } = await bench.contender(column);
      if (!filled.has(column)) {
        await fill(bench, column, client, tags);
        filled.add(column);
      }
      const listed = givenUp.get(column) ?? (await list(client, count, patience));
      if (typeof listed === 'string') givenUp.set(column, listed);
      return [listed];
    },
  );
}

async function list(client: RegistryClient, count: number, patience: number): Promise<number | string> {
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  let next: string | undefined = `/v2/${repository}/tags/list?n=${pageSize}`;
  let found = 0;
  while (next !== undefined) {
    const answer = await client.call(next, { method: 'GET', expect: [200] });
    const page: { tags?: string[] | null } = JSON.parse(answer.body.toString());
    found += page.tags?.length ?? 0;
    next = /<([^>]+)>/.exec(String(answer.headers.link ?? ''))?.[1];
    if (seconds() > patience) return `${found.toLocaleString('en')} in ${seconds().toFixed(0)}`;
  }
  if (found !== count) throw new Error(`listed ${found} of ${count} tags`);
  return seconds();
}

async function fill(
  bench: Bench,
  column: Column,
  client: RegistryClient,
  tags: readonly string[],
): Promise<void> {
  const layer = freshLayer(64);
  const manifest = manifestOf([layer]);
  await pushLayer(client, repository, layer, 'put');
  const digest = await pushManifest(client, repository, tags[0] ?? '', manifest);
  const rest = tags.slice(1);
  const started = performance.now();
  switch (column) {
    case 'ours-azurite':
    case 'ours-disk':
      await fillByPush(client, manifest, digest, rest);
      break;
    case 'distribution-azurite':
      await inParallel(rest, 16, async (tag) => {
        const blob = container(bench.emulator, distributionContainer).getBlockBlobClient(
          distributionLink(tag),
        );
        await blob.upload(digest, digest.length);
      });
      break;
    case 'distribution-disk': {
      const root = join(bench.ground.directory, column, 'data');
      await inParallel(rest, 16, async (tag) => {
        const link = join(root, distributionLink(tag));
        await mkdir(join(link, '..'), { recursive: true });
        await writeFile(link, digest);
      });
      break;
    }
    case 'zot-disk':
      await fillZot(join(bench.ground.directory, column, 'data', repository, 'index.json'), rest);
      break;
  }
  bench.say(`  ${column} filled in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

/** Several tags a request, as distribution-spec allows with `tag` parameters on a manifest's PUT. */
async function fillByPush(
  client: RegistryClient,
  manifest: Buffer,
  digest: string,
  tags: readonly string[],
): Promise<void> {
  const perRequest = 20;
  const starts = Array.from(
    { length: Math.ceil(tags.length / perRequest) },
    (_, index) => index * perRequest,
  );
  await inParallel(starts, 4, async (start) => {
    const query = tags
      .slice(start, start + perRequest)
      .map((tag) => `tag=${tag}`)
      .join('&');
    await client.call(`/v2/${repository}/manifests/${digest}?${query}`, {
      method: 'PUT',
      headers: { 'content-type': mediaType },
      body: manifest,
      expect: [201],
    });
  });
}

function distributionLink(tag: string): string {
  return `docker/registry/v2/repositories/${repository}/_manifests/tags/${tag}/current/link`;
}

async function fillZot(file: string, tags: readonly string[]): Promise<void> {
  const index: { manifests: Record<string, unknown>[] } = JSON.parse(await readFile(file, 'utf8'));
  const first = index.manifests[0];
  const named = tags.map((tag) => ({ ...first, annotations: { 'org.opencontainers.image.ref.name': tag } }));
  await writeFile(file, JSON.stringify({ ...index, manifests: [...index.manifests, ...named] }));
}
