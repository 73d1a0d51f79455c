import type { RegistryName, Repository, RepositoryName } from '../../model/names.ts';
import { type RepositoryRow, encodeName, repositoryKey } from '../../model/record.ts';
import { stampTime } from '../../model/stamp.ts';
import { listRepositories } from '../../registry/repositories.ts';
import type { Context } from '../../store/context.ts';
import { type RepositoryUsageRow, readRepositoryRows, repositoryUsageKey } from './rows.ts';

/** What a repository stores. */
export interface RepositoryUsage {
  /** Bytes of its blobs and manifests: as measured, and what pushes brought since. */
  readonly bytes: number;
  /** Of those that no other repository has, when that was measured; undefined when it never was. */
  readonly unique: number | undefined;
  /** In milliseconds since 1970. */
  readonly measured: number | undefined;
}

/** A repository in a list of them all. */
export interface RepositoryUsageEntry extends RepositoryUsage {
  readonly name: RepositoryName;
  readonly manifests: number;
  readonly tags: number;
  /** Of the last push, in milliseconds since 1970. */
  readonly updated: number;
}

/** Repositories on a page, all read at once. */
const PAGE = 64;

/** What was measured of a repository; undefined when it never was. One call. */
export async function findMeasured(
  ctx: Context,
  { registry, name }: Repository,
): Promise<RepositoryUsageRow | undefined> {
  return (await ctx.records.get(repositoryUsageKey(registry, encodeName(name))))?.value;
}

/** What a repository stores, by its own row and by what was measured of it. */
export function usageOf(
  { created, grown }: Pick<RepositoryRow, 'created' | 'grown'>,
  found: RepositoryUsageRow | undefined,
): RepositoryUsage {
  // Measured was another one of this name, which is gone.
  if (found?.created !== created) return { bytes: grown, unique: undefined, measured: undefined };
  const { bytes, unique, measured } = found;
  // One that was restored begins anew to grow.
  return { bytes: bytes + Math.max(0, grown - found.grown), unique, measured };
}

/**
 * What repositories store, a page by name after `last`, and the name where the next page begins. One call per
 * repository on the page, all at once, beside one; one before.
 */
export async function listRepositoryUsages(
  ctx: Context,
  registry: RegistryName,
  last: string,
): Promise<{ readonly entries: readonly RepositoryUsageEntry[]; readonly next: string | undefined }> {
  const { names, more } = await listRepositories(ctx, registry, last, PAGE);
  const end = names.at(-1);
  const [first] = names;
  if (first === undefined || end === undefined) return { entries: [], next: undefined };
  const [measured, rows] = await Promise.all([
    readRepositoryRows(ctx, registry, { from: encodeName(first), through: encodeName(end) }),
    Promise.all(names.map((name) => ctx.records.get(repositoryKey({ registry, name })))),
  ]);
  const entries = names.flatMap((name, i): RepositoryUsageEntry[] => {
    const row = rows[i]?.value;
    // Deleted since the names were read.
    if (!row) return [];
    const { manifests, tags } = row;
    const usage = usageOf(row, measured.get(encodeName(name)));
    return [{ name, ...usage, manifests, tags, updated: stampTime(row.updated) }];
  });
  return { entries, next: more ? end : undefined };
}
