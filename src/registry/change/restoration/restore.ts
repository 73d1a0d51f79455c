import type { Cause } from '../../../events/event.ts';
import { parseDigest } from '../../../model/digest.ts';
import type { Repository, Tag } from '../../../model/names.ts';
import { isLocked } from '../../../model/policy/locks.ts';
import type { Policy } from '../../../model/policy/policy.ts';
import { Problem } from '../../../model/problem.ts';
import {
  type ManifestRow,
  type RepositoryRow,
  deletedManifestKey,
  manifestKey,
} from '../../../model/record.ts';
import type { Stamp } from '../../../model/stamp.ts';
import type { Context } from '../../../store/context.ts';
import { type Write, ifAbsent, ifMatch, ifPresent, merge, put, remove } from '../../../store/records.ts';
import { type Keep, keepDeleted } from '../bin.ts';
import { type Plan, alignCatalog, commitChange } from '../commit.ts';
import { pointTag, writeReferrer } from '../push.ts';
import { judgeUntagged } from '../untagged.ts';
import { type Current, type Restoration, checkAllowed, readCurrent } from './current.ts';
import { type Revived, copier, revive } from './revive.ts';

/** Deletions of one tag that its restoration forgets; it keeps fewer rows from the transaction's hundred. */
const FORGOTTEN = 50;

/**
 * Brings back a deleted manifest, a tag that was taken from it, or both, in one transaction; what is there already is
 * left as it is. Children of an index stay deleted. Throws MANIFEST_UNKNOWN; TAG_UNKNOWN where the tag was not taken
 * from this manifest; DISALLOWED when the repository or the tag is locked; CONFLICT where another manifest has the tag
 * and `force` is not set, or while the subject of the manifest is not there; MANIFEST_BLOB_UNKNOWN when a blob of it
 * was deleted by itself. Five reads at once, one for each blob and the subject, one write; two more beyond 60 KiB, three
 * more where the repository was gone.
 */
export async function restoreManifest(
  ctx: Context,
  repository: Repository,
  wanted: Restoration,
  policy: Policy,
  cause: Cause,
): Promise<void> {
  const copy = copier(ctx, repository);
  let used: string | undefined;
  let hidden = false;
  let overwrites = false;
  try {
    await commitChange(ctx, repository, cause, async () => {
      used = undefined;
      const current = await readCurrent(ctx, repository, wanted);
      const { moves } = checkAllowed(repository, wanted, current);
      if (!current.deleted && !moves) return undefined;
      const { deleted, manifest } = current;
      const revived = deleted && !manifest ? await revive(ctx, repository, deleted.value, copy) : undefined;
      used = revived?.row.phys;
      hidden = isLocked(current.gone, 'list');
      overwrites = moves && current.tag !== undefined;
      const keep = await keepOverwritten(ctx, repository, wanted, current, policy);
      return planRestore(ctx, repository, moves ? wanted.tag : undefined, current, revived, keep);
    });
  } catch (error) {
    // Only what surely did not happen may be undone; after a lost answer the bytes may be in use.
    if (error instanceof Problem) await copy.drop(undefined);
    throw error;
  }
  await copy.drop(used);
  if (hidden) await alignCatalog(ctx, repository);
  if (overwrites) await judgeUntagged(ctx, repository, policy);
}

/** The tag that another manifest loses can be restored, too. */
async function keepOverwritten(
  ctx: Context,
  repository: Repository,
  { digest, tag }: Restoration,
  current: Current,
  policy: Policy,
): Promise<Keep> {
  const loses = current.tag && current.tag.value.digest !== digest;
  if (!current.repository || tag === undefined || !loses) return () => [];
  return await keepDeleted(ctx, repository, current.repository.value, policy, { manifests: [], tags: [tag] });
}

/** `tag`: the one to be written. */
function planRestore(
  ctx: Context,
  repository: Repository,
  tag: Tag | undefined,
  current: Current,
  revived: Revived | undefined,
  keep: Keep,
): Plan | undefined {
  const row = revived?.row ?? current.manifest?.value;
  if (!row) return undefined;
  const { deleted, deletions, repository: before } = current;
  const { mediaType, size } = row;
  const digest = parseDigest(row.digest);
  return {
    repository: before,
    more: {
      manifests: revived ? 1 : 0,
      tags: tag === undefined || current.tag ? 0 : 1,
      // Where it was not deleted as a whole, the repository counts them still.
      grown: revived && !before ? revived.references.bytesSince(undefined) + size : 0,
    },
    set: (stamp) => ({ updated: stamp, ...settingsOf(current) }),
    events: [{ action: 'restore', digest, tags: tag === undefined ? [] : [tag], mediaType, size }],
    writes: (stamp) => [
      ...(revived ? writeRevived(ctx, repository, revived, stamp) : []),
      ...(deleted ? [remove(deletedManifestKey(repository, digest), ifMatch(deleted.etag))] : []),
      ...(tag === undefined ? [] : writeTag(ctx, repository, tag, row, current, stamp)),
      // They were read beside the repository; a purge takes them away without changing it.
      ...deletions
        .slice(-FORGOTTEN)
        .map(({ row: key }) => ({ op: 'delete', row: key, condition: ifPresent }) as const),
      ...keep(stamp),
    ],
  };
}

/** A repository that comes back is what it was. */
function settingsOf({ gone }: Current): Partial<RepositoryRow> {
  if (!gone) return {};
  const { created, locks, writeOnce } = gone;
  return { created, ...(locks && { locks }), ...(writeOnce && { writeOnce }) };
}

function writeRevived(
  ctx: Context,
  repository: Repository,
  { manifest, row }: Revived,
  stamp: Stamp,
): Write[] {
  const { digest, subject } = manifest;
  // The retention of untagged manifests begins anew.
  const untagged = row.untagged === undefined ? {} : { untagged: ctx.now() };
  return [
    put(manifestKey(repository, digest), { ...row, ...untagged, stamp }, ifAbsent),
    ...(subject ? [writeReferrer(repository, subject, manifest, isLocked(row, 'list'))] : []),
  ];
}

function writeTag(
  ctx: Context,
  repository: Repository,
  tag: Tag,
  { digest, mediaType, size, body, phys }: ManifestRow,
  { manifest, tag: found, deletions }: Current,
  stamp: Stamp,
): Write[] {
  const { created = ctx.now(), locks, pulled } = deletions.at(-1)?.value ?? {};
  const bytes = { digest, mediaType, size, ...(body && { body }), ...(phys !== undefined && { phys }) };
  const row = { ...bytes, created, stamp, ...(locks && { locks }), ...(pulled !== undefined && { pulled }) };
  const loser = found && found.value.digest !== digest ? parseDigest(found.value.digest) : undefined;
  return [
    ...pointTag(repository, tag, row, found),
    // It must still name the bytes that the tag's row has a copy of.
    ...(manifest
      ? [merge(manifestKey(repository, parseDigest(digest)), { stamp }, ifMatch(manifest.etag))]
      : []),
    ...(loser ? [merge(manifestKey(repository, loser), { untagged: ctx.now() }, ifPresent)] : []),
  ];
}
