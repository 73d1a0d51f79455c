import type { Repository } from '../../../model/names.ts';
import { catalogKey, repositoryKey } from '../../../model/record.ts';
import type { Context } from '../../../store/context.ts';
import { dropFromCatalog } from '../commit.ts';

/**
 * Takes the name of a repository that is not there out of the catalog: a deletion of its last manifest may have failed
 * just before it did. One call; two more where the name is listed.
 */
export async function dropHusk(ctx: Context, repository: Repository): Promise<void> {
  const listed = await ctx.records.get(catalogKey(repository), ['stamp']);
  // The name first, then the repository: a first push lists its name once more when the repository is there.
  if (!listed || (await ctx.records.get(repositoryKey(repository), []))) return;
  await dropFromCatalog(ctx, repository, listed);
}
