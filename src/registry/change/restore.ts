import type { Cause } from '../../events/event.ts';
import { type Digest, algorithmOf, parseDigest } from '../../model/digest.ts';
import { type Manifest, parseManifest } from '../../model/manifest.ts';
import type { Repository, Tag } from '../../model/names.ts';
import { isLocked } from '../../model/policy/locks.ts';
import type { Policy } from '../../model/policy/policy.ts';
import { Problem } from '../../model/problem.ts';
import {
  type DeletedManifestRow,
  type DeletedRepositoryRow,
  type DeletedTagRow,
  type ManifestRow,
  type RepositoryRow,
  type StoredBytes,
  type TagRow,
  deletedManifestKey,
  deletedRepositoryKey,
  deletedTagPrefix,
  manifestKey,
  repositoryKey,
  repositoryPartition,
  tagKey,
} from '../../model/record.ts';
import type { Stamp } from '../../model/stamp.ts';
import type { Context } from '../../store/context.ts';
import {
  type Found,
  type Write,
  ifAbsent,
  ifMatch,
  ifPresent,
  merge,
  put,
  remove,
} from '../../store/records.ts';
import { readStored } from '../blobs.ts';
import { unknownManifest } from '../manifests.ts';
import { type References, checkBlobs, relyOnLink } from '../references.ts';
import { type Keep, keepDeleted } from './bin.ts';
import { type Plan, alignCatalog, commitChange, demandWritable, disallowed } from './commit.ts';
import { dropBytes, pointTag, storeBytes, writeReferrer } from './push.ts';

/** Deletions of one tag that its restoration forgets; it keeps fewer rows from the transaction's hundred. */
const FORGOTTEN = 50;
const PAGE = 1000;

/** What is to be restored. */
export interface Restoration {
  readonly digest: Digest;
  /** One of the tags that were taken from it; undefined for the manifest alone. */
  readonly tag: Tag | undefined;
  /** Takes the tag away from the manifest that has it now. */
  readonly force: boolean;
}

interface Current {
  readonly repository: Found<RepositoryRow> | undefined;
  /** What it was when something was last deleted in it; read where it is gone. */
  readonly gone: DeletedRepositoryRow | undefined;
  readonly manifest: Found<ManifestRow> | undefined;
  readonly deleted: Found<DeletedManifestRow> | undefined;
  readonly tag: Found<TagRow> | undefined;
  /** When the tag was taken from this manifest, in order. */
  readonly deletions: readonly Found<DeletedTagRow>[];
}

/** A deleted manifest that can be there again. */
interface Revived {
  readonly manifest: Manifest;
  readonly row: ManifestRow;
  readonly references: References;
}

/**
 * Brings back a deleted manifest, a tag that was taken from it, or both, in one transaction; what is there already is
 * left as it is. Children of an index stay deleted. Throws MANIFEST_UNKNOWN; TAG_UNKNOWN where the tag was not taken
 * from this manifest; DISALLOWED when the repository or the tag is locked; CONFLICT where another manifest has the tag
 * and `force` is not set, or while the subject of the manifest is not there; MANIFEST_BLOB_UNKNOWN when a blob of it
 * was deleted by itself. Five reads at once, one for each blob and the subject, one write; two more beyond 60 KiB, five
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
}

interface Copier {
  readonly make: (manifest: Manifest) => Promise<StoredBytes>;
  /** Deletes the copy, if one was made and is not the one used. */
  readonly drop: (used: string | undefined) => Promise<void>;
}

/**
 * Bytes that lie outside of rows are stored anew, once: collection spares those that are young, and may have found the
 * old ones to be nobody's between the row that named them and the one that will.
 */
function copier(ctx: Context, repository: Repository): Copier {
  let made: { readonly digest: Digest; readonly bytes: StoredBytes } | undefined;
  return {
    async make(manifest) {
      made ??= { digest: manifest.digest, bytes: await storeBytes(ctx, repository, manifest) };
      return made.bytes;
    },
    async drop(used) {
      if (made && made.bytes.phys !== used) await dropBytes(ctx, repository, made.bytes, made.digest);
    },
  };
}

