import type { Repository } from '../../model/names.ts';
import { type RepositoryRow, rowsUnder } from '../../model/record.ts';
import type { Context } from '../../store/context.ts';
import { readRange } from '../../store/paging.ts';

/**
 * What a repository holds: its row tells, but for one that was written before rows did, which is counted now. To be
 * called after the row was read. No call; one per 1,000 manifests and tags for such an old one.
 */
export async function countsOf(
  ctx: Context,
  repository: Repository,
  { manifests, tags, grown = 0 }: Partial<RepositoryRow>,
): Promise<Pick<RepositoryRow, 'manifests' | 'tags' | 'grown'>> {
  if (manifests !== undefined && tags !== undefined) return { manifests, tags, grown };
  const [ofManifests, ofTags] = await Promise.all(
    ['m!', 't!'].map(async (kind) => await countRows(ctx, repository, kind)),
  );
  return { manifests: ofManifests ?? 0, tags: ofTags ?? 0, grown };
}

async function countRows(ctx: Context, repository: Repository, kind: string): Promise<number> {
  const range = { ...rowsUnder(repository, kind), select: [] };
  return (await readRange<object>(ctx, range)).length;
}
