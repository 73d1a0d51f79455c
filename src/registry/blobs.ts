import type { Digest } from '../model/digest.ts';
import type { RegistryName, Repository } from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import { type LinkRow, type StoredBytes, contentKey, linkKey } from '../model/record.ts';
import type { BlobName, ByteRange } from '../store/blobs.ts';
import type { Context } from '../store/context.ts';
import {
  Conflict,
  Unavailable,
  always,
  ifAbsent,
  ifMatch,
  ifPresent,
  merge,
  put,
  remove,
} from '../store/records.ts';
import { contend } from './change/commit.ts';

/** How long another instance may go on redirecting to a blob that was deleted here. */
const DOWNLOAD_LIFE_MS = 5000;

/** The repository's link to a blob; undefined when it has none. One call. */
export async function findBlob(
  ctx: Context,
  repository: Repository,
  digest: Digest,
): Promise<LinkRow | undefined> {
  return (await ctx.records.get(linkKey(repository, digest)))?.value;
}

/** The repository's link to a blob. Throws BLOB_UNKNOWN. */
async function getBlob(ctx: Context, repository: Repository, digest: Digest): Promise<LinkRow> {
  const link = await findBlob(ctx, repository, digest);
  if (!link) throw new Problem('BLOB_UNKNOWN', { digest });
  return link;
}

/**
 * The link for a download, at most DOWNLOAD_LIFE_MS old: when a deployment makes a hundred nodes pull one image, they
 * cost a few reads. A delete shows at once on the instance that made it. Throws BLOB_UNKNOWN. One call or none.
 * Never for answers that tell a client to skip an upload: those must see the row.
 */
export async function getBlobForDownload(
  ctx: Context,
  repository: Repository,
  digest: Digest,
): Promise<LinkRow> {
  const { row } = linkKey(repository, digest);
  const key = `${repository.registry}!${row}`;
  const before = ctx.linkCache.get(key);
  if (before && before.until > ctx.now() && before.link) return before.link;
  const link = await getBlob(ctx, repository, digest);
  // Whoever deleted it while we read has left a mark, which must stay.
  if (ctx.linkCache.get(key) === before && (!before || before.link || before.until <= ctx.now())) {
    keepLink(ctx, key, link);
  }
  return link;
}

function keepLink(ctx: Context, key: string, link: LinkRow | undefined): void {
  ctx.linkCache.set(key, { until: ctx.now() + DOWNLOAD_LIFE_MS, link });
}

/** A URL that serves the blob for a short time; undefined where downloads go through the registry. No call. */
export async function linkToBlob(
  ctx: Context,
  repository: Repository,
  link: LinkRow,
): Promise<string | undefined> {
  if (ctx.settings.downloads === 'proxy') return undefined;
  return await ctx.blobs.link(physicalName(repository, link.phys), ctx.settings.linkSeconds);
}

/** The bytes of a blob, or a part of them. Throws BLOB_UNKNOWN when they were collected since the link was read. */
export async function readBlob(
  ctx: Context,
  repository: Repository,
  link: LinkRow,
  range?: ByteRange,
): Promise<AsyncIterable<Uint8Array>> {
  const bytes = await ctx.blobs.read(physicalName(repository, link.phys), range);
  if (!bytes) throw new Problem('BLOB_UNKNOWN');
  return exactly(bytes, range ? range.last - range.first + 1 : link.size);
}

/** Fails where a stream ends before its time: a client that was told a length would wait for the rest for ever. */
async function* exactly(bytes: AsyncIterable<Uint8Array>, length: number): AsyncGenerator<Uint8Array> {
  let left = length;
  for await (const piece of bytes) {
    left -= piece.length;
    yield piece;
  }
  if (left !== 0) throw new Unavailable('the bytes of a blob are not as many as its row says');
}

/** The bytes of a manifest's row, wherever they lie. */
export async function readStored(
  ctx: Context,
  repository: Repository,
  row: StoredBytes,
): Promise<Uint8Array> {
  if (row.body) return row.body;
  const pieces =
    row.phys === undefined ? undefined : await ctx.blobs.read(physicalName(repository, row.phys));
  if (!pieces) throw new Problem('MANIFEST_UNKNOWN', { digest: row.digest });
  return Buffer.concat(await Array.fromAsync(pieces));
}