async function readCurrent(
  ctx: Context,
  repository: Repository,
  { digest, tag }: Restoration,
): Promise<Current> {
  const [found, manifest, deleted, pointed, deletions] = await Promise.all([
    ctx.records.get(repositoryKey(repository)),
    ctx.records.get(manifestKey(repository, digest)),
    ctx.records.get(deletedManifestKey(repository, digest)),
    tag === undefined ? undefined : ctx.records.get(tagKey(repository, tag)),
    tag === undefined ? [] : readDeletions(ctx, repository, tag),
  ]);
  const gone = found ? undefined : await ctx.records.get(deletedRepositoryKey(repository));
  return {
    repository: found,
    gone: gone?.value,
    manifest,
    deleted,
    tag: pointed,
    deletions: deletions.filter(({ value }) => value.digest === digest),
  };
}

/** One call per 1,000. */
async function readDeletions(ctx: Context, repository: Repository, tag: Tag) {
  const prefix = deletedTagPrefix(tag);
  const found: Found<DeletedTagRow>[] = [];
  for (let from = prefix; ;) {
    const page = await ctx.records.range<DeletedTagRow>({
      table: 'repos',
      partition: repositoryPartition(repository),
      from,
      before: `${prefix}~`,
      limit: PAGE,
    });
    // One by one: a list of arguments has a limit.
    for (const row of page.rows) found.push(row);
    const end = page.rows.at(-1)?.row;
    if (!page.more || end === undefined) return found;
    from = `${end}!`;
  }
}

/** Whether the tag is to be written. */
function checkAllowed(
  repository: Repository,
  { digest, tag, force }: Restoration,
  { repository: owner, manifest, deleted, tag: found, deletions }: Current,
): { readonly moves: boolean } {
  demandWritable(owner);
  if (!manifest && !deleted) throw unknownManifest(repository, { kind: 'digest', digest });
  if (tag === undefined || found?.value.digest === digest) return { moves: false };
  if (deletions.length === 0) {
    const message = 'no such tag was taken from this manifest, or not so lately';
    throw new Problem('TAG_UNKNOWN', { Tag: tag, Revision: digest }, { message });
  }
  if (!found) return { moves: true };
  if (isLocked(found.value, 'write')) throw disallowed(`the tag ${tag} is locked`);
  if (owner?.value.writeOnce) {
    throw disallowed(`the tag ${tag} is there, and tags of this repository are written once`);
  }
  if (!force) {
    const message = 'another manifest has this tag: it loses it when the restoration is forced';
    throw new Problem('CONFLICT', { Tag: tag, Revision: found.value.digest }, { message });
  }
  return { moves: true };
}

async function revive(
  ctx: Context,
  repository: Repository,
  row: DeletedManifestRow,
  copy: Copier,
): Promise<Revived> {
  const { deleted: _, ...kept } = row;
  const bytes = await readStored(ctx, repository, kept);
  const manifest = parseManifest(bytes, kept.mediaType, algorithmOf(parseDigest(kept.digest)));
  const { blobs, foreign, subject } = manifest;
  const [references, there] = await Promise.all([
    checkBlobs(ctx, repository, blobs),
    subject && ctx.records.get(manifestKey(repository, subject), []),
    relyOnThose(ctx, repository, foreign),
  ]);
  if (subject && !there) {
    const message = 'what this manifest refers to as its subject must be restored before';
    throw new Problem('CONFLICT', { Subject: subject }, { message });
  }
  const stored = kept.phys === undefined ? undefined : await copy.make(manifest);
  return { manifest, row: { ...kept, ...stored }, references };
}

/** Those that are there; none need be. */
async function relyOnThose(ctx: Context, repository: Repository, digests: readonly Digest[]): Promise<void> {
  for (const digest of digests) await relyOnLink(ctx, repository, digest);
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
