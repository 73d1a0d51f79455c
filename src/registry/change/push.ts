import type { Cause } from '../../events/event.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import { type Manifest, packDigests, referencesOf, referrerDescriptor } from '../../model/manifest.ts';
import { type Repository, type Tag, referrersTagSubject } from '../../model/names.ts';
import { isLocked } from '../../model/policy/locks.ts';
import { QUARANTINED, isHeld } from '../../model/policy/quarantine.ts';
import type { Policy } from '../../model/policy/policy.ts';
import { Problem } from '../../model/problem.ts';
import {
  INLINE_LIMIT,
  type ManifestRow,
  type RepositoryRow,
  type StoredBytes,
  type TagRow,
  deletedManifestKey,
  fallbackKey,
  manifestKey,
  referrerKey,
  repositoryKey,
  tagKey,
  tagOfKey,
} from '../../model/record.ts';
import { type Stamp, stampTime } from '../../model/stamp.ts';
import type { Context } from '../../store/context.ts';
import { timedId } from '../../store/ids.ts';
import {
  type Found,
  type Write,
  always,
  ifAbsent,
  ifMatch,
  ifPresent,
  merge,
  put,
  remove,
} from '../../store/records.ts';
import { discardBytes, physicalName } from '../blobs.ts';
import { type References, checkBlobs, checkChildren, relyOnThose } from '../references.ts';
import { type Plan, commitChange, demandRoom, demandWritable, disallowed } from './commit.ts';
import { judgeUntagged } from './untagged.ts';

/** Tags that one push may set: with their rows they must fit one transaction. The specification wants at least 10. */
export const TAG_LIMIT = 20;
/** Rows that they may change: four each, five for a referrers tag. */
const TAG_ROWS = 94;

/** Names of blobs that hold manifests begin with this. */
export const MANIFEST_PREFIX = 'm-';
const FIELDS = ['digest', 'mediaType', 'size', 'phys', 'quarantine'] as const;

interface Current {
  readonly repository: Found<RepositoryRow> | undefined;
  readonly manifest: Found<ManifestRow> | 'unread' | undefined;
  /** The manifest is not there, and can be restored. */
  readonly deleted: boolean;
  readonly tags: readonly { readonly tag: Tag; readonly found: Found<TagRow> | undefined }[];
}

interface Push {
  readonly ctx: Context;
  readonly repository: Repository;
  readonly manifest: Manifest;
  readonly tags: readonly Tag[];
  readonly policy: Policy;
}

/**
 * Stores a manifest and points `tags` at it, in one transaction with its references, its referrer entry and its
 * event: all of it becomes visible, or nothing. Repeating it changes nothing but times.
 * Throws MANIFEST_BLOB_UNKNOWN, TOO_MANY_TAGS; DISALLOWED when the repository or a tag is locked, when storage is used
 * up, or when the manifest was deleted and can be restored. One read per blob and two more, all at once, then one per
 * child, all at once, then one write; two more on a repository's first manifest, two more when the manifest is there
 * already under another tag, or one more at once with the others where it is `known` to be; where soft delete is on,
 * two reads more at once with the others, and one in quarantine.
 */
export async function putManifest(
  ctx: Context,
  repository: Repository,
  manifest: Manifest,
  tags: readonly Tag[],
  policy: Policy,
  cause: Cause,
  known = false,
): Promise<void> {
  const rows = tags.reduce((sum, tag) => sum + (referrersTagSubject(tag) ? 5 : 4), 0);
  if (tags.length > TAG_LIMIT || rows > TAG_ROWS) throw new Problem('TOO_MANY_TAGS', { limit: TAG_LIMIT });
  demandRoom(policy);
  const push = { ctx, repository, manifest, tags, policy };
  const likely = known || manifest.bytes.length > INLINE_LIMIT;
  const [references, first] = await Promise.all([
    checkBlobs(ctx, repository, manifest.blobs),
    readCurrent(push, likely),
    relyOnThose(ctx, repository, manifest.foreign),
  ]);
  checkAllowed(push, first);
  let own: StoredBytes | undefined;
  let used: StoredBytes | undefined;
  let present = true;
  let moved = false;
  try {
    await commitChange(ctx, repository, cause, async (again) => {
      const current = again ? await readCurrent(push, true) : first;
      checkAllowed(push, current);
      await checkChildren(ctx, repository, manifest.children);
      // A large manifest that is there already is not stored twice: all rows of it name the same bytes.
      used = knownBytes(current.manifest) ?? (own ??= await storeBytes(ctx, repository, manifest));
      present = isPresent(push, current);
      const losers = untagged(push, current);
      moved = losers.length > 0;
      return planPush(push, used, current, references, present, losers);
    });
  } catch (error) {
    // Only what surely did not happen may be undone; after a lost answer the bytes may be in use.
    if (error instanceof Problem) await dropBytes(ctx, repository, own, manifest.digest);
    throw error;
  }
  if (!present) ctx.grew(repository.registry, manifest.bytes.length);
  if (used !== own) await dropBytes(ctx, repository, own, manifest.digest);
  if (moved) await judgeUntagged(ctx, repository, policy);
}

