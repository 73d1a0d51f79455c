import type { RegistryName, RepositoryName } from '../model/names.ts';
import { isRepositoryName } from '../model/names.ts';
import { type CatalogRow, catalogPartition, encodeText } from '../model/record.ts';
import type { Context } from '../store/context.ts';
import { readListed } from './locks.ts';

/** The next `limit` repository names after `last`, in byte order, hidden ones among them. One call per 1,000 names. */
export async function listRepositories(
  ctx: Context,
  registry: RegistryName,
  last: string,
  limit: number,
): Promise<{ readonly names: readonly RepositoryName[]; readonly more: boolean }> {
  if (limit === 0) return { names: [], more: false };
  const page = await ctx.records.range<CatalogRow>({
    ...namesAfter(registry, last),
    limit,
    select: ['name'],
  });
  return { names: page.rows.map(({ value }) => value.name).filter(isRepositoryName), more: page.more };
}

/** A page of the catalog: the names that are not hidden, and the one after which the next page begins, if there is any. */
export async function listCatalog(
  ctx: Context,
  registry: RegistryName,
  last: string,
  limit: number,
): Promise<{ readonly names: readonly RepositoryName[]; readonly next: string | undefined }> {
  if (limit === 0) return { names: [], next: undefined };
  const { rows, end } = await readListed<CatalogRow>(
    ctx,
    { ...namesAfter(registry, last), limit, select: ['name', 'hidden'] },
    ({ hidden = false }) => hidden,
  );
  return { names: rows.map(({ value }) => value.name).filter(isRepositoryName), next: end?.value.name };
}

function namesAfter(registry: RegistryName, last: string) {
  const partition = catalogPartition(registry);
  return { table: 'repos', partition, from: keyAfter(last), before: '~' } as const;
}

/** The first key that may follow `last`, a name or any printable ASCII: names sort by byte, and so do their keys. */
export function keyAfter(last: string): string {
  const [known = ''] = /^[a-z0-9_./-]*/.exec(last) ?? [];
  const next = last.charAt(known.length);
  // `!` comes before, and `-` is the first of, all that names are made of.
  return encodeText(known) + (next < '-' ? '!' : next);
}
