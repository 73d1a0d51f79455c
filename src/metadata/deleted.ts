import { listDeletedManifests, listDeletedRepositories, listDeletedTags } from '../catalog/deleted.ts';
import { readBytes } from '../http/body.ts';
import type { RegistryCall, RepositoryCall } from '../http/call.ts';
import type { Reply } from '../http/message.ts';
import { nextLink, parsePage } from '../http/page.ts';
import { parseDigest } from '../model/digest.ts';
import { type Tag, parseTag } from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import { restoreManifest } from '../registry/change/restoration/restore.ts';
import type { Context } from '../store/context.ts';
import { parseJson } from './attributes.ts';
import { envelope, json, timeText } from './body.ts';

/** Entries on a page when `n` is not given: ACR's. */
const PAGE = 100;
const BODY_LIMIT = 16 * 1024;

/** GET `/acr/v1/_deleted/_catalog`: repositories that are gone and can be restored. */
export async function getDeletedCatalog(ctx: Context, call: RegistryCall): Promise<Reply> {
  const { n, last } = parsePage(call.query, PAGE);
  const { entries, next } = await listDeletedRepositories(ctx, call.registry, { limit: n, last });
  const repositories = entries.map(({ name, created, deleted }) => ({
    ...timesOf(created, deleted),
    repository: name,
  }));
  return json(call, 200, { repositories }, linkTo('_catalog', n, next));
}

/** GET `/acr/v1/_deleted/{name}/_manifests`: manifests of a repository that can be restored. */
export async function getDeletedManifests(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { repository, query } = call;
  const { n, last } = parsePage(query, PAGE);
  const { entries, next } = await listDeletedManifests(ctx, repository, { limit: n, last });
  const manifests = entries.map(({ digest, created, deleted }) => ({
    ...timesOf(created, deleted),
    digest,
  }));
  const path = `${encodeURIComponent(repository.name)}/_manifests`;
  return envelope(call, { manifests }, linkTo(path, n, next));
}

/** GET `/acr/v1/_deleted/{name}/_tags`: tags that can be restored, and the manifests that they were taken from. */
export async function getDeletedTags(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { repository, query } = call;
  const { n, last } = parsePage(query, PAGE);
  const { entries, next } = await listDeletedTags(ctx, repository, { limit: n, last });
  const tags = entries.map(({ tag, digest, created, deleted }) => ({
    ...timesOf(created, deleted),
    digest,
    tag,
  }));
  return envelope(call, { tags }, linkTo(`${encodeURIComponent(repository.name)}/_tags`, n, next));
}

/**
 * POST `/acr/v1/_deleted/{name}/_manifests/{digest}`, with a tag in its body or none: restores both. `force` takes the
 * tag from another manifest; Python writes `True`.
 */
export async function postRestore(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { repository, query, policy, cause, noted } = call;
  const digest = parseDigest(call.reference);
  const tag = readTag(Buffer.from(await readBytes(call.request, BODY_LIMIT)).toString());
  const force = query.get('force')?.toLowerCase() === 'true';
  if (noted) Object.assign(noted, { digest });
  await restoreManifest(ctx, repository, { digest, tag, force }, policy, cause);
  return json(call, 200, { digest, ...(tag !== undefined && { tag }) });
}

/** Throws REQUEST_INVALID, TAG_INVALID. */
function readTag(text: string): Tag | undefined {
  if (text === '') return undefined;
  const body = parseJson(text);
  const tag = typeof body === 'object' && body !== null && 'tag' in body ? body.tag : null;
  if (tag === null || tag === '') return undefined;
  if (typeof tag !== 'string') throw new Problem('REQUEST_INVALID', { field: 'tag', expected: 'text' });
  return parseTag(tag);
}

/** As `az` reads them (its tests show the fields). */
function timesOf(created: number, deleted: number) {
  return { createdAt: timeText(created), deletedAt: timeText(deleted) };
}

function linkTo(path: string, n: number, next: string | undefined): Record<string, string> {
  if (next === undefined) return {};
  return { link: nextLink(`/acr/v1/_deleted/${path}`, { last: next, n: String(n) }) };
}
