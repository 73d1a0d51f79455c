import type { Cause } from '../../events/event.ts';
import type { Reference, Repository, Tag } from '../../model/names.ts';
import { isLocked } from '../../model/policy/locks.ts';
import { repositoryKey, tagKey } from '../../model/record.ts';
import type { Context } from '../../store/context.ts';
import { demandRoom, demandWritable, disallowed } from '../change/commit.ts';
import { putManifest } from '../change/push.ts';
import { type ManifestInfo, type Reading, readManifest } from '../manifests.ts';
import { copyParts, storedManifest } from './parts.ts';

/** What a tag is to name. */
export interface Source {
  readonly repository: Repository;
  readonly reference: Reference;
}

/**
 * Points a tag at a manifest of its repository, or of another, from which it is copied with all that it needs. Whatever
 * holds for pulls of the source and pushes of the target holds here, and throws. `changed` is false where the tag names
 * it already. Three reads at once, then a push; `copyParts` between them.
 */
export async function setTag(
  ctx: Context,
  repository: Repository,
  tag: Tag,
  source: Source,
  reading: Reading,
  cause: Cause,
): Promise<ManifestInfo & { readonly changed: boolean }> {
  const [found, current, owner] = await Promise.all([
    readManifest(ctx, source.repository, source.reference, reading),
    ctx.records.get(tagKey(repository, tag), ['digest', 'locks']),
    ctx.records.get(repositoryKey(repository)),
  ]);
  const { digest, mediaType, size } = found;
  if (current?.value.digest === digest) return { digest, mediaType, size, changed: false };
  // The push looks again; this spares a copy that cannot end well.
  demandRoom(reading.policy);
  demandWritable(owner);
  if (isLocked(current?.value, 'write')) throw disallowed(`the tag ${tag} is locked`);
  const manifest = storedManifest(found);
  const here = source.repository.name === repository.name;
  if (!here) await copyParts(ctx, { from: source.repository, to: repository, reading, cause }, manifest);
  await putManifest(ctx, repository, manifest, [tag], reading.policy, cause, here);
  return { digest, mediaType, size, changed: true };
}
