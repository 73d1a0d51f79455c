import type { Digest } from '../model/digest.ts';
import type { Repository } from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import { type LinkRow, linkKey, manifestKey } from '../model/record.ts';
import { type Stamp, stampTime } from '../model/stamp.ts';
import type { Context } from '../store/context.ts';
import { Conflict, type Found, ifPresent, merge } from '../store/records.ts';

/**
 * Collection spares a link that somebody relied on within this time. It must be more than twice as long as the longest
 * push of a manifest: whoever relies on a link makes sure that it was touched within the last half of it, and its
 * manifest is there before the other half is over (storage-design section 7, "GC").
 */
export const GRACE_MS = 24 * 3_600_000;

/** References looked up at once: a manifest may name thousands. */
const CHECKS_AT_ONCE = 64;

/** What the references of a manifest turned out to be. */
export interface References {
  /** Bytes of those blobs that came to the repository after `since`. */
  readonly bytesSince: (since: Stamp | undefined) => number;
}

/**
 * Throws MANIFEST_BLOB_UNKNOWN naming each blob that the repository lacks. One call for each, all at once; one more for
 * a blob that nobody relied on for half a day, which keeps it from collection.
 */
export async function checkBlobs(
  ctx: Context,
  repository: Repository,
  blobs: readonly Digest[],
): Promise<References> {
  const links = await findAll(blobs, async (digest) => await relyOnLink(ctx, repository, digest));
  return {
    bytesSince: (since) =>
      links
        .filter(({ linked }) => since === undefined || linked > since)
        .reduce((sum, { size }) => sum + size, 0),
  };
}

/**
 * Throws MANIFEST_BLOB_UNKNOWN naming each manifest that an index lists and the repository lacks. One call for each,
 * all at once. To be called after the repository's row was read, which proves at commit that they are still there.
 * Where indexes may lack children none is demanded, and those that are blobs, as in build caches, are relied on.
 */
export async function checkChildren(
  ctx: Context,
  repository: Repository,
  children: readonly Digest[],
): Promise<void> {
  if (ctx.settings.sparseIndexes) return await relyOnThose(ctx, repository, children);
  await findAll(children, async (digest) => await ctx.records.get(manifestKey(repository, digest), []));
}

/** What was found for each digest. Throws MANIFEST_BLOB_UNKNOWN for those for which there is nothing. */
async function findAll<T>(
  digests: readonly Digest[],
  find: (digest: Digest) => Promise<T | undefined>,
): Promise<readonly T[]> {
  const found: T[] = [];
  const missing: { digest: Digest }[] = [];
  for (let i = 0; i < digests.length; i += CHECKS_AT_ONCE) {
    const slice = digests.slice(i, i + CHECKS_AT_ONCE);
    for (const [at, one] of (await Promise.all(slice.map(find))).entries()) {
      const digest = slice[at];
      if (one !== undefined) found.push(one);
      else if (digest) missing.push({ digest });
    }
  }
  if (missing.length > 0) throw new Problem('MANIFEST_BLOB_UNKNOWN', missing.slice(0, 100));
  return found;
}

/** Keeps from collection those of these blobs that are there; none need be. One call for each, seldom two. */
export async function relyOnThose(
  ctx: Context,
  repository: Repository,
  digests: readonly Digest[],
): Promise<void> {
  for (let i = 0; i < digests.length; i += CHECKS_AT_ONCE) {
    const slice = digests.slice(i, i + CHECKS_AT_ONCE);
    await Promise.all(slice.map(async (digest) => await relyOnLink(ctx, repository, digest)));
  }
}

/** The repository's link to a blob, kept from collection for half of GRACE_MS at least. One call, seldom two. */
export async function relyOnLink(
  ctx: Context,
  repository: Repository,
  digest: Digest,
): Promise<LinkRow | undefined> {
  const found = await ctx.records.get(linkKey(repository, digest));
  return found && (await refreshLink(ctx, repository, digest, found)) ? found.value : undefined;
}

/** Touches a link that was not touched for half of GRACE_MS; false when it is gone. No call, or one. */
async function refreshLink(
  ctx: Context,
  repository: Repository,
  digest: Digest,
  { value }: Found<LinkRow>,
): Promise<boolean> {
  if (ctx.now() - stampTime(value.touched) < GRACE_MS / 2) return true;
  const key = linkKey(repository, digest);
  try {
    await ctx.records.batch(key.table, key.partition, [merge(key, { touched: ctx.stamp() }, ifPresent)]);
    return true;
  } catch (error) {
    // Collected since it was read.
    if (error instanceof Conflict) return false;
    throw error;
  }
}