/**
 * Keeps this instance from redirecting to a blob that is being taken from a repository, whose link is `row`: to be
 * called before, and again after it, for a download that read the row before it went and began after the first mark.
 */
export function forgetLink(ctx: Context, registry: RegistryName, row: string): void {
  keepLink(ctx, `${registry}!${row}`, undefined);
}

/** Removes the link; the bytes stay for other repositories and for collection. Throws BLOB_UNKNOWN. One call. */
export async function deleteBlob(ctx: Context, repository: Repository, digest: Digest): Promise<void> {
  const key = linkKey(repository, digest);
  forgetLink(ctx, repository.registry, key.row);
  try {
    await ctx.records.batch(key.table, key.partition, [remove(key, ifPresent)]);
  } catch (error) {
    if (error instanceof Conflict) throw new Problem('BLOB_UNKNOWN', { digest }, { cause: error });
    throw error;
  }
  forgetLink(ctx, repository.registry, key.row);
}

/**
 * Gives `repository` a blob that `source` has. False when the source has none: the caller then starts an upload
 * (distribution-spec "Mounting a blob"). Three calls, two of them at once.
 */
export async function mountBlob(
  ctx: Context,
  repository: Repository,
  source: Repository,
  digest: Digest,
): Promise<boolean> {
  return await contend(ctx, async () => {
    const [link, content] = await Promise.all([
      ctx.records.get(linkKey(source, digest)),
      ctx.records.get(contentKey(repository.registry, digest)),
    ]);
    if (!link || !content) return false;
    const { phys, size } = content.value;
    const stamp = ctx.stamp();
    const row = { phys, size, touched: stamp, linked: stamp };
    await linkContent(ctx, repository, digest, row, ifMatch(content.etag));
    return true;
  });
}

/**
 * Makes freshly committed bytes the registry's copy of `digest` and links the repository to it; or, when the registry
 * has a copy already, links to that one and leaves the new bytes to the sweep: deleted now, their name would be free
 * for other bytes of a forked session, which a second deletion, on its way for the same reason, would then destroy.
 */
export async function publishBlob(
  ctx: Context,
  repository: Repository,
  digest: Digest,
  phys: string,
  size: number,
): Promise<void> {
  await contend(ctx, async (again) => {
    const content = again ? await ctx.records.get(contentKey(repository.registry, digest)) : undefined;
    const stamp = ctx.stamp();
    const row = { phys: content?.value.phys ?? phys, size, touched: stamp, linked: stamp };
    await linkContent(ctx, repository, digest, row, content ? ifMatch(content.etag) : ifAbsent);
    if (!content) ctx.grew(repository.registry, size);
  });
}

/**
 * Deletes bytes that nothing names, under a name that nobody else can have; when storage will not now, leaves it to a
 * job. Never throws.
 */
export async function discardBytes(ctx: Context, at: BlobName, digest: Digest): Promise<void> {
  try {
    await ctx.blobs.delete(at);
  } catch (error) {
    ctx.log('warn', 'bytes left for a later discard', { name: at.name, error: String(error) });
    try {
      await ctx.work.send({ kind: 'discard', registry: at.registry, name: at.name, digest });
    } catch (cause) {
      ctx.log('error', 'bytes left for collection', { name: at.name, error: String(cause) });
    }
  }
}

/** The job behind `discardBytes`: spares bytes that became the registry's copy after all. */
export async function discardLater(ctx: Context, at: BlobName, digest: Digest): Promise<void> {
  const content = await ctx.records.get(contentKey(at.registry, digest));
  if (content?.value.phys !== at.name) await ctx.blobs.delete(at);
}

export function physicalName(repository: Repository, phys: string): BlobName {
  return { registry: repository.registry, name: phys };
}

async function linkContent(
  ctx: Context,
  repository: Repository,
  digest: Digest,
  row: LinkRow,
  condition: typeof ifAbsent,
): Promise<void> {
  const content = contentKey(repository.registry, digest);
  // Rewriting the content row, changed or not, makes a collector that read it earlier fail its delete.
  const claim =
    condition.kind === 'absent'
      ? put(content, { phys: row.phys, size: row.size, touched: row.touched }, condition)
      : merge(content, { touched: row.touched }, condition);
  await ctx.records.batch(content.table, content.partition, [
    claim,
    put(linkKey(repository, digest), row, always),
  ]);
}
