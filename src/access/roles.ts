import type { RoleAssignmentDocument } from '../model/access.ts';
import type { RegistryName } from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import type { Context } from '../store/context.ts';
import { type Action, type Grants, isPattern } from './permission.ts';
import { changeRights } from './registry.ts';
import { listResources } from './resources.ts';

/** What the management API asks for: reading, changing, and giving others rights, which Azure leaves to owners. */
export type ManagementRight = 'read' | 'write' | 'assign';

interface Role {
  /** Azure's id of the role definition, where it has a published one. */
  readonly id: string;
  readonly actions: readonly Action[];
  readonly catalog: boolean;
  /** In which permission mode of the registry it gives data access (ACR features section 4). */
  readonly mode: 'registry' | 'repository';
  /** May manage the registry through the management API. */
  readonly manages: readonly ManagementRight[];
}

const READ = ['pull', 'metadata_read'] as const;
/** What owners, contributors and the admin user may do: all but quarantine, which has roles of its own. */
export const EVERYTHING = [
  'pull',
  'push',
  'delete',
  'metadata_read',
  'metadata_write',
  'deleted_read',
  'deleted_restore',
] as const;

/** Azure's built-in roles and what they mean here: documentation and rule at once. */
export const roles: Readonly<Record<string, Role>> = {
  AcrPull: role('7f951dda-4ed3-4680-a7ca-43fe172d538d', [...READ], true, 'registry'),
  AcrPush: role('8311e382-0749-4cb8-b61a-304f252e45ec', [...READ, 'push'], true, 'registry'),
  AcrDelete: role('c2f4ef07-c644-48eb-af81-4b1b4947fb11', ['delete'], false, 'registry'),
  AcrQuarantineReader: role(
    'cdda3590-29a3-44f6-95f2-9f980659eb04',
    [...READ, 'quarantine_read'],
    false,
    'registry',
  ),
  AcrQuarantineWriter: role(
    'c8d4ff99-41c3-41a8-9f60-21dfdad59608',
    [...READ, 'quarantine_read', 'quarantine_write'],
    false,
    'registry',
  ),
  Owner: role('8e3af657-a8ff-443c-a75c-2fe8c4bcb635', [...EVERYTHING], true, 'registry', [
    'read',
    'write',
    'assign',
  ]),
  Contributor: role('b24988ac-6180-42a0-ab88-20f7382dd24c', [...EVERYTHING], true, 'registry', [
    'read',
    'write',
  ]),
  Reader: role('acdd72a7-3385-48ef-bd42-f606fba81ae7', [...READ], true, 'registry', ['read']),
  'Container Registry Repository Reader': role(
    'b93aa761-3e63-49ed-ac28-beffa264f7ac',
    [...READ],
    false,
    'repository',
  ),
  'Container Registry Repository Writer': role(
    '2a1e307c-b015-4ebd-883e-5b7698a07328',
    [...READ, 'push', 'metadata_write'],
    false,
    'repository',
  ),
  'Container Registry Repository Contributor': role(
    '2efddaa5-3f1f-4df3-97df-af3f13818f4c',
    [...READ, 'push', 'delete', 'metadata_write'],
    false,
    'repository',
  ),
  'Container Registry Repository Catalog Lister': role(
    'bfdb9389-c9a5-478a-bb2f-ba9ca092c3c7',
    [],
    true,
    'repository',
  ),
};

/** The name of a role given by name or by the end of its definition's id; undefined for one we do not know. */
export function roleName(nameOrId: string): string | undefined {
  const last = nameOrId.split('/').at(-1)?.toLowerCase();
  return Object.keys(roles).find((name) => name === nameOrId || roles[name]?.id === last);
}

/** What somebody's role assignments allow in the registry's permission mode. */
export function grantsOfRoles(
  assignments: readonly RoleAssignmentDocument[],
  repositoryRoles: boolean,
): Grants {
  const mode = repositoryRoles ? 'repository' : 'registry';
  const active = assignments.flatMap((assignment) => {
    const found = roles[assignment.role];
    return found?.mode === mode ? [{ found, patterns: assignment.patterns }] : [];
  });
  return {
    repositories: active.flatMap(({ found, patterns }) =>
      patterns.map((pattern) => ({ pattern, actions: found.actions })),
    ),
    catalog: active.some(({ found }) => found.catalog),
  };
}

/** Whether somebody's roles give a right of the management API. */
export function mayManage(assignments: readonly RoleAssignmentDocument[], right: ManagementRight): boolean {
  return assignments.some(({ role: name }) => roles[name]?.manages.includes(right));
}

function role(
  id: string,
  actions: readonly Action[],
  catalog: boolean,
  mode: Role['mode'],
  manages: Role['manages'] = [],
): Role {
  return { id, actions, catalog, mode, manages };
}

/** The roles of one Entra principal, or of all. One call per 1,000. */
export function listAssignments(
  ctx: Context,
  registry: RegistryName,
  principalId?: string,
): Promise<readonly RoleAssignmentDocument[]> {
  const prefix = principalId === undefined ? '' : `${principalId}!`;
  return listResources<RoleAssignmentDocument>(ctx, registry, 'roleAssignment', prefix);
}

/**
 * Gives a principal a role, or changes where it holds; the principal's access tokens are then refused at once. Throws
 * REQUEST_INVALID for an unknown role or a pattern that is none.
 */
export async function putAssignment(
  ctx: Context,
  registry: RegistryName,
  id: string,
  fields: Omit<RoleAssignmentDocument, 'id' | 'created'>,
): Promise<RoleAssignmentDocument> {
  const known = roleName(fields.role);
  if (known === undefined) throw new Problem('REQUEST_INVALID', 'unknown role');
  if (!/^[0-9A-Za-z-]{1,64}$/.test(fields.principalId) || !/^[0-9A-Za-z-]{1,64}$/.test(id)) {
    throw new Problem('REQUEST_INVALID', 'ids are letters, digits and dashes');
  }
  if (!fields.patterns.every(isPattern))
    throw new Problem('REQUEST_INVALID', 'a repository pattern is not valid');
  return await changeRights<RoleAssignmentDocument, RoleAssignmentDocument>(
    ctx,
    registry,
    'roleAssignment',
    `${fields.principalId}!${id}`,
    (current) => ({
      next: { ...fields, id, role: known, created: current?.created ?? ctx.now() },
      narrowed: current !== undefined,
    }),
    () => Promise.resolve([entraSubject(fields.principalId)]),
  );
}

/** Takes a role back; the principal's access tokens are refused at once. False when there was none. */
export async function deleteAssignment(ctx: Context, registry: RegistryName, id: string): Promise<boolean> {
  const found = (await listAssignments(ctx, registry)).find((assignment) => assignment.id === id);
  if (!found) return false;
  await changeRights<RoleAssignmentDocument, undefined>(
    ctx,
    registry,
    'roleAssignment',
    `${found.principalId}!${id}`,
    () => ({ next: undefined, narrowed: true }),
    () => Promise.resolve([entraSubject(found.principalId)]),
  );
  return true;
}

/** How access tokens of an Entra principal name it. */
export function entraSubject(principalId: string): string {
  return `entra:${principalId.toLowerCase()}`;
}
