import { type Digest, parseDigest } from '../../model/digest.ts';
import type { Repository, Tag } from '../../model/names.ts';
import type { Policy } from '../../model/policy/policy.ts';
import {
  type RepositoryRow,
  type TagRow,
  deletedManifestKey,
  deletedRepositoryKey,
  deletedTagKey,
  manifestKey,
  tagKey,
} from '../../model/record.ts';
import type { Stamp } from '../../model/stamp.ts';
import type { Context } from '../../store/context.ts';
import { type Write, always, put } from '../../store/records.ts';

/** Manifests kept in one transaction: up to 164 KiB each of its 4 MiB. */
export const KEPT_AT_ONCE = 20;

/** Writes for the transaction with this stamp. */
export type Keep = (stamp: Stamp) => readonly Write[];

/**
 * What must be written besides when manifests and tags are deleted, so that they can be restored as long as the policy
 * says: one row for each. At most KEPT_AT_ONCE manifests. To be called when the deletion is sure but for its commit,
 * after `before`, the repository's row, was read; the commit must prove that row. Also puts the repository on the list
 * of those with something to restore, first: none that has is ever missing there. No call where soft delete is off;
 * else one for each manifest and tag and one more, all at once.
 */
export async function keepDeleted(
  ctx: Context,
  repository: Repository,
  before: RepositoryRow,
  policy: Policy,
  gone: { readonly manifests: readonly Digest[]; readonly tags: readonly Tag[] },
): Promise<Keep> {
  if (policy.softDeleteDays === undefined) return () => [];
  const deleted = ctx.now();
  const list = deletedRepositoryKey(repository);
  const { name, created, locks, writeOnce } = before;
  const listed = { name, created, ...(locks && { locks }), ...(writeOnce && { writeOnce }), deleted };
  const [manifests, tags] = await Promise.all([
    Promise.all(gone.manifests.map((digest) => ctx.records.get(manifestKey(repository, digest)))),
    Promise.all(gone.tags.map((tag) => readTag(ctx, repository, tag))),
    ctx.records.batch(list.table, list.partition, [put(list, listed, always)]),
  ]);
  const rows = manifests.flatMap((found) => (found ? [found.value] : []));
  return (stamp) => [
    ...rows.map((row) =>
      put(deletedManifestKey(repository, parseDigest(row.digest)), { ...row, deleted }, always),
    ),
    ...tags.flatMap(({ tag, row }) => (row ? [keepTag(repository, tag, row, deleted, stamp)] : [])),
  ];
}

type KeptTag = Pick<TagRow, (typeof KEPT)[number]>;
const KEPT = ['digest', 'created', 'locks', 'pulled'] as const;

async function readTag(ctx: Context, repository: Repository, tag: Tag) {
  return { tag, row: (await ctx.records.get(tagKey(repository, tag), KEPT))?.value };
}

/** The row that a tag is restored from. */
export function keepTag(
  repository: Repository,
  tag: Tag,
  { digest, created, locks, pulled }: KeptTag,
  deleted: number,
  stamp: Stamp,
): Write {
  const more = { ...(locks && { locks }), ...(pulled !== undefined && { pulled }) };
  const key = deletedTagKey(repository, tag, stamp, parseDigest(digest));
  return put(key, { digest, created, ...more, deleted }, always);
}
