import type { Cause } from '../events/event.ts';
import { type Digest, isDigest } from '../model/digest.ts';
import { type ManifestFacts, listedDescriptors } from '../model/manifest.ts';
import type { Repository } from '../model/names.ts';
import { type Lockable, isLocked } from '../model/policy/locks.ts';
import type { Policy } from '../model/policy/policy.ts';
import { type ManifestRow, manifestKey, repositoryPartition, tagOfPrefix } from '../model/record.ts';
import { stampTime } from '../model/stamp.ts';
import { readStored } from '../registry/blobs.ts';
import { type ManifestChange, changeManifest } from '../registry/change/attributes.ts';
import { readListed } from '../registry/locks.ts';
import { unknownManifest } from '../registry/manifests.ts';
import { askable } from '../registry/referrers.ts';
import type { Context } from '../store/context.ts';
import { findFacts, readPlatformFields } from './facts.ts';
import { type Listing, type Next, demandRepository, inTurns, pageByTime, readRows } from './rows.ts';

/** Times in milliseconds since 1970. */
export interface ManifestEntry extends ManifestFacts, Lockable {
  readonly digest: string;
  readonly mediaType: string;
  readonly created: number;
  /**
   * When it was last pushed, by digest or under a tag, a new one too. The reference tells no more than that attributes
   * leave it; of the two readings this is the safe one for clients that delete what is old.
   */
  readonly updated: number;
  /** Of the last pull, to the hour; undefined when there was none. */
  readonly pulled: number | undefined;
  /** By name; those that are hidden from lists, too: a client that deletes what has no tags must see them. */
  readonly tags: readonly string[];
  /** As rows of manifests hold it. */
  readonly quarantine: string | undefined;
  readonly quarantineDetails: string | undefined;
}

/** A child of an index, as the index describes it. */
export interface ManifestChild extends Pick<ManifestFacts, 'architecture' | 'os'> {
  readonly digest: string;
}

export type SingleManifest = ManifestEntry & { readonly children: readonly ManifestChild[] };

/** The most manifests on a page: their rows hold their bytes, up to 60 KiB each. */
export const MANIFEST_PAGE = 100;

type Row = Pick<ManifestRow, (typeof FIELDS)[number]>;
const FIELDS = [
  'digest',
  'mediaType',
  'size',
  'body',
  'phys',
  'created',
  'stamp',
  'pulled',
  'locks',
  'quarantine',
  'quarantineDetails',
] as const;
const READS_AT_ONCE = 16;

/**
 * Manifests with their tags, at most MANIFEST_PAGE. Throws NAME_UNKNOWN. By digest one call for the page and one per
 * 1,000 tags on it; by time one per 1,000 manifests and per 1,000 tags of the repository, and one for each manifest
 * on the page, since rows lie by digest. What `findFacts` needs comes on top; one more when there is none.
 */
export async function listManifestEntries(
  ctx: Context,
  repository: Repository,
  asked: Listing,
): Promise<{ readonly manifests: readonly ManifestEntry[]; readonly next: Next }> {
  const listing = { ...asked, limit: Math.min(asked.limit, MANIFEST_PAGE) };
  const { rows, next } =
    listing.limit === 0
      ? { rows: [], next: undefined }
      : await (listing.order === 'name' ? readPage : readPageByTime)(ctx, repository, listing);
  const [first, last] = [rows[0]?.digest, rows.at(-1)?.digest];
  if (first === undefined || last === undefined) {
    await demandRepository(ctx, repository);
    return { manifests: [], next };
  }
  const between =
    listing.order === 'name' ? { from: `x!${first}!`, before: `x!${last}!~` } : { from: 'x!', before: 'x~' };
  const [tags, facts] = await Promise.all([
    readTags(ctx, repository, between),
    findFacts(ctx, repository, rows),
  ]);
  return { manifests: rows.map((row, i) => entryOf(row, facts[i], tags.get(row.digest))), next };
}

/**
 * One manifest, and of an index its children. Throws MANIFEST_UNKNOWN, NAME_UNKNOWN. Two calls at once, one per
 * further 1,000 tags, and what `findFacts` needs; one more when it is not there.
 */
