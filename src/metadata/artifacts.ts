import {
  MANIFEST_PAGE,
  type ManifestEntry,
  listManifestEntries,
  showManifest,
} from '../catalog/manifests.ts';
import { type TagEntry, listTagEntries, showTag, untag } from '../catalog/tags.ts';
import type { RepositoryCall } from '../http/call.ts';
import type { Reply } from '../http/message.ts';
import { parseDigest } from '../model/digest.ts';
import type { Context } from '../store/context.ts';
import { attributes, envelope, linkTo, parseListing, requestIds, timeText } from './body.ts';

/** GET `/acr/v1/{name}/_tags`: tags with times, all or those of one manifest (`digest`). */
export async function getTagList(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { repository, query } = call;
  const listing = parseListing(query);
  const digest = query.get('digest') || undefined;
  const wanted = digest === undefined ? undefined : parseDigest(digest);
  const { tags, next } = await listTagEntries(ctx, repository, listing, wanted);
  return envelope(call, { tags: tags.map(tagFields) }, linkTo(call, '_tags', listing.limit, next));
}

/** GET `/acr/v1/{name}/_tags/{tag}`. */
export async function getTag(ctx: Context, call: RepositoryCall): Promise<Reply> {
  return envelope(call, { tag: tagFields(await showTag(ctx, call.repository, call.reference)) });
}

/** DELETE `/acr/v1/{name}/_tags/{tag}`: untags; the manifest stays. */
export async function deleteTagOnly(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { digest } = await untag(ctx, call.repository, call.reference, call.policy, call.cause);
  if (call.noted) Object.assign(call.noted, { digest });
  return {
    status: 202,
    headers: { 'content-length': '0', 'x-ms-int-docker-content-digest': digest, ...requestIds(call) },
  };
}

/** GET `/acr/v1/{name}/_manifests`: manifests with times, sizes, platforms and tags. */
export async function getManifestList(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const listing = parseListing(call.query);
  const { manifests, next } = await listManifestEntries(ctx, call.repository, listing);
  const link = linkTo(call, '_manifests', Math.min(listing.limit, MANIFEST_PAGE), next);
  return envelope(call, { manifests: manifests.map(manifestFields) }, link);
}

/** GET `/acr/v1/{name}/_manifests/{digest}`: one manifest; of an index its children, too. */
export async function getManifestByDigest(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const found = await showManifest(ctx, call.repository, parseDigest(call.reference));
  const references = found.children.length > 0 ? { references: found.children } : {};
  return envelope(call, { manifest: { ...manifestFields(found), ...references } });
}

function tagFields({ name, digest, created, updated, pulled }: TagEntry) {
  return {
    name,
    digest,
    createdTime: timeText(created),
    lastUpdateTime: timeText(updated),
    ...pullTime(pulled),
    // Docker Content Trust, which is retired.
    signed: false,
    changeableAttributes: attributes,
  };
}

/** In ACR's order; what is unknown is left out, and so are tags where there are none. */
function manifestFields(entry: ManifestEntry) {
  const { digest, imageSize, created, updated, architecture, os, mediaType, configMediaType, tags } = entry;
  return {
    digest,
    imageSize,
    createdTime: timeText(created),
    lastUpdateTime: timeText(updated),
    ...pullTime(entry.pulled),
    ...(architecture !== undefined && { architecture }),
    ...(os !== undefined && { os }),
    mediaType,
    ...(configMediaType !== undefined && { configMediaType }),
    ...(tags.length > 0 && { tags }),
    changeableAttributes: attributes,
  };
}

/** Our own: ACR does not tell. Left out where nothing was pulled. */
function pullTime(pulled: number | undefined) {
  return pulled === undefined ? {} : { lastPullTime: timeText(pulled) };
}