async function readCurrent(
  { ctx, repository, manifest: { digest }, tags, policy }: Push,
  withManifest: boolean,
): Promise<Current> {
  const keeps = policy.softDeleteDays !== undefined;
  const [found, manifest, kept, ...rows] = await Promise.all([
    ctx.records.get(repositoryKey(repository)),
    withManifest || keeps || policy.quarantine || tags.length === 0
      ? ctx.records.get(manifestKey(repository, digest), FIELDS)
      : ('unread' as const),
    keeps ? ctx.records.get(deletedManifestKey(repository, digest), []) : undefined,
    ...tags.map((tag) => ctx.records.get(tagKey(repository, tag), ['digest', 'created', 'locks', 'pulled'])),
  ]);
  const deleted = kept !== undefined && manifest === undefined;
  return { repository: found, manifest, deleted, tags: tags.map((tag, i) => ({ tag, found: rows[i] })) };
}

/** Throws DISALLOWED. */
function checkAllowed({ manifest }: Push, { repository, deleted, tags }: Current): void {
  demandWritable(repository);
  if (deleted) throw disallowed('this manifest was deleted: restore it instead');
  for (const { tag, found } of tags) {
    if (isLocked(found?.value, 'write')) throw disallowed(`the tag ${tag} is locked`);
    if (repository?.value.writeOnce && found && found.value.digest !== manifest.digest) {
      throw disallowed(`the tag ${tag} is there, and tags of this repository are written once`);
    }
  }
}

function knownBytes(manifest: Current['manifest']): StoredBytes | undefined {
  if (!manifest || manifest === 'unread' || manifest.value.phys === undefined) return undefined;
  const { digest, mediaType, size, phys } = manifest.value;
  return { digest, mediaType, size, phys };
}

/** What rows say of a manifest; its bytes are stored first where they are too large for a row. */
export async function storeBytes(
  ctx: Context,
  repository: Repository,
  manifest: Pick<Manifest, 'digest' | 'mediaType' | 'bytes'>,
): Promise<StoredBytes> {
  const { digest, mediaType, bytes } = manifest;
  const info = { digest, mediaType, size: bytes.length };
  if (bytes.length <= INLINE_LIMIT) return { ...info, body: bytes };
  const phys = `${MANIFEST_PREFIX}${timedId(ctx)}`;
  await ctx.blobs.put(physicalName(repository, phys), bytes, digest);
  return { ...info, phys };
}

/** Takes back what `storeBytes` did, when it is sure that nothing names it. Never throws. */
export async function dropBytes(
  ctx: Context,
  repository: Repository,
  row: StoredBytes | undefined,
  digest: Digest,
): Promise<void> {
  if (row?.phys !== undefined) await discardBytes(ctx, physicalName(repository, row.phys), digest);
}

/** `losers`: the writes for manifests that lose a tag. */
function planPush(
  push: Push,
  bytes: StoredBytes,
  current: Current,
  references: References,
  present: boolean,
  losers: readonly Write[],
): Plan {
  const { repository, manifest, tags, policy } = push;
  const { digest, mediaType, subject } = manifest;
  const held = isHeld(policy, stateOf(current.manifest));
  const size = manifest.bytes.length;
  return {
    repository: current.repository,
    more: {
      manifests: present ? 0 : 1,
      tags: current.tags.filter(({ found }) => !found).length,
      grown: references.bytesSince(current.repository?.value.updated) + (present ? 0 : size),
    },
    set: (stamp) => ({ updated: stamp }),
    events: [{ action: held ? 'quarantine' : 'push', digest, tags, mediaType, size }],
    writes: (stamp) => [
      writeManifest(push, bytes, current, present, stamp),
      ...current.tags.flatMap(({ tag, found }) => writeTag(push, tag, bytes, found, stamp)),
      ...losers,
      ...(subject ? [writeReferrer(repository, subject, manifest)] : []),
    ],
  };
}

