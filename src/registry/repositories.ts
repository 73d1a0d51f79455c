import type { RegistryName, RepositoryName } from '../model/names.ts';
import { isRepositoryName } from '../model/names.ts';
import { type CatalogRow, catalogPartition, encodeName } from '../model/record.ts';
import type { Context } from '../store/context.ts';

/** The next `limit` repository names after `last`, in byte order. One call per 1,000 names. */
export async function listRepositories(
  ctx: Context,
  registry: RegistryName,
  last: string,
  limit: number,
): Promise<{ readonly names: readonly RepositoryName[]; readonly more: boolean }> {
  if (limit === 0) return { names: [], more: false };
  const page = await ctx.records.range<CatalogRow>({
    table: 'repos',
    partition: catalogPartition(registry),
    from: isRepositoryName(last) ? `${encodeName(last)}!` : encodePosition(last),
    before: '~',
    limit,
    select: ['name'],
  });
  return { names: page.rows.map(({ value }) => value.name).filter(isRepositoryName), more: page.more };
}

/** A position that is no name, cut to the longest prefix that keys can hold; names after it still come after. */
function encodePosition(last: string): string {
  const prefix = /^[a-z0-9_./-]{0,255}/.exec(last)?.[0] ?? '';
  return prefix.replace(/[-./]/g, (c) => (c === '-' ? ',' : c === '.' ? '-' : '.'));
}
