import type { Repository } from '../model/names.ts';
import { isLocked } from '../model/policy/locks.ts';
import { Problem } from '../model/problem.ts';
import { type TagRow, repositoryKey, repositoryPartition } from '../model/record.ts';
import type { Context } from '../store/context.ts';
import { type Listed, readListed } from './locks.ts';
import { askable } from './referrers.ts';

/**
 * The next `limit` tags after `last` that are not hidden, in byte order, and the one after which the next page begins, if
 * there is any. Throws NAME_UNKNOWN when there is no such repository.
 * One call per 1,000 tags; one more when there is none.
 */
export async function listTags(
  ctx: Context,
  repository: Repository,
  last: string,
  limit: number,
): Promise<{ readonly tags: readonly string[]; readonly next: string | undefined }> {
  const { rows, end } =
    limit === 0 ? { rows: [], end: undefined } : await readTags(ctx, repository, last, limit, ['locks']);
  if (rows.length === 0 && !(await ctx.records.get(repositoryKey(repository), []))) {
    throw new Problem('NAME_UNKNOWN', { name: repository.name });
  }
  return { tags: rows.map(({ row }) => row.slice(2)), next: end?.row.slice(2) };
}

/** Rows of the next `limit` tags after `last` that are not hidden; `select` must name `locks`. */
export async function readTags(
  ctx: Context,
  repository: Repository,
  last: string,
  limit: number,
  select: readonly (keyof TagRow)[],
): Promise<Listed<TagRow>> {
  const range = {
    table: 'repos',
    partition: repositoryPartition(repository),
    // `!` sorts before whatever a tag may hold: the first key that is not `last`.
    from: last === '' ? 't!' : `t!${askable(last)}!`,
    before: 't~',
    limit,
    select,
  } as const;
  return await readListed<TagRow>(ctx, range, (row) => isLocked(row, 'list'));
}
