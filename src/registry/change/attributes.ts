import type { Cause, RegistryEvent } from '../../events/event.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import type { Repository, Tag } from '../../model/names.ts';
import { type Attributes, type Lockable, isLocked, locksAfter } from '../../model/policy/locks.ts';
import type { Policy } from '../../model/policy/policy.ts';
import { type QuarantineState, isHeld } from '../../model/policy/quarantine.ts';
import { Problem } from '../../model/problem.ts';
import {
  type ManifestRow,
  type RepositoryRow,
  type StoredBytes,
  type TagRow,
  manifestKey,
  referrerKey,
  repositoryKey,
  rowsUnder,
  tagKey,
  tagOfKey,
  tagOfPrefix,
} from '../../model/record.ts';
import type { Context } from '../../store/context.ts';
import { type Found, type Write, ifMatch, ifPresent, merge } from '../../store/records.ts';
import { unknownManifest } from '../manifests.ts';
import { type Plan, alignCatalog, commitChange } from './commit.ts';

/** What a change says; what is left out stays as it is. */
export interface ManifestChange {
  readonly attributes: Partial<Attributes>;
  readonly state?: QuarantineState;
  /** JSON of the scanner's own, at most 30,000 characters. */
  readonly details?: string;
}

export interface RepositoryChange {
  readonly attributes: Partial<Attributes>;
  /** Tags, once set, keep their manifest. */
  readonly writeOnce?: boolean;
}

/** Tags named in one event, whose row holds 32 Ki characters; those beyond EVENT_TAGS are not told. */
const TAGS_PER_EVENT = 100;
const EVENT_TAGS = 1000;

/** All but the bytes. */
const TAG_FIELDS = ['digest', 'mediaType', 'size', 'created', 'stamp', 'pulled', 'locks'] as const;

/** What a plan found, as it will be, and how to make it so; no plan where it is so already. */
interface Planned<R> {
  readonly row: R;
  readonly plan?: Plan | undefined;
}

/**
 * Changes attributes of a tag; its manifest's stay. Gives the row as it is then, without bytes. Throws NAME_UNKNOWN,
 * TAG_UNKNOWN. Two reads at once, one write; none where nothing changes.
 */
export async function changeTag(
  ctx: Context,
  repository: Repository,
  tag: Tag,
  attributes: Partial<Attributes>,
  cause: Cause,
): Promise<TagRow> {
  return await changeRow(ctx, repository, cause, async () => {
    const [before, found] = await Promise.all([
      ctx.records.get(repositoryKey(repository)),
      ctx.records.get(tagKey(repository, tag), TAG_FIELDS),
    ]);
    if (!before) throw unknownRepository(repository);
    if (!found) throw new Problem('TAG_UNKNOWN', { Tag: tag });
    const locks = locksAfter(found.value, attributes);
    const row = { ...found.value, locks };
    if (!differ(found.value, row)) return { row };
    const digest = parseDigest(row.digest);
    const writes = [
      // Read beside the repository, not after it.
      merge(tagKey(repository, tag), { locks }, ifMatch(found.etag)),
      merge(tagOfKey(repository, digest, tag), { locked: isLocked(row, 'delete', 'write') }, ifPresent),
    ];
    return { row, plan: planUpdate(before, [{ ...updateOf(row), tag }], writes) };
  });
}

/**
 * Changes attributes and quarantine of a manifest. One that the policy held and that passes now is told as pushed, under
 * the tags that it has. Gives the row as it is then. Throws NAME_UNKNOWN, MANIFEST_UNKNOWN. Two reads at once, one
 * write; none where nothing changes, and one more read where it passes.
 */
