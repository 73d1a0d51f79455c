import { parseDigest } from '../model/digest.ts';
import type { Reference, Repository } from '../model/names.ts';
import { isLocked } from '../model/policy/locks.ts';
import { isHeld } from '../model/policy/quarantine.ts';
import type { Policy } from '../model/policy/policy.ts';
import { Problem } from '../model/problem.ts';
import {
  type Key,
  type ManifestRow,
  type StoredBytes,
  manifestKey,
  repositoryKey,
  tagKey,
} from '../model/record.ts';
import { stampTime } from '../model/stamp.ts';
import type { Context } from '../store/context.ts';
import { Conflict, ifPresent, merge } from '../store/records.ts';
import { readStored } from './blobs.ts';
import { disallowed } from './change/commit.ts';

/** What a stored manifest is, without its bytes. */
export interface ManifestInfo {
  readonly digest: string;
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
}

/** What reading a manifest depends on besides the repository. */
export interface Reading {
  readonly policy: Policy;
  /** May see manifests in quarantine. */
  readonly seesQuarantined: boolean;
}

/** How exactly the time of the last pull is known, in milliseconds: so seldom it costs a write. */
const PULL_MS = 3_600_000;

type Served = StoredBytes & Pick<ManifestRow, 'locks' | 'pulled' | 'quarantine' | 'stamp'>;

const INFO = ['digest', 'mediaType', 'size', 'locks', 'quarantine'] as const;

/**
 * A manifest as it was pushed; its pull is noted. Throws MANIFEST_UNKNOWN; DISALLOWED where a lock forbids reading, or
 * quarantine when it is asked for by digest. One call; two beyond 60 KiB; in a repository that the policy guards two
 * more, one of them after the first; in a registry that quarantines one more by tag. Once an hour one write, which the
 * answer does not wait for.
 */
export async function getManifest(
  ctx: Context,
  repository: Repository,
  reference: Reference,
  reading: Reading,
): Promise<ManifestInfo & { readonly bytes: Uint8Array }> {
  const found = await readServed(ctx, repository, reference, reading);
  const { digest, mediaType, size } = found;
  const bytes = await readStored(ctx, repository, found);
  notePull(ctx, repository, reference, found);
  return { digest, mediaType, size, bytes };
}

/** The same where it is no pull: nothing is noted. */
export async function readManifest(
  ctx: Context,
  repository: Repository,
  reference: Reference,
  reading: Reading,
): Promise<ManifestInfo & { readonly bytes: Uint8Array }> {
  const found = await readServed(ctx, repository, reference, reading);
  const { digest, mediaType, size } = found;
  return { digest, mediaType, size, bytes: await readStored(ctx, repository, found) };
}

/** What a HEAD needs. Throws as `getManifest`. One call; two more where the policy guards. */
export async function statManifest(
  ctx: Context,
  repository: Repository,
  reference: Reference,
  reading: Reading,
): Promise<ManifestInfo> {
  return await readServed(ctx, repository, reference, reading, INFO);
}

async function readServed(
  ctx: Context,
  repository: Repository,
  reference: Reference,
  reading: Reading,
  select?: typeof INFO,
): Promise<Served> {
  const { policy } = reading;
  const guarded = policy.guards(repository.name);
  const [found, owner] = await Promise.all([
    ctx.records.get(servedKey(repository, reference), select),
    guarded ? ctx.records.get(repositoryKey(repository), ['locks']) : undefined,
  ]);
  if (!found) throw unknownManifest(repository, reference);
  const served = found.value;
  if (isLocked(owner?.value, 'read')) throw disallowed('the repository is locked against reading');
  if (isLocked(served, 'read')) {
    throw disallowed(`the ${reference.kind === 'tag' ? 'tag' : 'manifest'} is locked against reading`);
  }
  if (guarded || policy.quarantine) await checkManifest(ctx, repository, reference, served, reading);
  return served;
}

/** Looks at the manifest's own row, where a tag's was read. One call then. */
async function checkManifest(
  ctx: Context,
  repository: Repository,
  reference: Reference,
  served: Served,
  { policy, seesQuarantined }: Reading,
): Promise<void> {
  const row = reference.kind === 'digest' ? served : await manifestOf(ctx, repository, served.digest);
  if (isLocked(row, 'read')) throw disallowed('the manifest is locked against reading');
  if (seesQuarantined || !isHeld(policy, row.quarantine)) return;
  // ACR: under its tag as if it were not there.
  throw reference.kind === 'tag'
    ? unknownManifest(repository, reference)
    : disallowed('the manifest is in quarantine');
}

async function manifestOf(
  ctx: Context,
  repository: Repository,
  digest: string,
): Promise<Pick<ManifestRow, 'locks' | 'quarantine'>> {
  const found = await ctx.records.get(manifestKey(repository, parseDigest(digest)), ['locks', 'quarantine']);
  return found?.value ?? {};
}

/**
 * Writes down, later, that a manifest was pulled, and its tag if it was pulled by that: at most once an hour. When a
 * hundred nodes pull one image, each instance writes once.
 */
function notePull(
  ctx: Context,
  repository: Repository,
  reference: Reference,
  { digest, pulled = 0, stamp }: Served,
): void {
  const now = ctx.now();
  // A tag that was pushed since may name another manifest now, of which nothing is noted.
  const moved = reference.kind === 'tag' && stampTime(stamp) >= pulled;
  if (now - pulled < PULL_MS && !moved) return;
  const { table, partition, row } = servedKey(repository, reference);
  const key = `${partition}!${row}!${digest}`;
  if (now - (ctx.pullCache.get(key) ?? 0) < PULL_MS) return;
  ctx.pullCache.set(key, now);
  const writes = [
    merge(manifestKey(repository, parseDigest(digest)), { pulled: now }, ifPresent),
    ...(reference.kind === 'tag'
      ? [merge(tagKey(repository, reference.tag), { pulled: now }, ifPresent)]
      : []),
  ];
  ctx.defer(async () => {
    try {
      await ctx.records.batch(table, partition, writes);
    } catch (error) {
      // Deleted since it was read.
      if (error instanceof Conflict) return;
      ctx.pullCache.delete(key);
      throw error;
    }
  });
}

export function unknownManifest(repository: Repository, reference: Reference): Problem {
  // Texts and details as ACR answers them.
  if (reference.kind === 'tag') {
    const message = `manifest tagged by "${reference.tag}" is not found`;
    return new Problem('MANIFEST_UNKNOWN', { Tag: reference.tag }, { message });
  }
  const detail = { Name: repository.name, Revision: reference.digest };
  return new Problem('MANIFEST_UNKNOWN', detail, { message: `manifest ${reference.digest} is not found` });
}

function servedKey(repository: Repository, reference: Reference): Key<Served> {
  return reference.kind === 'tag'
    ? tagKey(repository, reference.tag)
    : manifestKey(repository, reference.digest);
}
