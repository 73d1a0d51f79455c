import { deleteAssignment, listAssignments, putAssignment, roleName, roles } from '../../access/roles.ts';
import type { Reply } from '../../http/message.ts';
import type { RoleAssignmentDocument } from '../../model/access.ts';
import type { Context } from '../../store/context.ts';
import {
  type ArmCall,
  ArmProblem,
  type RegistryArmCall,
  answer,
  armTime,
  invalid,
  list,
  notFound,
} from '../arm.ts';
import { needed, readBody } from '../body.ts';
import { parseCondition } from './condition.ts';

const TYPE = 'Microsoft.Authorization/roleAssignments';
const DEFINITIONS = 'Microsoft.Authorization/roleDefinitions';
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** GET roleAssignments of a registry; `$filter=principalId eq '…'` or `assignedTo('…')` for those of one principal. */
export async function getAssignments(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  const filter = call.query.get('$filter') ?? '';
  const principal = /^(?:principalId eq '([^']+)'|assignedTo\('([^']+)'\))$/i.exec(filter);
  if (!principal && !/^(?:|atScope\(\))$/i.test(filter))
    throw invalid("Only the filters atScope(), principalId eq '…' and assignedTo('…') are supported.");
  const found = await listAssignments(ctx, call.registry, principal?.[1] ?? principal?.[2]);
  return list(found.map((assignment) => resource(call, assignment)));
}

/** GET roleAssignments/{guid}. */
export async function showAssignment(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  const found = await find(ctx, call);
  if (!found) throw notFound(TYPE, call.name);
  return answer(200, resource(call, found));
}

/**
 * PUT roleAssignments/{guid}: gives a principal a role; later ones may change condition and description alone, as in
 * Azure.
 */
export async function replaceAssignment(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  if (!GUID.test(call.name)) throw invalid('The name of a role assignment must be a GUID.');
  const fields = await readAssignment(call);
  const all = await listAssignments(ctx, call.registry);
  const id = call.name.toLowerCase();
  const existing = all.find((one) => one.id === id);
  const same = (one: RoleAssignmentDocument): boolean =>
    one.role === fields.role && one.principalId.toLowerCase() === fields.principalId;
  if (existing && !same(existing)) {
    throw new ArmProblem(
      'REQUEST_INVALID',
      'RoleAssignmentUpdateNotPermitted',
      'Role and principal of a role assignment cannot be changed; delete it and make another.',
    );
  }
  if (!existing && all.some(same)) {
    const message = 'The role assignment already exists.';
    throw new ArmProblem('CONFLICT', 'RoleAssignmentExists', message);
  }
  const assignment = await putAssignment(ctx, call.registry, id, fields);
  return answer(existing ? 200 : 201, resource(call, assignment));
}

/** DELETE roleAssignments/{guid}: answers what it was. */
export async function removeAssignment(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  const found = await find(ctx, call);
  if (!found || !(await deleteAssignment(ctx, call.registry, found.id)))
    return { status: 204, headers: { 'content-length': '0' } };
  return answer(200, resource(call, found));
}

/** GET roleDefinitions: Azure's built-in roles that mean something here; `$filter=roleName eq '…'` for one. */
export async function getDefinitions(_ctx: Context, call: ArmCall): Promise<Reply> {
  const filter = call.query.get('$filter') ?? '';
  const [, name] = /^roleName eq '([^']*)'$/i.exec(filter) ?? [];
  if (filter !== '' && name === undefined && !/^type eq 'BuiltInRole'$/i.test(filter))
    throw invalid("Only the filter roleName eq '…' is supported.");
  const wanted = Object.keys(roles).filter((role) => name === undefined || sameText(role, name));
  return list(wanted.map((role) => definition(call, role)));
}

/** GET roleDefinitions/{guid}. */
export async function showDefinition(_ctx: Context, call: ArmCall): Promise<Reply> {
  const name = roleName(call.name);
  if (name === undefined) throw notFound(DEFINITIONS, call.name);
  return answer(200, definition(call, name));
}

async function find(ctx: Context, { registry, name }: RegistryArmCall) {
  return (await listAssignments(ctx, registry)).find((one) => sameText(one.id, name));
}

async function readAssignment({ request, id }: RegistryArmCall) {
  const body = (await readBody(request)).only('id', 'name', 'type', 'properties');
  const fields = body.object('properties');
  if (!fields) throw invalid("The property 'properties' is required.");
  fields.only(
    'roleDefinitionId',
    'principalId',
    'principalType',
    'condition',
    'conditionVersion',
    'description',
    'scope',
    'createdOn',
    'updatedOn',
    'createdBy',
    'updatedBy',
  );
  const scope = fields.text('scope');
  if (scope !== undefined && !sameText(scope, id))
    throw invalid('The scope must be the registry of the path.');
  const given = needed(fields.text('roleDefinitionId'), 'properties.roleDefinitionId');
  const role = roleName(given);
  const actions = role === undefined ? undefined : roles[role];
  if (role === undefined || !actions) {
    const known = Object.keys(roles).join(', ');
    const message = `The role definition '${given.slice(0, 200)}' is not one of: ${known}.`;
    throw new ArmProblem('REQUEST_INVALID', 'RoleDefinitionDoesNotExist', message);
  }
  const principalId = needed(fields.text('principalId'), 'properties.principalId').toLowerCase();
  if (!GUID.test(principalId)) throw invalid("The property 'properties.principalId' must be a GUID.");
  const version = fields.text('conditionVersion');
  const condition = fields.text('condition') || undefined;
  if (condition !== undefined && version !== undefined && version !== '2.0')
    throw invalid("The property 'properties.conditionVersion' must be 2.0.");
  if (condition !== undefined && (actions.mode !== 'repository' || actions.actions.length === 0))
    throw invalid(`The role '${role}' takes no condition; the repository roles do.`);
  const patterns = condition === undefined ? ['*'] : parseCondition(condition, actions.actions);
  const description = fields.text('description');
  const principalType = fields.choice('principalType', [
    'User',
    'Group',
    'ServicePrincipal',
    'ForeignGroup',
    'Device',
  ]);
  return {
    principalId,
    role,
    patterns,
    ...(condition !== undefined && { condition }),
    ...(description !== undefined && { description }),
    ...(principalType !== undefined && { principalType }),
  };
}

function resource(call: RegistryArmCall, assignment: RoleAssignmentDocument): unknown {
  const { id, role, principalId, principalType, condition, description, created } = assignment;
  return {
    id: `${call.id}/providers/${TYPE}/${id}`,
    name: id,
    type: TYPE,
    properties: {
      roleDefinitionId: definitionId(call, role),
      principalId,
      principalType: principalType ?? 'ServicePrincipal',
      scope: call.id,
      condition: condition ?? null,
      conditionVersion: condition === undefined ? null : '2.0',
      description: description ?? null,
      createdOn: armTime(created),
      updatedOn: armTime(created),
    },
  };
}

function definition(call: ArmCall, roleTitle: string): unknown {
  return {
    id: definitionId(call, roleTitle),
    name: roles[roleTitle]?.id ?? roleTitle,
    type: DEFINITIONS,
    properties: { roleName: roleTitle, type: 'BuiltInRole', assignableScopes: ['/'], permissions: [] },
  };
}

function definitionId({ subscription }: ArmCall, role: string): string {
  return `/subscriptions/${subscription}/providers/${DEFINITIONS}/${roles[role]?.id ?? role}`;
}

function sameText(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
