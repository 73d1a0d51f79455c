import type { Cause } from '../../events/event.ts';
import { type Digest, algorithmOf, parseDigest } from '../../model/digest.ts';
import { type Manifest, parseManifest } from '../../model/manifest.ts';
import type { Repository } from '../../model/names.ts';
import { Problem } from '../../model/problem.ts';
import { manifestKey } from '../../model/record.ts';
import type { Context } from '../../store/context.ts';
import { mountBlob } from '../blobs.ts';
import { putManifest } from '../change/push.ts';
import { type ManifestInfo, type Reading, readManifest } from '../manifests.ts';
import { relyOnLink } from '../references.ts';

/** Blobs that are linked at once. */
const LINKS_AT_ONCE = 16;

/** Two repositories of a registry, and how the first may be read. */
export interface Copy {
  readonly from: Repository;
  readonly to: Repository;
  readonly reading: Reading;
  readonly cause: Cause;
}

/** A manifest that was checked when it was pushed. */
export function storedManifest({
  digest,
  mediaType,
  bytes,
}: ManifestInfo & { readonly bytes: Uint8Array }): Manifest {
  return parseManifest(bytes, mediaType, algorithmOf(parseDigest(digest)));
}

/**
 * Gives the second repository all that a manifest of the first needs: children, each after its own parts and under no
 * tag, then links to the bytes of blobs that the registry has. Nothing where it has the manifest itself. Throws what a
 * pull or a push of a child throws, and MANIFEST_BLOB_UNKNOWN where the first repository has lost a blob. One call;
 * then for each blob four, three of them one after the other, and for each child two and those of its push.
 */
export async function copyParts(ctx: Context, copy: Copy, manifest: Manifest): Promise<void> {
  if (await isThere(ctx, copy, manifest.digest)) return;
  await copyAll(ctx, copy, manifest);
}

async function isThere(ctx: Context, { to }: Copy, digest: Digest): Promise<boolean> {
  return (await ctx.records.get(manifestKey(to, digest), [])) !== undefined;
}

async function copyAll(ctx: Context, copy: Copy, manifest: Manifest): Promise<void> {
  for (const child of manifest.children) await copyChild(ctx, copy, child);
  const links = [
    ...manifest.blobs.map((digest) => ({ digest, needed: true })),
    ...manifest.foreign.map((digest) => ({ digest, needed: false })),
  ];
  for (let i = 0; i < links.length; i += LINKS_AT_ONCE) {
    await Promise.all(
      links.slice(i, i + LINKS_AT_ONCE).map(({ digest, needed }) => copyLink(ctx, copy, digest, needed)),
    );
  }
}

async function copyChild(ctx: Context, copy: Copy, digest: Digest): Promise<void> {
  if (await isThere(ctx, copy, digest)) return;
  const { from, to, reading, cause } = copy;
  try {
    const found = await readManifest(ctx, from, { kind: 'digest', digest }, reading);
    const manifest = storedManifest(found);
    await copyAll(ctx, copy, manifest);
    await putManifest(ctx, to, manifest, [], reading.policy, cause);
  } catch (error) {
    // Whether it may be missing, the push of the index decides.
    if (!(error instanceof Problem && error.code === 'MANIFEST_UNKNOWN')) throw error;
  }
}

/** Foreign layers are where somebody pushed them, or not. */
async function copyLink(ctx: Context, { from, to }: Copy, digest: Digest, needed: boolean): Promise<void> {
  if (await relyOnLink(ctx, to, digest)) return;
  if (!(await mountBlob(ctx, to, from, digest)) && needed) {
    throw new Problem('MANIFEST_BLOB_UNKNOWN', [{ digest }]);
  }
}
