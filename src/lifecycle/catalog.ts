import { type RegistryName, type Repository, parseRepositoryName } from '../model/names.ts';
import { type CatalogRow, type RepositoryRow, catalogPartition, repositoryKey } from '../model/record.ts';
import { stampTime } from '../model/stamp.ts';
import { alignCatalog, listInCatalog } from '../registry/change/commit.ts';
import { dropHusk } from '../registry/change/removal/name.ts';
import type { Context } from '../store/context.ts';
import { type Found, type Page, merge } from '../store/records.ts';

const PAGE = 1000;
/** A first push lists its repository before it makes it. */
const FIRST_PUSH_MS = 3_600_000;

/**
 * Lists repositories that the catalog lacks, and drops from it what is none: a request that was killed between two
 * writes leaves either. Constant memory, since both come in the order of their names. Two calls per 1,000 repositories,
 * three to five for each repair.
 */
export async function repairCatalog(ctx: Context, registry: RegistryName): Promise<void> {
  const catalog = listed(ctx, registry);
  let entry = await catalog.next();
  const dropBefore = async (row: string) => {
    for (; !entry.done && entry.value.row < row; entry = await catalog.next()) {
      const { name, stamp } = entry.value.value;
      if (stampTime(stamp) > ctx.now() - FIRST_PUSH_MS) continue;
      await dropHusk(ctx, { registry, name: parseRepositoryName(name) });
    }
  };
  for await (const { row, name } of repositories(ctx, registry)) {
    await dropBefore(row);
    if (!entry.done && entry.value.row === row) entry = await catalog.next();
    else await listAgain(ctx, { registry, name: parseRepositoryName(name) });
  }
  await dropBefore('~');
}

async function listAgain(ctx: Context, repository: Repository): Promise<void> {
  if (!(await ctx.records.get(repositoryKey(repository), []))) return;
  await listInCatalog(ctx, repository, merge);
  await alignCatalog(ctx, repository);
}

type Listed = Pick<CatalogRow, 'name' | 'stamp'>;

async function* listed(ctx: Context, registry: RegistryName): AsyncGenerator<Found<Listed>, undefined> {
  const range = { table: 'repos', partition: catalogPartition(registry), before: '~', limit: PAGE } as const;
  for (let from: string | undefined = '!'; from !== undefined;) {
    const page: Page<Listed> = await ctx.records.range({ ...range, from, select: ['name', 'stamp'] });
    yield* page.rows;
    const last = page.rows.at(-1);
    from = page.more && last ? `${last.row}!` : undefined;
  }
  return undefined;
}

async function* repositories(
  ctx: Context,
  registry: RegistryName,
): AsyncGenerator<{ readonly row: string; readonly name: string }> {
  const partitions = { from: `${registry}!0`, before: `${registry}!~` };
  const scan = {
    table: 'repos',
    partitions,
    from: '!',
    before: '!!',
    limit: PAGE,
    select: ['name'],
  } as const;
  for (let cursor: string | undefined; ;) {
    const page = await ctx.records.scan<Pick<RepositoryRow, 'name'>>(
      cursor === undefined ? scan : { ...scan, cursor },
    );
    for (const { partition, value } of page.rows) {
      yield { row: partition.slice(registry.length + 1), name: value.name };
    }
    if (page.cursor === undefined) return;
    cursor = page.cursor;
  }
}