function stateOf(manifest: Current['manifest']): string | undefined {
  return manifest === 'unread' ? undefined : manifest?.value.quarantine;
}

function isPresent({ manifest }: Push, current: Current): boolean {
  // A tag of ours that points here proves the row without reading it.
  return current.manifest === 'unread'
    ? current.tags.some(({ found }) => found?.value.digest === manifest.digest)
    : current.manifest !== undefined;
}

function writeManifest(
  { repository, manifest, policy }: Push,
  bytes: StoredBytes,
  { manifest: found }: Current,
  present: boolean,
  stamp: Stamp,
): Write {
  const key = manifestKey(repository, manifest.digest);
  if (present) {
    // Bytes that it names are written into rows of tags: it must name them still.
    const read = found && found !== 'unread' && bytes.phys !== undefined;
    // From before the policy: now a scanner sees it.
    const unjudged = policy.quarantine && stateOf(found) === undefined;
    const row = { stamp, ...(unjudged && { quarantine: QUARANTINED }) };
    return merge(key, row, read ? ifMatch(found.etag) : ifPresent);
  }
  const refs = packDigests(referencesOf(manifest));
  const row: ManifestRow = {
    ...bytes,
    created: stampTime(stamp),
    stamp,
    ...(manifest.subject && { subject: manifest.subject }),
    ...(refs.length <= INLINE_LIMIT && { refs }),
    ...(policy.quarantine && { quarantine: QUARANTINED }),
  };
  return put(key, row, ifAbsent);
}

function writeTag(
  { repository }: Push,
  tag: Tag,
  bytes: StoredBytes,
  found: Found<TagRow> | undefined,
  stamp: Stamp,
): Write[] {
  const { created = stampTime(stamp), locks, pulled } = found?.value ?? {};
  const row: TagRow = { ...bytes, created, stamp, ...(locks && { locks }), ...(pulled && { pulled }) };
  return pointTag(repository, tag, row, found);
}

/** The writes that make `row` the tag's, which is as it was `found`: two to four. */
export function pointTag(
  repository: Repository,
  tag: Tag,
  row: TagRow,
  found: Found<Pick<TagRow, 'digest'>> | undefined,
): Write[] {
  const { created: _, pulled: __, locks, stamp, ...bytes } = row;
  const before = found?.value.digest;
  const subject = referrersTagSubject(tag);
  const locked = isLocked({ locks }, 'delete', 'write');
  return [
    put(tagKey(repository, tag), row, found ? ifMatch(found.etag) : ifAbsent),
    put(tagOfKey(repository, parseDigest(row.digest), tag), { stamp, ...(locked && { locked }) }, always),
    ...(before !== undefined && before !== row.digest
      ? [remove(tagOfKey(repository, parseDigest(before), tag), ifPresent)]
      : []),
    ...(subject ? [put(fallbackKey(repository, subject), { ...bytes, stamp }, always)] : []),
  ];
}

/** Manifests that lose a tag by this push. */
function untagged({ ctx, repository, manifest: { digest } }: Push, { tags }: Current): Write[] {
  const left = new Set(tags.flatMap(({ found }) => found?.value.digest ?? []));
  left.delete(digest);
  return [...left].map((before) =>
    merge(manifestKey(repository, parseDigest(before)), { untagged: ctx.now() }, ifPresent),
  );
}

/** The entry of a referrer, as lists of referrers show it; `hidden` where its manifest is hidden from lists. */
export function writeReferrer(
  repository: Repository,
  subject: Digest,
  manifest: Manifest,
  hidden = false,
): Write {
  const descriptor = Buffer.from(referrerDescriptor(manifest));
  const { artifactType } = manifest;
  const row = {
    ...(artifactType && artifactType.length <= 1024 && { artifactType }),
    ...(descriptor.length <= INLINE_LIMIT && { descriptor }),
    ...(hidden && { hidden }),
  };
  // Pushed again, it stays hidden.
  return merge(referrerKey(repository, subject, manifest.digest), row, always);
}
