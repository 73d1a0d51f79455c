import type { RegistryCall, RepositoryCall } from '../http/call.ts';
import { jsonReply } from '../http/json.ts';
import type { Reply } from '../http/message.ts';
import { PAGE_LIMIT, nextLink, parsePage } from '../http/page.ts';
import { parseDigest } from '../model/digest.ts';
import { demandOpen } from '../registry/locks.ts';
import { listReferrers } from '../registry/referrers.ts';
import { listCatalog } from '../registry/repositories.ts';
import { listTags } from '../registry/tags.ts';
import type { Context } from '../store/context.ts';

/** Repositories on a page when `n` is not given: ACR's. */
const CATALOG_PAGE = 100;
const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';

/** GET `/v2/` (end-1). */
export async function ping(): Promise<Reply> {
  return jsonReply(200, {});
}

/**
 * GET `/v2/_catalog`: not in the specification, asked for by podman, crane and `az`. The Azure SDKs ask the same of
 * `/acr/v1/_catalog`, and go on where they began (ACR wire section 2).
 */
export async function getCatalog(ctx: Context, { request, registry, query }: RegistryCall): Promise<Reply> {
  const { n, last } = parsePage(query, CATALOG_PAGE);
  const { names, next } = await listCatalog(ctx, registry, last, n);
  const { pathname } = new URL(request.url);
  return jsonReply(200, { repositories: names }, linkAfter(pathname, n, next));
}

/** GET tags (end-8): byte order, pages of at most 1,000. */
export async function getTags(ctx: Context, { repository, query }: RepositoryCall): Promise<Reply> {
  const { n, last } = parsePage(query, PAGE_LIMIT);
  const { tags, next } = await listTags(ctx, repository, last, n);
  const path = `/v2/${repository.name}/tags/list`;
  return jsonReply(200, { name: repository.name, tags }, linkAfter(path, n, next));
}

/** GET referrers (end-12): an index, empty where nothing is known. */
export async function getReferrers(
  ctx: Context,
  { repository, reference, query, policy }: RepositoryCall,
): Promise<Reply> {
  const subject = parseDigest(reference);
  await demandOpen(ctx, repository, policy, 'read');
  const { n, last } = parsePage(query, PAGE_LIMIT);
  const artifactType = query.get('artifactType') || undefined;
  const page = await listReferrers(ctx, repository, subject, { artifactType, last, limit: Math.max(1, n) });
  const body = `{"schemaVersion":2,"mediaType":"${INDEX_TYPE}","manifests":[${page.descriptors.join(',')}]}`;
  const path = `/v2/${repository.name}/referrers/${subject}`;
  const link =
    page.next === undefined
      ? {}
      : { link: nextLink(path, { n: String(n), last: page.next, ...(artifactType && { artifactType }) }) };
  return {
    status: 200,
    headers: {
      'content-type': INDEX_TYPE,
      'content-length': String(Buffer.byteLength(body)),
      ...(artifactType && { 'oci-filters-applied': 'artifactType' }),
      ...link,
    },
    body,
  };
}

function linkAfter(path: string, n: number, last: string | undefined): Record<string, string> {
  return last === undefined ? {} : { link: nextLink(path, { last, n: String(n) }) };
}