export async function showManifest(
  ctx: Context,
  repository: Repository,
  digest: Digest,
): Promise<SingleManifest> {
  const [found, tags] = await Promise.all([
    ctx.records.get(manifestKey(repository, digest), FIELDS),
    readTagsOf(ctx, repository, digest),
  ]);
  if (!found) {
    await demandRepository(ctx, repository);
    throw unknownManifest(repository, { kind: 'digest', digest });
  }
  return await describe(ctx, repository, found.value, tags);
}

/** Changes attributes and quarantine of a manifest; as `changeManifest`. Its tags and what `findFacts` needs besides. */
export async function setManifestAttributes(
  ctx: Context,
  repository: Repository,
  digest: Digest,
  change: ManifestChange,
  policy: Policy,
  cause: Cause,
): Promise<SingleManifest> {
  const row = await changeManifest(ctx, repository, digest, change, policy, cause);
  return await describe(ctx, repository, row, await readTagsOf(ctx, repository, digest));
}

async function describe(
  ctx: Context,
  repository: Repository,
  row: Row,
  tags: readonly string[],
): Promise<SingleManifest> {
  const body = await readStored(ctx, repository, row);
  const [facts] = await findFacts(ctx, repository, [{ ...row, body }]);
  const children = listedDescriptors(body).map((child) => ({
    digest: child.digest,
    ...readPlatformFields(child.raw['platform']),
  }));
  return { ...entryOf(row, facts, tags), children };
}

async function readPage(ctx: Context, repository: Repository, { last, limit }: Listing) {
  const range = {
    table: 'repos',
    partition: repositoryPartition(repository),
    from: last === '' ? 'm!' : `m!${askable(last)}!`,
    before: 'm~',
    limit,
    select: FIELDS,
  } as const;
  const { rows, end } = await readListed<Row>(ctx, range, (row) => isLocked(row, 'list'), MANIFEST_PAGE);
  const next: Next = end && { last: end.value.digest };
  return { rows: rows.map(({ value }) => value), next };
}

async function readPageByTime(ctx: Context, repository: Repository, listing: Listing) {
  const all = await readRows<ManifestRow>(ctx, repository, { from: 'm!', before: 'm~' }, ['stamp', 'locks']);
  const named = all
    .filter(({ value }) => !isLocked(value, 'list'))
    .map(({ row, value }) => ({ name: row.slice(2), stamp: value.stamp }));
  const { page, next } = pageByTime(named, listing);
  const digests = page.map(({ name }) => name).filter(isDigest);
  const found = await inTurns(digests, READS_AT_ONCE, (digest) =>
    ctx.records.get(manifestKey(repository, digest), FIELDS),
  );
  // Those deleted meanwhile are left out.
  const rows = found.flatMap((row): Row[] => (row ? [row.value] : []));
  return { rows, next };
}

async function readTagsOf(ctx: Context, repository: Repository, digest: Digest): Promise<readonly string[]> {
  const prefix = tagOfPrefix(digest);
  const tags = await readTags(ctx, repository, { from: prefix, before: `${prefix}~` });
  return tags.get(digest) ?? [];
}

/** Tags by digest, from keys alone. One call per 1,000. */
async function readTags(
  ctx: Context,
  repository: Repository,
  between: { readonly from: string; readonly before: string },
): Promise<ReadonlyMap<string, readonly string[]>> {
  const tags = new Map<string, string[]>();
  for (const { row } of await readRows<object>(ctx, repository, between, [])) {
    const [, digest = '', tag = ''] = row.split('!');
    const before = tags.get(digest);
    if (before) before.push(tag);
    else tags.set(digest, [tag]);
  }
  return tags;
}

function entryOf(row: Row, facts: ManifestFacts | undefined, tags: readonly string[] = []): ManifestEntry {
  const { digest, mediaType, created, stamp, pulled, locks, quarantine, quarantineDetails } = row;
  const times = { created, updated: stampTime(stamp), pulled };
  return { imageSize: 0, ...facts, digest, mediaType, ...times, tags, locks, quarantine, quarantineDetails };
}
