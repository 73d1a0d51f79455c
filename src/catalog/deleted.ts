import { type RegistryName, type Repository, isRepositoryName } from '../model/names.ts';
import {
  DELETED_MANIFESTS,
  DELETED_TAGS,
  type DeletedManifestRow,
  type DeletedRepositoryRow,
  type DeletedTagRow,
  deletedPartition,
  deletedRepositoryKey,
  repositoryKey,
  repositoryPartition,
} from '../model/record.ts';
import { askable } from '../registry/referrers.ts';
import { keyAfter } from '../registry/repositories.ts';
import type { Context } from '../store/context.ts';
import type { Found } from '../store/records.ts';
import { inTurns, unknownRepository } from './rows.ts';

/** What was deleted and can be restored. Times in milliseconds since 1970. */
interface Deleted {
  readonly created: number;
  readonly deleted: number;
}

export interface DeletedManifest extends Deleted {
  readonly digest: string;
}

export interface DeletedTag extends Deleted {
  readonly tag: string;
  readonly digest: string;
}

export interface DeletedRepository extends Deleted {
  readonly name: string;
}

interface Page<T> {
  readonly entries: readonly T[];
  /** Where the next page begins; undefined on the last one. */
  readonly next: string | undefined;
}

interface Asked {
  /** 0 to 1,000. */
  readonly limit: number;
  /** `next` of the page before; '' for the start. */
  readonly last: string;
}

/** Names looked at together, and in one answer: most of those listed have been pushed to again. */
const LOOKS_AT_ONCE = 16;
const LOOKS = 1000;

/** Deleted manifests of a repository by digest. Throws NAME_UNKNOWN. One call; two more at once when there are none. */
export async function listDeletedManifests(
  ctx: Context,
  repository: Repository,
  { limit, last }: Asked,
): Promise<Page<DeletedManifest>> {
  const from = last === '' ? DELETED_MANIFESTS : `${DELETED_MANIFESTS}${askable(last)}!`;
  const page = await readPage<DeletedManifestRow>(ctx, repository, from, DELETED_MANIFESTS, limit);
  const entries = page.rows.map(({ row, value: { created, deleted } }) => ({
    digest: row.slice(DELETED_MANIFESTS.length),
    created,
    deleted,
  }));
  return { entries, next: page.more ? entries.at(-1)?.digest : undefined };
}

/**
 * Deleted tags of a repository by name, those of one name in the order of their deletion: `az` restores the last
 * one. Throws NAME_UNKNOWN. One call; two more at once when there are none.
 */
export async function listDeletedTags(
  ctx: Context,
  repository: Repository,
  { limit, last }: Asked,
): Promise<Page<DeletedTag>> {
  // Rows are `<tag>!<stamp>!<digest>`, places the first two of these; `!~` sorts behind any digest.
  const from = last === '' ? DELETED_TAGS : `${DELETED_TAGS}${askable(last)}!~`;
  const page = await readPage<DeletedTagRow>(ctx, repository, from, DELETED_TAGS, limit);
  const entries = page.rows.map(({ row, value: { digest, created, deleted } }) => {
    const [tag = '', stamp = ''] = row.slice(DELETED_TAGS.length).split('!');
    return { tag, place: `${tag}!${stamp}`, digest, created, deleted };
  });
  return { entries, next: page.more ? entries.at(-1)?.place : undefined };
}

/**
 * Repositories that are gone and have something to restore, by name. Fewer than asked for, even none, may come with a
 * place to go on. One call per 1,000 names and up to two for each, 16 at once.
 */
export async function listDeletedRepositories(
  ctx: Context,
  registry: RegistryName,
  { limit, last }: Asked,
): Promise<Page<DeletedRepository>> {
  if (limit === 0) return { entries: [], next: undefined };
  const page = await ctx.records.range<DeletedRepositoryRow>({
    table: 'repos',
    partition: deletedPartition(registry),
    from: keyAfter(last),
    before: '~',
    limit: LOOKS,
    select: ['name', 'created', 'deleted'],
  });
  const entries: DeletedRepository[] = [];
  for (let i = 0; i < page.rows.length; i += LOOKS_AT_ONCE) {
    const looked = page.rows.slice(i, i + LOOKS_AT_ONCE);
    const gone = await inTurns(looked, LOOKS_AT_ONCE, async ({ value }) =>
      (await isGone(ctx, registry, value.name)) ? [value] : [],
    );
    for (const entry of gone.flat()) {
      if (entries.length === limit) return { entries, next: entries.at(-1)?.name };
      entries.push(entry);
    }
  }
  return { entries, next: page.more ? page.rows.at(-1)?.value.name : undefined };
}

/** Whether nothing is there and something can be. One call or two. */
async function isGone(ctx: Context, registry: RegistryName, name: string): Promise<boolean> {
  if (!isRepositoryName(name)) return false;
  const repository = { registry, name };
  if (await ctx.records.get(repositoryKey(repository), [])) return false;
  return (await readRows(ctx, repository, DELETED_MANIFESTS, DELETED_MANIFESTS, 1)).rows.length > 0;
}

async function readPage<R extends Deleted>(
  ctx: Context,
  repository: Repository,
  from: string,
  prefix: string,
  limit: number,
): Promise<{ readonly rows: readonly Found<R>[]; readonly more: boolean }> {
  const page =
    limit === 0
      ? { rows: [], more: false }
      : await readRows<R>(ctx, repository, from, prefix, limit, ['digest', 'created', 'deleted']);
  if (page.rows.length === 0) await demandKnown(ctx, repository);
  return page;
}

async function readRows<R>(
  ctx: Context,
  repository: Repository,
  from: string,
  prefix: string,
  limit: number,
  select: readonly string[] = [],
) {
  const partition = repositoryPartition(repository);
  const before = `${prefix.slice(0, -1)}~`;
  return await ctx.records.range<R>({ table: 'repos', partition, from, before, limit, select });
}

/** Throws NAME_UNKNOWN where there neither is nor was such a repository. Two calls at once. */
async function demandKnown(ctx: Context, repository: Repository): Promise<void> {
  const found = await Promise.all([
    ctx.records.get(repositoryKey(repository), []),
    ctx.records.get(deletedRepositoryKey(repository), []),
  ]);
  if (found.every((row) => row === undefined)) throw unknownRepository(repository);
}
