import type { RepositoryCall } from '../http/call.ts';
import type { Reply } from '../http/message.ts';
import { judgeRange } from '../http/range.ts';
import { parseDigest } from '../model/digest.ts';
import { Problem } from '../model/problem.ts';
import { deleteBlob, findBlob, getBlobForDownload, linkToBlob, readBlob } from '../registry/blobs.ts';
import { relyOnLink } from '../registry/references.ts';
import { demandOpen } from '../registry/locks.ts';
import type { Context } from '../store/context.ts';

/**
 * HEAD a blob (end-2), from the row: never redirected, so that length and digest are always told. To whoever may push
 * it says that the blob need not be uploaded, so the link is kept from collection until the manifest is there.
 */
export async function headBlob(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { repository, reference } = call;
  const digest = parseDigest(reference);
  const link = call.allows(repository, 'push')
    ? await relyOnLink(ctx, repository, digest)
    : await findBlob(ctx, repository, digest);
  if (!link) throw new Problem('BLOB_UNKNOWN', { digest });
  const headers = { ...contentHeaders(digest), 'content-length': String(link.size) };
  return { status: 200, headers };
}

/**
 * GET a blob (end-2): 307 to a signed URL where storage can be reached, else the bytes. Ranges are judged here,
 * since storage answers those past the end or from the end in ways of its own (reference "Downloads").
 */
export async function getBlobContent(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { repository, reference, request, policy } = call;
  const digest = parseDigest(reference);
  await demandOpen(ctx, repository, policy, 'read');
  const link = await getBlobForDownload(ctx, repository, digest);
  const headers = contentHeaders(digest);
  const { size } = link;
  const range = judgeRange(request.headers.get('range'), size);
  if (range.kind === 'unsatisfiable') {
    throw new Problem('RANGE_INVALID', { size }, { headers: { 'content-range': `bytes */${size}` } });
  }
  if (range.kind === 'whole' && request.headers.get('if-none-match') === headers.etag) {
    return { status: 304, headers };
  }
  const url = range.kind === 'part' && range.suffix ? undefined : await linkToBlob(ctx, repository, link);
  if (url !== undefined) {
    return {
      status: 307,
      headers: { location: url, 'docker-content-digest': digest, 'content-length': '0' },
    };
  }
  if (range.kind === 'whole') {
    const body = await readBlob(ctx, repository, link);
    return { status: 200, headers: { ...headers, 'content-length': String(size) }, body };
  }
  const { first, last } = range;
  const part = {
    'content-range': `bytes ${first}-${last}/${size}`,
    'content-length': String(last - first + 1),
  };
  return {
    status: 206,
    headers: { ...headers, ...part },
    body: await readBlob(ctx, repository, link, { first, last }),
  };
}

/** DELETE a blob (end-10): from this repository alone. */
export async function deleteBlobLink(
  ctx: Context,
  { repository, reference, policy }: RepositoryCall,
): Promise<Reply> {
  const digest = parseDigest(reference);
  await demandOpen(ctx, repository, policy, 'write');
  await deleteBlob(ctx, repository, digest);
  return { status: 202, headers: { 'content-length': '0' } };
}

function contentHeaders(digest: string) {
  return {
    'content-type': 'application/octet-stream',
    'docker-content-digest': digest,
    'accept-ranges': 'bytes',
    etag: `"${digest}"`,
  };
}