export async function changeManifest(
  ctx: Context,
  repository: Repository,
  digest: Digest,
  { attributes, state, details }: ManifestChange,
  policy: Policy,
  cause: Cause,
): Promise<ManifestRow> {
  return await changeRow(ctx, repository, cause, async () => {
    const [before, found] = await Promise.all([
      ctx.records.get(repositoryKey(repository)),
      ctx.records.get(manifestKey(repository, digest)),
    ]);
    if (!before) throw unknownRepository(repository);
    if (!found) throw unknownManifest(repository, { kind: 'digest', digest });
    const change = {
      locks: locksAfter(found.value, attributes),
      ...(state !== undefined && { quarantine: state }),
      ...(details !== undefined && { quarantineDetails: details }),
    };
    const row = { ...found.value, ...change };
    if (!differ(found.value, row)) return { row };
    const { subject } = row;
    const hidden = isLocked(row, 'list');
    const writes = [
      merge(manifestKey(repository, digest), change, ifMatch(found.etag)),
      ...(subject === undefined
        ? []
        : [merge(referrerKey(repository, parseDigest(subject), digest), { hidden }, ifPresent)]),
    ];
    const passes = isHeld(policy, found.value.quarantine) && !isHeld(policy, row.quarantine);
    const events = passes ? await pushesOf(ctx, repository, digest, row) : [updateOf(row)];
    return { row, plan: planUpdate(before, events, writes) };
  });
}

/**
 * Changes attributes of a repository, afterwards its place in the catalog. Gives the row as it is then. Throws
 * NAME_UNKNOWN. One read, one write; none where nothing changes; `alignCatalog` where `listEnabled` is named.
 */
export async function changeRepository(
  ctx: Context,
  repository: Repository,
  { attributes, writeOnce }: RepositoryChange,
  cause: Cause,
): Promise<RepositoryRow> {
  const changed = await changeRow(ctx, repository, cause, async () => {
    const before = await ctx.records.get(repositoryKey(repository));
    if (!before) throw unknownRepository(repository);
    const locks = locksAfter(before.value, attributes);
    const change = { locks, ...(writeOnce !== undefined && { writeOnce }) };
    const row = { ...before.value, ...change };
    const same = !differ(before.value, row) && Boolean(before.value.writeOnce) === Boolean(row.writeOnce);
    if (same) return { row };
    const event: RegistryEvent = { action: 'update', digest: '', tags: [], mediaType: '', size: 0 };
    return { row, plan: { ...planUpdate(before, [event], []), set: () => change } };
  });
  // Also where nothing changed: the try before may have come no further.
  if (attributes.listEnabled !== undefined) await alignCatalog(ctx, repository);
  return changed;
}

/** Runs a change, and gives the row of the plan that was carried out. */
async function changeRow<R>(
  ctx: Context,
  repository: Repository,
  cause: Cause,
  plan: () => Promise<Planned<R>>,
): Promise<R> {
  const rows: R[] = [];
  await commitChange(ctx, repository, cause, async () => {
    const planned = await plan();
    rows.push(planned.row);
    return planned.plan;
  });
  const row = rows.at(-1);
  if (row === undefined) throw new Error('a change without a plan');
  return row;
}

type Changeable = Lockable & Pick<ManifestRow, 'quarantine' | 'quarantineDetails'>;

function differ(before: Changeable, after: Changeable): boolean {
  return (
    (before.locks ?? '') !== (after.locks ?? '') ||
    before.quarantine !== after.quarantine ||
    before.quarantineDetails !== after.quarantineDetails
  );
}

/** A change after which everything is where it was. */
function planUpdate(
  repository: Found<RepositoryRow>,
  events: readonly RegistryEvent[],
  writes: readonly Write[],
): Plan {
  return { repository, more: {}, events, writes: () => writes };
}

function updateOf({ digest, mediaType, size }: StoredBytes): RegistryEvent {
  return { action: 'update', digest, tags: [], mediaType, size };
}

async function pushesOf(
  ctx: Context,
  repository: Repository,
  digest: Digest,
  { mediaType, size }: StoredBytes,
): Promise<readonly RegistryEvent[]> {
  const prefix = tagOfPrefix(digest);
  const { rows } = await ctx.records.range<object>({
    ...rowsUnder(repository, prefix),
    limit: EVENT_TAGS,
    select: [],
  });
  const tags = rows.map(({ row }) => row.slice(prefix.length));
  const count = Math.max(1, Math.ceil(tags.length / TAGS_PER_EVENT));
  return Array.from({ length: count }, (_, i) => ({
    action: 'push',
    digest,
    tags: tags.slice(i * TAGS_PER_EVENT, (i + 1) * TAGS_PER_EVENT),
    mediaType,
    size,
  }));
}

function unknownRepository({ name }: Repository): Problem {
  return new Problem('NAME_UNKNOWN', { name });
}
