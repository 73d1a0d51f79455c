import type { Cause } from '../events/event.ts';
import { type Digest, parseDigest } from '../model/digest.ts';
import type { Manifest } from '../model/manifest.ts';
import { type Reference, type Repository, type Tag, parseTag } from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import {
  type Key,
  type LinkRow,
  type ManifestRow,
  type StoredBytes,
  type TagOfRow,
  linkKey,
  manifestKey,
  referrerKey,
  repositoryPartition,
  tagKey,
  tagOfKey,
  tagOfPrefix,
} from '../model/record.ts';
import type { Context } from '../store/context.ts';
import { type Found, type Write, ifMatch, ifPresent, remove } from '../store/records.ts';
import { readStored } from './blobs.ts';
import { commitChange } from './commit.ts';
import { fallbackRemoval } from './referrers.ts';

/** Tags deleted in one transaction: up to three rows each, 100 rows at most. */
const TAGS_PER_BATCH = 32;
/** References looked up at once: a manifest may name thousands. */
const CHECKS_AT_ONCE = 64;

/** What a stored manifest is, without its bytes. */
export interface ManifestInfo {
  readonly digest: string;
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
}

/** A manifest as it was pushed. Throws MANIFEST_UNKNOWN. One call; two beyond 60 KiB. */
export async function getManifest(
  ctx: Context,
  repository: Repository,
  reference: Reference,
): Promise<ManifestInfo & { readonly bytes: Uint8Array }> {
  const found = await ctx.records.get(referenceKey(repository, reference));
  if (!found) throw unknownManifest(repository, reference);
  const { digest, mediaType, size } = found.value;
  return { digest, mediaType, size, bytes: await readStored(ctx, repository, found.value) };
}

/** What a HEAD needs. Throws MANIFEST_UNKNOWN. One call. */
export async function statManifest(
  ctx: Context,
  repository: Repository,
  reference: Reference,
): Promise<ManifestInfo> {
  const found = await ctx.records.get(referenceKey(repository, reference), ['digest', 'mediaType', 'size']);
  if (!found) throw unknownManifest(repository, reference);
  return found.value;
}

/**
 * Deletes a manifest and its tags, all at once; beyond 32 tags those first, the manifest last, so that an
 * interrupted call can be repeated. Throws MANIFEST_UNKNOWN. Two reads and one write per 32 tags.
 */
export async function deleteManifest(
  ctx: Context,
  repository: Repository,
  digest: Digest,
  cause: Cause,
): Promise<{ readonly tags: readonly string[] }> {
  const deleted: string[] = [];
  for (;;) {
    const { finished, tags } = await deleteStep(ctx, repository, digest, cause);
    deleted.push(...tags);
    if (finished) return { tags: deleted };
  }
}

async function deleteStep(ctx: Context, repository: Repository, digest: Digest, cause: Cause) {
  const prefix = tagOfPrefix(digest);
  let tags: Tag[] = [];
  let finished = false;
  await commitChange(ctx, repository, cause, async () => {
    // In this order: a tag added after the manifest was read has changed its row, and one added before is listed.
    const manifest = await ctx.records.get(manifestKey(repository, digest), ['subject', 'mediaType', 'size']);
    if (!manifest) throw unknownManifest(repository, { kind: 'digest', digest });
    const page = await ctx.records.range<TagOfRow>({
      table: 'repos',
      partition: repositoryPartition(repository),
      from: prefix,
      before: `${prefix}~`,
      limit: TAGS_PER_BATCH,
      select: [],
    });
    finished = !page.more;
    tags = page.rows.map(({ row }) => parseTag(row.slice(prefix.length)));
    const untag = page.rows.flatMap((found) => removeTag(repository, digest, found));
    const { mediaType, size } = manifest.value;
    return {
      event: { action: finished ? 'delete' : 'untag', digest, tags, mediaType, size },
      writes: () => [...untag, ...(finished ? removeManifest(repository, digest, manifest) : [])],
    };
  });
  return { finished, tags };
}

/** A tag moved meanwhile has lost its row under this digest: then the whole batch fails and is planned anew. */
function removeTag(repository: Repository, digest: Digest, found: Found<TagOfRow>): Write[] {
  const tag = parseTag(found.row.slice(tagOfPrefix(digest).length));
  return [
    remove(tagOfKey(repository, digest, tag), ifMatch(found.etag)),
    remove(tagKey(repository, tag), ifPresent),
    ...fallbackRemoval(repository, tag),
  ];
}

/** Each new tag rewrites the manifest's row, so matching its version proves that no tag was added since it was read. */
function removeManifest(repository: Repository, digest: Digest, manifest: Found<ManifestRow>): Write[] {
  const { subject } = manifest.value;
  return [
    remove(manifestKey(repository, digest), ifMatch(manifest.etag)),
    ...(subject === undefined
      ? []
      : [remove(referrerKey(repository, parseDigest(subject), digest), ifPresent)]),
  ];
}

/** Throws MANIFEST_BLOB_UNKNOWN naming each blob and child that the repository lacks. One call for each. */
export async function checkReferences(
  ctx: Context,
  repository: Repository,
  manifest: Manifest,
): Promise<void> {
  const children = ctx.settings.sparseIndexes ? [] : manifest.children;
  const wanted: { digest: Digest; key: Key<LinkRow> | Key<ManifestRow> }[] = [
    ...manifest.blobs.map((digest) => ({ digest, key: linkKey(repository, digest) })),
    ...children.map((digest) => ({ digest, key: manifestKey(repository, digest) })),
  ];
  const missing: { digest: Digest }[] = [];
  for (let i = 0; i < wanted.length; i += CHECKS_AT_ONCE) {
    const slice = wanted.slice(i, i + CHECKS_AT_ONCE);
    const found = await Promise.all(slice.map(({ key }) => ctx.records.get<object>(key, [])));
    missing.push(...slice.filter((_, j) => !found[j]).map(({ digest }) => ({ digest })));
  }
  if (missing.length > 0) throw new Problem('MANIFEST_BLOB_UNKNOWN', missing.slice(0, 100));
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

function referenceKey(repository: Repository, reference: Reference): Key<StoredBytes> {
  return reference.kind === 'tag'
    ? tagKey(repository, reference.tag)
    : manifestKey(repository, reference.digest);
}
