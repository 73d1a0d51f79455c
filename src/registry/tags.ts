import type { Cause } from '../events/event.ts';
import { parseDigest } from '../model/digest.ts';
import type { Repository, Tag } from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import { type TagRow, repositoryKey, repositoryPartition, tagKey, tagOfKey } from '../model/record.ts';
import type { Context } from '../store/context.ts';
import { ifMatch, ifPresent, remove } from '../store/records.ts';
import { commitChange } from './commit.ts';
import { unknownManifest } from './manifests.ts';
import { askable, fallbackRemoval } from './referrers.ts';

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

/** Removes a tag; its manifest stays and is told. Throws MANIFEST_UNKNOWN. One read, one write. */
export async function deleteTag(
  ctx: Context,
  repository: Repository,
  tag: Tag,
  cause: Cause,
): Promise<{ readonly digest: string }> {
  let removed = { digest: '' };
  await commitChange(ctx, repository, cause, async () => {
    const found = await ctx.records.get(tagKey(repository, tag), ['digest', 'mediaType', 'size']);
    if (!found) throw unknownManifest(repository, { kind: 'tag', tag });
    const { digest, mediaType, size } = found.value;
    removed = { digest };
    return {
      event: { action: 'untag', digest, tags: [tag], mediaType, size },
      writes: () => [
        remove(tagKey(repository, tag), ifMatch(found.etag)),
        remove(tagOfKey(repository, parseDigest(digest), tag), ifPresent),
        ...fallbackRemoval(repository, tag),
      ],
    };
  });
  return removed;
}
