import type { Repository } from '../model/names.ts';
import { repositoryKey } from '../model/record.ts';
import { stampTime } from '../model/stamp.ts';
import type { Context } from '../store/context.ts';
import { countRows, unknownRepository } from './rows.ts';

/** Times in milliseconds since 1970. */
export interface RepositoryEntry {
  readonly created: number;
  /** Of the last push. */
  readonly updated: number;
  readonly manifests: number;
  readonly tags: number;
}

/** A repository with its counts. Throws NAME_UNKNOWN. One call, and one per 1,000 manifests and per 1,000 tags. */
export async function showRepository(ctx: Context, repository: Repository): Promise<RepositoryEntry> {
  const [found, manifests, tags] = await Promise.all([
    ctx.records.get(repositoryKey(repository), ['created', 'updated']),
    countRows(ctx, repository, 'm!'),
    countRows(ctx, repository, 't!'),
  ]);
  if (!found) throw unknownRepository(repository);
  return { created: found.value.created, updated: stampTime(found.value.updated), manifests, tags };
}
