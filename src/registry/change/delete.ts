import type { Cause, RegistryEvent } from '../../events/event.ts';
import { type Digest, isDigest, parseDigest } from '../../model/digest.ts';
import { type Repository, type Tag, parseTag } from '../../model/names.ts';
import { isLocked } from '../../model/policy/locks.ts';
import type { Policy } from '../../model/policy/policy.ts';
import { Problem } from '../../model/problem.ts';
import {
  type ManifestRow,
  type TagOfRow,
  manifestKey,
  referrerKey,
  referrerPrefix,
  repositoryKey,
  rowsUnder,
  tagKey,
  tagOfKey,
  tagOfPrefix,
} from '../../model/record.ts';
import type { Context } from '../../store/context.ts';
import { type Write, ifMatch, ifPresent, merge, remove } from '../../store/records.ts';
import { unknownManifest } from '../manifests.ts';
import { fallbackRemoval } from '../referrers.ts';
import { keepDeleted } from './bin.ts';
import { commitChange, demandWritable, disallowed } from './commit.ts';
import { dropHusk } from './removal/name.ts';
import { judgeUntagged } from './untagged.ts';

/** Tags deleted in one transaction: up to four rows each beside five others, 100 rows at most. */
const TAGS_PER_BATCH = 23;
/** Tags whose locks are looked at before the first goes: what one call reads. */
const TAGS_LOOKED_AT = 1000;
/** Referrers deleted between two looks at their subject. */
const REFERRERS_AT_ONCE = 100;

/**
 * Deletes a manifest, its tags and its referrers, as ACR does; referrers first, then beyond 23 tags those, the manifest
 * last, so that an interrupted call can be repeated. Referrers that are locked stay. Throws MANIFEST_UNKNOWN;
 * DISALLOWED when the repository, the manifest or one of its tags is locked. Four reads, three of them at once, and one
 * write per 23 tags; where soft delete is on, `keepDeleted` besides.
 */
export async function deleteManifest(
  ctx: Context,
  repository: Repository,
  digest: Digest,
  policy: Policy,
  cause: Cause,
): Promise<{ readonly digests: readonly string[]; readonly tags: readonly string[] }> {
  const digests: string[] = [];
  const tags: string[] = [];
  const spared = new Set<string>();
  for (;;) {
    const step = await deleteStep(ctx, repository, digest, spared, policy, cause);
    tags.push(...step.tags);
    for (const referrer of step.referrers) {
      const gone = await deleteReferrer(ctx, repository, referrer, policy, cause);
      if (gone.digests.length === 0) spared.add(referrer);
      digests.push(...gone.digests);
      tags.push(...gone.tags);
    }
    if (step.finished) return { digests: [...digests, digest], tags };
  }
}

/** What went: nothing where the referrer is locked, or gone already. */
async function deleteReferrer(
  ctx: Context,
  repository: Repository,
  digest: Digest,
  policy: Policy,
  cause: Cause,
) {
  try {
    return await deleteManifest(ctx, repository, digest, policy, cause);
  } catch (error) {
    if (error instanceof Problem && ['MANIFEST_UNKNOWN', 'DISALLOWED'].includes(error.code)) {
      return { digests: [], tags: [] };
    }
    throw error;
  }
}

interface Step {
  readonly finished: boolean;
  readonly tags: readonly string[];
  /** To be deleted before the next step. */
  readonly referrers: readonly Digest[];
}

async function deleteStep(
  ctx: Context,
  repository: Repository,
  digest: Digest,
  spared: ReadonlySet<string>,
  policy: Policy,
  cause: Cause,
): Promise<Step> {
  let step: Step = { finished: false, tags: [], referrers: [] };
  await commitChange(ctx, repository, cause, async () => {
    const before = await ctx.records.get(repositoryKey(repository));
    demandWritable(before);
    const [manifest, tagRows, referrers] = await Promise.all([
      ctx.records.get(manifestKey(repository, digest), ['subject', 'mediaType', 'size', 'locks']),
      readTagRows(ctx, repository, digest),
      readReferrers(ctx, repository, digest, spared),
    ]);
    if (!before) await dropHusk(ctx, repository);
    if (!before || !manifest) throw unknownManifest(repository, { kind: 'digest', digest });
    if (isLocked(manifest.value, 'delete', 'write')) throw disallowed('the manifest is locked');
    if (tagRows.locked !== undefined) throw disallowed(`the tag ${tagRows.locked} of the manifest is locked`);
    step = { finished: false, tags: [], referrers };
    if (referrers.length > 0) return undefined;
    const finished = !tagRows.more;
    const { tags } = tagRows;
    step = { finished, tags, referrers };
    const gone = { manifests: finished ? [digest] : [], tags };
    const keep = await keepDeleted(ctx, repository, before.value, policy, gone);
    const { mediaType, size } = manifest.value;
    const event: RegistryEvent = { action: finished ? 'delete' : 'untag', digest, tags, mediaType, size };
    return {
      repository: before,
      more: { manifests: finished ? -1 : 0, tags: -tags.length },
      events: [event],
      writes: (stamp) => [
        ...tags.flatMap((tag) => removeTag(repository, digest, tag)),
        ...(finished ? removeManifest(repository, digest, manifest) : []),
        ...keep(stamp),
      ],
    };
  });
  return step;
}

