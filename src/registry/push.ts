import type { Cause } from '../events/event.ts';
import { type Digest, parseDigest } from '../model/digest.ts';
import { type Manifest, packDigests, referrerDescriptor } from '../model/manifest.ts';
import { type Repository, type Tag, referrersTagSubject } from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import {
  INLINE_LIMIT,
  type ManifestRow,
  type RepositoryRow,
  type StoredBytes,
  type TagRow,
  catalogKey,
  fallbackKey,
  manifestKey,
  referrerKey,
  repositoryKey,
  tagKey,
  tagOfKey,
} from '../model/record.ts';
import type { Stamp } from '../model/stamp.ts';
import type { Context } from '../store/context.ts';
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
} from '../store/records.ts';
import { discardBytes, physicalName } from './blobs.ts';
import { commitChange } from './commit.ts';
import { checkReferences } from './manifests.ts';

/** Tags that one push may set: with their rows they must fit one transaction. The specification wants at least 10. */
export const TAG_LIMIT = 20;

interface Current {
  readonly repository: Found<RepositoryRow> | undefined;
  readonly manifest: Found<ManifestRow> | 'unread' | undefined;
  readonly tags: readonly { readonly tag: Tag; readonly found: Found<TagRow> | undefined }[];
}

/**
 * Stores a manifest and points `tags` at it, in one transaction with its references, its referrer entry and its
 * event: all of it becomes visible, or nothing. Repeating it changes nothing but times.
 * Throws MANIFEST_BLOB_UNKNOWN, TOO_MANY_TAGS. One read per reference and two more, all at once, then one write; one more on a
 * repository's first manifest, two more when the manifest is there already under another tag.
 */
export async function putManifest(
  ctx: Context,
  repository: Repository,
  manifest: Manifest,
  tags: readonly Tag[],
  cause: Cause,
): Promise<void> {
  if (tags.length > TAG_LIMIT) throw new Problem('TOO_MANY_TAGS', { limit: TAG_LIMIT });
  const large = manifest.bytes.length > INLINE_LIMIT;
  const [, first] = await Promise.all([
    checkReferences(ctx, repository, manifest),
    readCurrent(ctx, repository, manifest.digest, tags, large),
  ]);
  const known = knownBytes(first.manifest);
  const bytes = known ?? (await storeBytes(ctx, repository, manifest));
  try {
    await commitChange(ctx, repository, cause, async (again) => {
      const current = again ? await readCurrent(ctx, repository, manifest.digest, tags, true) : first;
      if (!current.repository) await listInCatalog(ctx, repository);
      const { digest, mediaType } = manifest;
      return {
        event: { action: 'push', digest, tags, mediaType, size: manifest.bytes.length },
        writes: (stamp) => planPush(ctx, repository, manifest, bytes, current, stamp),
      };
    });
  } catch (error) {
    // Only what surely did not happen may be undone; after a lost answer the bytes may be in use.
    if (error instanceof Problem && !known) await dropBytes(ctx, repository, bytes, manifest.digest);
    throw error;
  }
}

async function readCurrent(
  ctx: Context,
  repository: Repository,
  digest: Digest,
  tags: readonly Tag[],
  withManifest: boolean,
): Promise<Current> {
  const [found, manifest, ...rows] = await Promise.all([
    ctx.records.get(repositoryKey(repository)),
    withManifest || tags.length === 0
      ? ctx.records.get(manifestKey(repository, digest), ['digest', 'mediaType', 'size', 'phys'])
      : ('unread' as const),
    ...tags.map((tag) => ctx.records.get(tagKey(repository, tag), ['digest', 'created'])),
  ]);
  return { repository: found, manifest, tags: tags.map((tag, i) => ({ tag, found: rows[i] })) };
}

/** A row kept the bytes already: a large manifest is not stored twice. */
function knownBytes(manifest: Current['manifest']): StoredBytes | undefined {
  return manifest && manifest !== 'unread' && manifest.value.phys !== undefined ? manifest.value : undefined;
}

