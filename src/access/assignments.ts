import type { RoleAssignmentDocument } from '../model/access.ts';
import type { RegistryName } from '../model/names.ts';
import { isPattern } from '../model/permission.ts';
import { Problem } from '../model/problem.ts';
import type { Context } from '../store/context.ts';
import { updateRegistry, withRevocation } from './registry.ts';
import { changeResource, listResources } from './resources.ts';
import { roleName } from './roles.ts';

/** The roles of one Entra principal, or of all. One call per 1,000. */
export function listAssignments(
  ctx: Context,
  registry: RegistryName,
  principalId?: string,
): Promise<readonly RoleAssignmentDocument[]> {
  const prefix = principalId === undefined ? '' : `${principalId}!`;
  return listResources<RoleAssignmentDocument>(ctx, registry, 'roleAssignment', prefix);
}

/** Gives a principal a role. Throws REQUEST_INVALID for an unknown role or a pattern that is none. */
export async function putAssignment(
  ctx: Context,
  registry: RegistryName,
  id: string,
  fields: { readonly principalId: string; readonly role: string; readonly patterns: readonly string[] },
): Promise<RoleAssignmentDocument> {
  const role = roleName(fields.role);
  if (role === undefined) throw new Problem('REQUEST_INVALID', 'unknown role');
  if (!/^[0-9A-Za-z-]{1,64}$/.test(fields.principalId) || !/^[0-9A-Za-z-]{1,64}$/.test(id)) {
    throw new Problem('REQUEST_INVALID', 'ids are letters, digits and dashes');
  }
  if (!fields.patterns.every(isPattern))
    throw new Problem('REQUEST_INVALID', 'a repository pattern is not valid');
  const { principalId, patterns } = fields;
  return await changeResource<RoleAssignmentDocument, RoleAssignmentDocument>(
    ctx,
    registry,
    'roleAssignment',
    `${principalId}!${id}`,
    (current) => ({ id, principalId, role, patterns, created: current?.created ?? ctx.now() }),
  );
}

/** Takes a role back; the principal's access tokens are refused at once. False when there was none. */
export async function deleteAssignment(ctx: Context, registry: RegistryName, id: string): Promise<boolean> {
  const found = (await listAssignments(ctx, registry)).find((assignment) => assignment.id === id);
  if (!found) return false;
  const name = `${found.principalId}!${id}`;
  await changeResource<RoleAssignmentDocument, undefined>(
    ctx,
    registry,
    'roleAssignment',
    name,
    () => undefined,
  );
  const subject = entraSubject(found.principalId);
  await updateRegistry(ctx, registry, (document) => withRevocation(document, subject, ctx.now()));
  return true;
}

/** How access tokens of an Entra principal name it. */
export function entraSubject(principalId: string): string {
  return `entra:${principalId.toLowerCase()}`;
}
