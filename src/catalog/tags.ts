import type { Cause } from '../events/event.ts';
import type { Digest } from '../model/digest.ts';
import { type Repository, type Tag, isTag } from '../model/names.ts';
import { type Attributes, type Lockable, isLocked } from '../model/policy/locks.ts';
import type { Policy } from '../model/policy/policy.ts';
import { Problem } from '../model/problem.ts';
import { type TagOfRow, type TagRow, repositoryPartition, tagKey, tagOfPrefix } from '../model/record.ts';
import { stampTime } from '../model/stamp.ts';
import { askable } from '../registry/referrers.ts';
import { changeTag } from '../registry/change/attributes.ts';
import { deleteTag } from '../registry/change/delete.ts';
import { readTags } from '../registry/tags.ts';
import type { Context } from '../store/context.ts';
import { type Listing, type Next, demandRepository, inTurns, pageByTime, readRows } from './rows.ts';

/** Times in milliseconds since 1970. */
export interface TagEntry extends Lockable {
  readonly name: string;
  readonly digest: string;
  readonly created: number;
  /** Of the last push under this tag. */
  readonly updated: number;
  /** Of the last pull by this tag, to the hour; undefined when there was none. */
  readonly pulled: number | undefined;
}

interface TagPage {
  readonly tags: readonly TagEntry[];
  readonly next: Next;
}

const FIELDS = ['digest', 'created', 'stamp', 'pulled', 'locks'] as const;
/** How often names are read for one page, when tags among them are hidden or moved; then it ends early. */
const ROUNDS = 10;
/** Tags read together where a listing names them alone. */
const READS_AT_ONCE = 16;

/**
 * Tags with their times, all or those of the manifest `digest`. Throws NAME_UNKNOWN.
 * By name one call per 1,000 of the page; by time one per 1,000 of all, since rows lie by name. With `digest` one more
 * for each tag on the page. One more when there is none.
 */
export async function listTagEntries(
  ctx: Context,
  repository: Repository,
  listing: Listing,
  digest?: Digest,
): Promise<TagPage> {
  const page =
    listing.limit === 0
      ? { tags: [], next: undefined }
      : await (digest === undefined
          ? listAll(ctx, repository, listing)
          : listOf(ctx, repository, listing, digest));
  if (page.tags.length === 0) await demandRepository(ctx, repository);
  return page;
}

/** One tag. Throws TAG_UNKNOWN, NAME_UNKNOWN. One call; one more when it is not there. */
export async function showTag(ctx: Context, repository: Repository, name: string): Promise<TagEntry> {
  const found = isTag(name) ? await ctx.records.get(tagKey(repository, name), FIELDS) : undefined;
  if (found) return entryOf(name, found.value);
  throw await unknownTag(ctx, repository, name);
}

/** Changes attributes of a tag; as `changeTag`. */
export async function setTagAttributes(
  ctx: Context,
  repository: Repository,
  name: string,
  attributes: Partial<Attributes>,
  cause: Cause,
): Promise<TagEntry> {
  if (!isTag(name)) throw await unknownTag(ctx, repository, name);
  return entryOf(name, await changeTag(ctx, repository, name, attributes, cause));
}

/** Removes a tag, tells what it named. Throws TAG_UNKNOWN, NAME_UNKNOWN. One read, one write. */
export async function untag(
  ctx: Context,
  repository: Repository,
  name: string,
  policy: Policy,
  cause: Cause,
): Promise<{ readonly digest: string }> {
  if (isTag(name)) {
    try {
      return await deleteTag(ctx, repository, name, policy, cause);
    } catch (error) {
      if (!(error instanceof Problem && error.code === 'MANIFEST_UNKNOWN')) throw error;
    }
  }
  throw await unknownTag(ctx, repository, name);
}

/** Throws NAME_UNKNOWN when there is not even the repository. One call. */
async function unknownTag(ctx: Context, repository: Repository, name: string): Promise<Problem> {
  await demandRepository(ctx, repository);
  return new Problem('TAG_UNKNOWN', { Tag: name.slice(0, 200) });
}

async function listAll(ctx: Context, repository: Repository, listing: Listing): Promise<TagPage> {
  const { last, limit, order } = listing;
  if (order !== 'name') {
    const all = await readRows<TagRow>(ctx, repository, { from: 't!', before: 't~' }, FIELDS);
    const named = all
      .filter(({ value }) => !isLocked(value, 'list'))
      .map(({ row, value }) => ({ name: row.slice(2), stamp: value.stamp, value }));
    const { page, next } = pageByTime(named, listing);
    return { tags: page.map(({ name, value }) => entryOf(name, value)), next };
  }
  const { rows, end } = await readTags(ctx, repository, last, limit, FIELDS);
  const tags = rows.map(({ row, value }) => entryOf(row.slice(2), value));
  return { tags, next: end && { last: end.row.slice(2) } };
}

async function listOf(
  ctx: Context,
  repository: Repository,
  listing: Listing,
  digest: Digest,
): Promise<TagPage> {
  const tags: TagEntry[] = [];
  let place: Next = listing;
  for (let round = 0; place && round < ROUNDS && tags.length < listing.limit; round++) {
    const rest = { ...listing, ...place, limit: listing.limit - tags.length };
    const { names, next } = await listNames(ctx, repository, rest, tagOfPrefix(digest));
    const found = await inTurns(names.filter(isTag), READS_AT_ONCE, async (name: Tag) => {
      const row = await ctx.records.get(tagKey(repository, name), FIELDS);
      // Moved since the names were read, or hidden.
      return row?.value.digest === digest && !isLocked(row.value, 'list') ? [entryOf(name, row.value)] : [];
    });
    tags.push(...found.flat());
    place = next;
  }
  return { tags, next: place };
}

async function listNames(ctx: Context, repository: Repository, listing: Listing, prefix: string) {
  const { last, limit, order } = listing;
  if (order !== 'name') {
    const between = { from: prefix, before: `${prefix}~` };
    const all = await readRows<TagOfRow>(ctx, repository, between, ['stamp']);
    const named = all.map(({ row, value }) => ({ name: row.slice(prefix.length), stamp: value.stamp }));
    const { page, next } = pageByTime(named, listing);
    return { names: page.map(({ name }) => name), next };
  }
  const { rows, more } = await ctx.records.range<TagOfRow>({
    table: 'repos',
    partition: repositoryPartition(repository),
    from: last === '' ? prefix : `${prefix}${askable(last)}!`,
    before: `${prefix}~`,
    limit,
    select: [],
  });
  const names = rows.map(({ row }) => row.slice(prefix.length));
  return { names, next: nextAfter(names.at(-1), more) };
}

function nextAfter(last: string | undefined, more: boolean): Next {
  return more && last !== undefined ? { last } : undefined;
}

function entryOf(
  name: string,
  { digest, created, stamp, pulled, locks }: Pick<TagRow, (typeof FIELDS)[number]>,
): TagEntry {
  return { name, digest, created, updated: stampTime(stamp), pulled, locks };
}