async function storeBytes(ctx: Context, repository: Repository, manifest: Manifest): Promise<StoredBytes> {
  const { digest, mediaType, bytes } = manifest;
  const info = { digest, mediaType, size: bytes.length };
  if (bytes.length <= INLINE_LIMIT) return { ...info, body: bytes };
  const phys = `m-${Buffer.from(ctx.random(16)).toString('hex')}`;
  await ctx.blobs.put(physicalName(repository, phys), bytes, digest);
  return { ...info, phys };
}

async function dropBytes(
  ctx: Context,
  repository: Repository,
  row: StoredBytes,
  digest: Digest,
): Promise<void> {
  if (row.phys !== undefined) await discardBytes(ctx, physicalName(repository, row.phys), digest);
}

/**
 * Before the repository exists, so that no repository is ever unlisted; a crash in between leaves a name without
 * content, which the next push fills.
 */
async function listInCatalog(ctx: Context, repository: Repository): Promise<void> {
  const key = catalogKey(repository);
  const row = { name: repository.name, stamp: ctx.stamp() };
  await ctx.records.batch(key.table, key.partition, [put(key, row, always)]);
}

function planPush(
  ctx: Context,
  repository: Repository,
  manifest: Manifest,
  bytes: StoredBytes,
  current: Current,
  stamp: Stamp,
): Write[] {
  const { digest, subject } = manifest;
  return [
    writeRepository(ctx, repository, current, stamp),
    writeManifest(ctx, repository, manifest, bytes, current, stamp),
    ...current.tags.flatMap(({ tag, found }) => writeTag(ctx, repository, tag, digest, bytes, found, stamp)),
    ...(subject ? [writeReferrer(repository, subject, manifest)] : []),
  ];
}

/** Rewritten by each push under its version, so that whoever locks the repository meanwhile makes the push start over. */
function writeRepository(ctx: Context, repository: Repository, current: Current, stamp: Stamp): Write {
  const key = repositoryKey(repository);
  return current.repository
    ? merge(key, { updated: stamp }, ifMatch(current.repository.etag))
    : put(key, { name: repository.name, created: ctx.now(), updated: stamp }, ifAbsent);
}

function writeManifest(
  ctx: Context,
  repository: Repository,
  manifest: Manifest,
  bytes: StoredBytes,
  current: Current,
  stamp: Stamp,
): Write {
  const key = manifestKey(repository, manifest.digest);
  // A tag of ours that points here proves the row without reading it.
  const present =
    current.manifest === 'unread'
      ? current.tags.some(({ found }) => found?.value.digest === manifest.digest)
      : current.manifest !== undefined;
  if (present) return merge(key, { stamp }, ifPresent);
  const refs = packDigests([...manifest.blobs, ...manifest.children]);
  const row: ManifestRow = {
    ...bytes,
    created: ctx.now(),
    stamp,
    ...(manifest.subject && { subject: manifest.subject }),
    ...(refs.length <= INLINE_LIMIT && { refs }),
  };
  return put(key, row, ifAbsent);
}

function writeTag(
  ctx: Context,
  repository: Repository,
  tag: Tag,
  digest: Digest,
  bytes: StoredBytes,
  found: Found<TagRow> | undefined,
  stamp: Stamp,
): Write[] {
  const row: TagRow = { ...bytes, created: found?.value.created ?? ctx.now(), stamp };
  const before = found?.value.digest;
  const subject = referrersTagSubject(tag);
  return [
    put(tagKey(repository, tag), row, found ? ifMatch(found.etag) : ifAbsent),
    put(tagOfKey(repository, digest, tag), { stamp }, always),
    ...(before !== undefined && before !== digest
      ? [remove(tagOfKey(repository, parseDigest(before), tag), ifPresent)]
      : []),
    ...(subject ? [put(fallbackKey(repository, subject), { ...bytes, stamp }, always)] : []),
  ];
}

function writeReferrer(repository: Repository, subject: Digest, manifest: Manifest): Write {
  const descriptor = Buffer.from(referrerDescriptor(manifest));
  const { artifactType } = manifest;
  const row = {
    ...(artifactType && artifactType.length <= 1024 && { artifactType }),
    ...(descriptor.length <= INLINE_LIMIT && { descriptor }),
  };
  return put(referrerKey(repository, subject, manifest.digest), row, always);
}