/** Tags for one transaction; the first that is locked among many more: none goes when another may not. */
async function readTagRows(ctx: Context, repository: Repository, digest: Digest) {
  const prefix = tagOfPrefix(digest);
  const { rows, more } = await ctx.records.range<TagOfRow>({
    ...rowsUnder(repository, prefix),
    limit: TAGS_LOOKED_AT,
    select: ['locked'],
  });
  const tags = rows.map(({ row }) => parseTag(row.slice(prefix.length)));
  const locked = rows.find(({ value }) => value.locked)?.row.slice(prefix.length);
  return {
    tags: tags.slice(0, TAGS_PER_BATCH),
    more: more || tags.length > TAGS_PER_BATCH,
    locked,
  };
}

/** Some of the manifests whose subject this is; the index that a client keeps under a referrers tag is none. */
async function readReferrers(
  ctx: Context,
  repository: Repository,
  digest: Digest,
  spared: ReadonlySet<string>,
): Promise<readonly Digest[]> {
  const prefix = referrerPrefix(digest);
  const { rows } = await ctx.records.range<object>({
    ...rowsUnder(repository, prefix),
    limit: Math.min(1000, REFERRERS_AT_ONCE + spared.size + 1),
    select: [],
  });
  return rows
    .map(({ row }) => row.slice(prefix.length))
    .filter(isDigest)
    .filter((referrer) => !spared.has(referrer));
}

/** The rows of a tag. The repository's row, written under its version, proves that it is as it was read. */
export function removeTag(repository: Repository, digest: Digest, tag: Tag): Write[] {
  return [
    remove(tagKey(repository, tag), ifPresent),
    remove(tagOfKey(repository, digest, tag), ifPresent),
    ...fallbackRemoval(repository, tag),
  ];
}

/** The rows of a manifest without tags. */
export function removeManifest(
  repository: Repository,
  digest: Digest,
  { value }: { readonly value: Pick<ManifestRow, 'subject'> },
): Write[] {
  const { subject } = value;
  return [
    remove(manifestKey(repository, digest), ifPresent),
    ...(subject === undefined
      ? []
      : [remove(referrerKey(repository, parseDigest(subject), digest), ifPresent)]),
  ];
}

/**
 * Removes a tag; its manifest stays and is told. Throws MANIFEST_UNKNOWN; DISALLOWED when the repository or the tag is
 * locked. Two reads at once, one write; where soft delete is on, `keepDeleted` between.
 */
export async function deleteTag(
  ctx: Context,
  repository: Repository,
  tag: Tag,
  policy: Policy,
  cause: Cause,
): Promise<{ readonly digest: string }> {
  let removed = { digest: '' };
  await commitChange(ctx, repository, cause, async () => {
    const [before, found] = await Promise.all([
      ctx.records.get(repositoryKey(repository)),
      ctx.records.get(tagKey(repository, tag), ['digest', 'mediaType', 'size', 'locks']),
    ]);
    if (!before || !found) throw unknownManifest(repository, { kind: 'tag', tag });
    demandWritable(before);
    if (isLocked(found.value, 'delete', 'write')) throw disallowed('the tag is locked');
    const { mediaType, size } = found.value;
    const digest = parseDigest(found.value.digest);
    removed = { digest };
    const keep = await keepDeleted(ctx, repository, before.value, policy, { manifests: [], tags: [tag] });
    return {
      repository: before,
      more: { tags: -1 },
      events: [{ action: 'untag', digest, tags: [tag], mediaType, size }],
      writes: (stamp) => [
        // Read beside the repository, not after it.
        remove(tagKey(repository, tag), ifMatch(found.etag)),
        remove(tagOfKey(repository, digest, tag), ifPresent),
        merge(manifestKey(repository, digest), { untagged: ctx.now() }, ifPresent),
        ...fallbackRemoval(repository, tag),
        ...keep(stamp),
      ],
    };
  });
  await judgeUntagged(ctx, repository, policy);
  return removed;
}
