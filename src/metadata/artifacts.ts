import {
  MANIFEST_PAGE,
  type ManifestEntry,
  type SingleManifest,
  listManifestEntries,
  setManifestAttributes,
  showManifest,
} from '../catalog/manifests.ts';
import { guardRepository } from '../access/settings/policy.ts';
import { type TagEntry, listTagEntries, setTagAttributes, showTag, untag } from '../catalog/tags.ts';
import type { RepositoryCall } from '../http/call.ts';
import type { Reply } from '../http/message.ts';
import { parseDigest } from '../model/digest.ts';
import { parseTag } from '../model/names.ts';
import { attributesOf } from '../model/policy/locks.ts';
import { setTag } from '../registry/copy/retag.ts';
import type { Context } from '../store/context.ts';
import { readChange } from './attributes.ts';
import { envelope, linkTo, parseListing, requestIds, timeText } from './body.ts';
import { readSource } from './source.ts';

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

/** PATCH `/acr/v1/{name}/_tags/{tag}`: changes attributes, and nothing of the manifest. */
export async function patchTag(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { repository, reference, cause } = call;
  const { attributes } = await readChange(call.request, 'tag');
  return envelope(call, {
    tag: tagFields(await setTagAttributes(ctx, repository, reference, attributes, cause)),
  });
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

/**
 * PUT `/acr/v1/{name}/_tags/{tag}`: our own. Points a tag at a manifest that the registry has, here or in another
 * repository, from which it is copied without its bytes; 200 where it was so already.
 */
export async function putTag(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { repository, policy, cause } = call;
  const tag = parseTag(call.reference);
  const source = await readSource(call);
  call.demand('pull', source.repository);
  const reading = { policy, seesQuarantined: call.allows(source.repository, 'quarantine_read') };
  const { changed, ...info } = await setTag(ctx, repository, tag, source, reading, cause);
  if (call.noted) Object.assign(call.noted, info);
  const found = await showTag(ctx, repository, tag);
  const headers = { 'docker-content-digest': info.digest };
  return { ...envelope(call, { tag: tagFields(found) }, headers), status: changed ? 201 : 200 };
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
  return singleManifest(call, await showManifest(ctx, call.repository, parseDigest(call.reference)));
}

/**
 * PATCH `/acr/v1/{name}/_manifests/{digest}`: changes attributes, which takes `metadata_write`, and what a scanner says
 * of the manifest, which takes `quarantine_write`.
 */
export async function patchManifest(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { repository, policy, cause } = call;
  const digest = parseDigest(call.reference);
  const { attributes, ...verdict } = await readChange(call.request, 'manifest');
  const judges = Object.keys(verdict).length > 0;
  if (judges) call.demand('quarantine_write');
  if (!judges || Object.keys(attributes).length > 0) call.demand('metadata_write');
  if (attributes.readEnabled === false) await guardRepository(ctx, call.registry, repository.name);
  const change = { attributes, ...verdict };
  return singleManifest(call, await setManifestAttributes(ctx, repository, digest, change, policy, cause));
}

function singleManifest(call: RepositoryCall, found: SingleManifest): Reply {
  const references = found.children.length > 0 ? { references: found.children } : {};
  return envelope(call, { manifest: { ...manifestFields(found), ...references } });
}

function tagFields(entry: TagEntry) {
  const { name, digest, created, updated, pulled } = entry;
  return {
    name,
    digest,
    createdTime: timeText(created),
    lastUpdateTime: timeText(updated),
    ...pullTime(pulled),
    // Docker Content Trust, which is retired.
    signed: false,
    changeableAttributes: attributesOf(entry),
  };
}

/** In ACR's order; what is unknown is left out, and so are tags where there are none. */
function manifestFields(entry: ManifestEntry) {
  const { digest, imageSize, created, updated, architecture, os, mediaType, configMediaType, tags } = entry;
  const { quarantine, quarantineDetails } = entry;
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
    changeableAttributes: {
      ...attributesOf(entry),
      ...(quarantine !== undefined && { quarantineState: quarantine }),
      ...(quarantineDetails !== undefined && { quarantineDetails }),
    },
  };
}

/** Our own: ACR does not tell. Left out where nothing was pulled. */
function pullTime(pulled: number | undefined) {
  return pulled === undefined ? {} : { lastPullTime: timeText(pulled) };
}
