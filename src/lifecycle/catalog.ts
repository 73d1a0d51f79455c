import { type RegistryName, type Repository, parseRepositoryName } from '../model/names.ts';
import { type CatalogRow, type RepositoryRow, catalogPartition, repositoryKey } from '../model/record.ts';
import { stampTime } from '../model/stamp.ts';
import { alignCatalog, listInCatalog } from '../registry/change/commit.ts';
import { dropHusk } from '../registry/change/removal/name.ts';
import type { Context } from '../store/context.ts';
import { rangePages, scanPages } from '../store/paging.ts';
import { type Found, merge } from '../store/records.ts';

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
  const pages = rangePages<Listed>(ctx, {
    table: 'repos',
    partition: catalogPartition(registry),
    from: '!',
    before: '~',
    select: ['name', 'stamp'],
  });
  for await (const { rows } of pages) yield* rows;
  return undefined;
}

async function* repositories(
  ctx: Context,
  registry: RegistryName,
): AsyncGenerator<{ readonly row: string; readonly name: string }> {
  const pages = scanPages<Pick<RepositoryRow, 'name'>>(ctx, {
    table: 'repos',
    partitions: { from: `${registry}!0`, before: `${registry}!~` },
    from: '!',
    before: '!!',
    select: ['name'],
  });
  for await (const { rows } of pages) {
    for (const { partition, value } of rows) {
      yield { row: partition.slice(registry.length + 1), name: value.name };
    }
  }
}
