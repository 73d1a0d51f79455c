import type { Repository } from '../model/names.ts';
import type { Lockable } from '../model/policy/locks.ts';
import { type RepositoryRow, repositoryKey } from '../model/record.ts';
import { stampTime } from '../model/stamp.ts';
import type { Context } from '../store/context.ts';
import { unknownRepository } from './rows.ts';

/** Times in milliseconds since 1970. */
export interface RepositoryEntry extends Lockable {
  readonly created: number;
  /** Of the last push. */
  readonly updated: number;
  readonly manifests: number;
  readonly tags: number;
  /** Bytes that pushes brought here so far; never falls. */
  readonly grown: number;
  /** Tags, once set, keep their manifest. */
  readonly writeOnce: boolean;
}

/** A repository with its counts. Throws NAME_UNKNOWN. One call. */
export async function showRepository(ctx: Context, repository: Repository): Promise<RepositoryEntry> {
  const found = await ctx.records.get(repositoryKey(repository));
  if (!found) throw unknownRepository(repository);
  return repositoryEntry(found.value);
}

export function repositoryEntry(row: RepositoryRow): RepositoryEntry {
  const { created, updated, manifests, tags, grown, locks, writeOnce = false } = row;
  return { created, updated: stampTime(updated), manifests, tags, grown, locks, writeOnce };
}
