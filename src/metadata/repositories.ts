import { showRepository } from '../catalog/repository.ts';
import type { RepositoryCall } from '../http/call.ts';
import type { Reply } from '../http/message.ts';
import { deleteRepository } from '../registry/change/removal/remove.ts';
import type { Context } from '../store/context.ts';
import { attributes, envelope, json, timeText } from './body.ts';

/** GET `/acr/v1/{name}`: a repository, its times and counts. */
export async function getRepository(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { created, updated, manifests, tags } = await showRepository(ctx, call.repository);
  return envelope(call, {
    createdTime: timeText(created),
    lastUpdateTime: timeText(updated),
    manifestCount: manifests,
    tagCount: tags,
    changeableAttributes: attributes,
  });
}

/** DELETE `/acr/v1/{name}`: the repository with all that it holds, and what that was. */
export async function deleteWhole(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { repository, policy, cause } = call;
  const { digests, tags } = await deleteRepository(ctx, repository, policy, cause);
  return json(call, 202, { manifestsDeleted: digests, tagsDeleted: tags });
}
