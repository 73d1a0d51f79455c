import type { RegistryName, RepositoryName } from '../model/names.ts';
import { isRepositoryName } from '../model/names.ts';
import { type CatalogRow, catalogPartition, encodeText } from '../model/record.ts';
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
    from: keyAfter(last),
    before: '~',
    limit,
    select: ['name'],
  });
  return { names: page.rows.map(({ value }) => value.name).filter(isRepositoryName), more: page.more };
}

/** The first key that may follow `last`, a name or any printable ASCII: names sort by byte, and so do their keys. */
export function keyAfter(last: string): string {
  const [known = ''] = /^[a-z0-9_./-]*/.exec(last) ?? [];
  const next = last.charAt(known.length);
  // `!` comes before, and `-` is the first of, all that names are made of.
  return encodeText(known) + (next < '-' ? '!' : next);
}
