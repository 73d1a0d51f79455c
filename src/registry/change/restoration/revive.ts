import { type Digest, algorithmOf, parseDigest } from '../../../model/digest.ts';
import { type Manifest, parseManifest } from '../../../model/manifest.ts';
import type { Repository } from '../../../model/names.ts';
import { Problem } from '../../../model/problem.ts';
import {
  type DeletedManifestRow,
  type ManifestRow,
  type StoredBytes,
  manifestKey,
} from '../../../model/record.ts';
import type { Context } from '../../../store/context.ts';
import { readStored } from '../../blobs.ts';
import { type References, checkBlobs, relyOnThose } from '../../references.ts';
import { dropBytes, storeBytes } from '../push.ts';

/** A deleted manifest that can be there again. */
export interface Revived {
  readonly manifest: Manifest;
  readonly row: ManifestRow;
  readonly references: References;
}

export interface Copier {
  readonly make: (manifest: Manifest) => Promise<StoredBytes>;
  /** Deletes the copy, if one was made and is not the one used. */
  readonly drop: (used: string | undefined) => Promise<void>;
}

/**
 * Bytes that lie outside of rows are stored anew, once: collection spares those that are young, and may have found the
 * old ones to be nobody's between the row that named them and the one that will.
 */
export function copier(ctx: Context, repository: Repository): Copier {
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

/**
 * The row of a deleted manifest as it will be; what it needs is kept from collection meanwhile. Throws CONFLICT while
 * its subject is not there, MANIFEST_BLOB_UNKNOWN. To be called after the repository's row was read.
 */
export async function revive(
  ctx: Context,
  repository: Repository,
  row: DeletedManifestRow,
  copy: Copier,
): Promise<Revived> {
  const { deleted: _, ...kept } = row;
  const bytes = await readStored(ctx, repository, kept);
  const manifest = parseManifest(bytes, kept.mediaType, algorithmOf(parseDigest(kept.digest)));
  const { blobs, foreign, children, subject } = manifest;
  // Build caches list blobs where others list manifests.
  const loose = ctx.settings.sparseIndexes ? children : [];
  const [references, there] = await Promise.all([
    checkBlobs(ctx, repository, blobs),
    subject && ctx.records.get(manifestKey(repository, subject), []),
    relyOnThose(ctx, repository, [...foreign, ...loose]),
  ]);
  if (subject && !there) {
    const message = 'what this manifest refers to as its subject must be restored before';
    throw new Problem('CONFLICT', { Subject: subject }, { message });
  }
  const stored = kept.phys === undefined ? undefined : await copy.make(manifest);
  return { manifest, row: { ...kept, ...stored }, references };
}
