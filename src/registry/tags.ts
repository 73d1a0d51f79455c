import type { Repository } from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import { type TagRow, repositoryKey, repositoryPartition } from '../model/record.ts';
import type { Context } from '../store/context.ts';
import { askable } from './referrers.ts';

/**
 * The next `limit` tags after `last`, in byte order. Throws NAME_UNKNOWN when there is no such repository.
 * One call per 1,000 tags; one more when there is none.
 */
export async function listTags(
  ctx: Context,
  repository: Repository,
  last: string,
  limit: number,
): Promise<{ readonly tags: readonly string[]; readonly more: boolean }> {
  const page =
    limit === 0
      ? { rows: [], more: false }
      : await ctx.records.range<TagRow>({
          table: 'repos',
          partition: repositoryPartition(repository),
          // `!` sorts before whatever a tag may hold: the first key that is not `last`.
          from: last === '' ? 't!' : `t!${askable(last)}!`,
          before: 't~',
          limit,
          select: [],
        });
  if (page.rows.length === 0 && !(await ctx.records.get(repositoryKey(repository), []))) {
    throw new Problem('NAME_UNKNOWN', { name: repository.name });
  }
  return { tags: page.rows.map(({ row }) => row.slice(2)), more: page.more };
}
