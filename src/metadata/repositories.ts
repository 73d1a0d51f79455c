import { guardRepository } from '../access/settings/policy.ts';
import { type RepositoryEntry, repositoryEntry, showRepository } from '../catalog/repository.ts';
import type { RepositoryCall } from '../http/call.ts';
import type { Reply } from '../http/message.ts';
import { findMeasured, usageOf } from '../lifecycle/usage/repositories.ts';
import { attributesOf } from '../model/policy/locks.ts';
import { changeRepository } from '../registry/change/attributes.ts';
import { deleteRepository } from '../registry/change/removal/remove.ts';
import type { Context } from '../store/context.ts';
import { readChange } from './attributes.ts';
import { envelope, json, timeText } from './body.ts';

/** GET `/acr/v1/{name}`: a repository, its times and counts, and, our own, its bytes. */
export async function getRepository(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { repository } = call;
  const [entry, found] = await Promise.all([showRepository(ctx, repository), findMeasured(ctx, repository)]);
  return tell(call, entry, found);
}

/** PATCH `/acr/v1/{name}`: changes attributes. */
export async function patchRepository(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { repository, cause } = call;
  const { attributes, writeOnce } = await readChange(call.request, 'repository');
  const { readEnabled = true, writeEnabled = true } = attributes;
  // Reads and uploads look for a lock only where they are told to.
  if (!readEnabled || !writeEnabled) await guardRepository(ctx, call.registry, repository.name);
  const change = { attributes, ...(writeOnce !== undefined && { writeOnce }) };
  const entry = repositoryEntry(await changeRepository(ctx, repository, change, cause));
  return tell(call, entry, await findMeasured(ctx, repository));
}

function tell(call: RepositoryCall, entry: RepositoryEntry, found: Parameters<typeof usageOf>[1]): Reply {
  const { bytes, unique, measured } = usageOf(entry, found);
  return envelope(call, {
    createdTime: timeText(entry.created),
    lastUpdateTime: timeText(entry.updated),
    manifestCount: entry.manifests,
    tagCount: entry.tags,
    changeableAttributes: { ...attributesOf(entry), ...(entry.writeOnce && { writeOnceTags: true }) },
    size: bytes,
    ...(unique !== undefined && { uniqueSize: unique }),
    ...(measured !== undefined && { measuredTime: timeText(measured) }),
  });
}

/** DELETE `/acr/v1/{name}`: the repository with all that it holds, and what that was. */
export async function deleteWhole(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { repository, policy, cause } = call;
  const { digests, tags } = await deleteRepository(ctx, repository, policy, cause);
  return json(call, 202, { manifestsDeleted: digests, tagsDeleted: tags });
}
