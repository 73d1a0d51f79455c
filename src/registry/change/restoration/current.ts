import type { Digest } from '../../../model/digest.ts';
import type { Repository, Tag } from '../../../model/names.ts';
import { isLocked } from '../../../model/policy/locks.ts';
import { Problem } from '../../../model/problem.ts';
import {
  type DeletedManifestRow,
  type DeletedRepositoryRow,
  type DeletedTagRow,
  type ManifestRow,
  type RepositoryRow,
  type TagRow,
  deletedManifestKey,
  deletedRepositoryKey,
  deletedTagPrefix,
  manifestKey,
  repositoryKey,
  rowsUnder,
  tagKey,
} from '../../../model/record.ts';
import type { Context } from '../../../store/context.ts';
import { readRange } from '../../../store/paging.ts';
import type { Found } from '../../../store/records.ts';
import { unknownManifest } from '../../manifests.ts';
import { demandWritable, disallowed } from '../commit.ts';

/** What is to be restored. */
export interface Restoration {
  readonly digest: Digest;
  /** One of the tags that were taken from it; undefined for the manifest alone. */
  readonly tag: Tag | undefined;
  /** Takes the tag away from the manifest that has it now. */
  readonly force: boolean;
}

/** What there is of it now. */
export interface Current {
  readonly repository: Found<RepositoryRow> | undefined;
  /** What it was when something was last deleted in it; read where it is gone. */
  readonly gone: DeletedRepositoryRow | undefined;
  readonly manifest: Found<ManifestRow> | undefined;
  readonly deleted: Found<DeletedManifestRow> | undefined;
  readonly tag: Found<TagRow> | undefined;
  /** When the tag was taken from this manifest, in order. */
  readonly deletions: readonly Found<DeletedTagRow>[];
}

/** Five calls at once, the last of them one per 1,000 deletions of the tag; one more where the repository is gone. */
export async function readCurrent(
  ctx: Context,
  repository: Repository,
  { digest, tag }: Restoration,
): Promise<Current> {
  const [found, manifest, deleted, pointed, deletions] = await Promise.all([
    ctx.records.get(repositoryKey(repository)),
    ctx.records.get(manifestKey(repository, digest)),
    ctx.records.get(deletedManifestKey(repository, digest)),
    tag === undefined ? undefined : ctx.records.get(tagKey(repository, tag)),
    tag === undefined ? [] : readDeletions(ctx, repository, tag),
  ]);
  const gone = found ? undefined : await ctx.records.get(deletedRepositoryKey(repository));
  return {
    repository: found,
    gone: gone?.value,
    manifest,
    deleted,
    tag: pointed,
    deletions: deletions.filter(({ value }) => value.digest === digest),
  };
}

/** One call per 1,000. */
async function readDeletions(ctx: Context, repository: Repository, tag: Tag) {
  return await readRange<DeletedTagRow>(ctx, rowsUnder(repository, deletedTagPrefix(tag)));
}

/**
 * Whether the tag is to be written. Throws MANIFEST_UNKNOWN, TAG_UNKNOWN, DISALLOWED, CONFLICT where what is wanted
 * cannot or may not be.
 */
export function checkAllowed(
  repository: Repository,
  { digest, tag, force }: Restoration,
  { repository: owner, manifest, deleted, tag: found, deletions }: Current,
): { readonly moves: boolean } {
  demandWritable(owner);
  if (!manifest && !deleted) throw unknownManifest(repository, { kind: 'digest', digest });
  if (tag === undefined || found?.value.digest === digest) return { moves: false };
  if (deletions.length === 0) {
    const message = 'no such tag was taken from this manifest, or not so lately';
    throw new Problem('TAG_UNKNOWN', { Tag: tag, Revision: digest }, { message });
  }
  if (!found) return { moves: true };
  if (isLocked(found.value, 'write')) throw disallowed(`the tag ${tag} is locked`);
  if (owner?.value.writeOnce) {
    throw disallowed(`the tag ${tag} is there, and tags of this repository are written once`);
  }
  if (!force) {
    const message = 'another manifest has this tag: it loses it when the restoration is forced';
    throw new Problem('CONFLICT', { Tag: tag, Revision: found.value.digest }, { message });
  }
  return { moves: true };
}
