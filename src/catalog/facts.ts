import type { Digest } from '../model/digest.ts';
import { type ManifestFacts, type ManifestParts, manifestParts } from '../model/manifest.ts';
import type { Repository } from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import { type StoredBytes, manifestKey } from '../model/record.ts';
import { findBlob, readBlob, readStored } from '../registry/blobs.ts';
import type { Context } from '../store/context.ts';
import { inTurns } from './rows.ts';

/** Config blobs that name architecture and operating system. */
const IMAGE_CONFIGS: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
]);
/** Larger ones are not read: no image has any. */
const CONFIG_LIMIT = 1024 * 1024;
/** How many manifests are looked at together: on the page, in an index, in an index of that. */
const WIDTHS = [16, 4, 1];
/** Storage calls of one answer; facts beyond are left out, and found when asked again. */
const CALLS = 1000;
const TEXT_LIMIT = 100;

interface Search {
  readonly ctx: Context;
  readonly repository: Repository;
  callsLeft: number;
}

interface Learned {
  readonly facts: ManifestFacts;
  /** False when something was not there or not asked for: another time it may be. */
  readonly whole: boolean;
}

const NOTHING: Learned = { facts: { imageSize: 0 }, whole: false };

/**
 * Sizes, architectures and operating systems of stored manifests, in their order. The rows alone do not tell: an image
 * not seen before on this instance costs two calls for its config (its link and its bytes), an index one for each child
 * besides, and a manifest beyond 60 KiB one more. What was learned is kept by digest, since it can never change; so
 * a push stays as cheap as it is, and a listing asked for again costs nothing here.
 */
export async function findFacts(
  ctx: Context,
  repository: Repository,
  rows: readonly StoredBytes[],
): Promise<readonly ManifestFacts[]> {
  const search = { ctx, repository, callsLeft: CALLS };
  const learned = await inTurns(rows, WIDTHS[0] ?? 1, (row) => learn(search, row, 0));
  return learned.map(({ facts }) => facts);
}

async function learn(search: Search, row: StoredBytes, depth: number): Promise<Learned> {
  const { ctx } = search;
  const known = ctx.factsCache.get(row.digest);
  if (known) return { facts: known, whole: true };
  const parts = await readParts(search, row);
  if (!parts) return NOTHING;
  const { config, layerBytes, children } = parts;
  const below = await inTurns(
    [...new Set(children.map(({ digest }) => digest))],
    WIDTHS[depth + 1] ?? 1,
    (child) => learnChild(search, child, depth + 1),
  );
  const platform =
    config && IMAGE_CONFIGS.has(config.mediaType) ? await readPlatform(search, config.digest) : {};
  const facts: ManifestFacts = {
    imageSize: layerBytes + below.reduce((sum, child) => sum + child.facts.imageSize, 0),
    ...(config?.mediaType && { configMediaType: config.mediaType }),
    ...platform,
  };
  const whole = platform !== undefined && below.every((child) => child.whole);
  if (whole) ctx.factsCache.set(row.digest, facts);
  return { facts, whole };
}

/** Undefined when the bytes cannot be read now: a list must not fail over one manifest that was just deleted. */
async function readParts(search: Search, row: StoredBytes): Promise<ManifestParts | undefined> {
  if (row.body === undefined && !mayCall(search, 1)) return undefined;
  try {
    return manifestParts(await readStored(search.ctx, search.repository, row));
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

async function learnChild(search: Search, digest: Digest, depth: number): Promise<Learned> {
  const { ctx, repository } = search;
  const known = ctx.factsCache.get(digest);
  if (known) return { facts: known, whole: true };
  if (depth >= WIDTHS.length || !mayCall(search, 1)) return NOTHING;
  const select = ['digest', 'mediaType', 'size', 'body', 'phys'] as const;
  const found = await ctx.records.get(manifestKey(repository, digest), select);
  return found ? await learn(search, found.value, depth) : NOTHING;
}

/** What an image's config says of where it runs; undefined when it cannot be read now. Two calls. */
async function readPlatform(
  search: Search,
  digest: Digest,
): Promise<Pick<ManifestFacts, 'architecture' | 'os'> | undefined> {
  const { ctx, repository } = search;
  if (!mayCall(search, 2)) return undefined;
  const link = await findBlob(ctx, repository, digest);
  if (!link) return undefined;
  if (link.size > CONFIG_LIMIT) return {};
  try {
    const pieces = await Array.fromAsync(await readBlob(ctx, repository, link));
    return platformOf(Buffer.concat(pieces).toString());
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

function platformOf(text: string): Pick<ManifestFacts, 'architecture' | 'os'> {
  try {
    return readPlatformFields(JSON.parse(text));
  } catch {
    return {};
  }
}

/** `architecture` and `os` of a config, or of an index's `platform`, as far as they are text. */
export function readPlatformFields(value: unknown): Pick<ManifestFacts, 'architecture' | 'os'> {
  if (typeof value !== 'object' || value === null) return {};
  const architecture = 'architecture' in value ? value.architecture : undefined;
  const os = 'os' in value ? value.os : undefined;
  return { ...(isWord(architecture) && { architecture }), ...(isWord(os) && { os }) };
}

function isWord(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= TEXT_LIMIT;
}

function mayCall(search: Search, calls: number): boolean {
  search.callsLeft -= calls;
  return search.callsLeft >= 0;
}
