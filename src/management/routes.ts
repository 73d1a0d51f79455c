import type { ManagementRight } from '../access/roles.ts';
import type { ManagementCall } from '../http/call.ts';
import type { Reply } from '../http/message.ts';
import { Problem } from '../model/problem.ts';
import type { Context } from '../store/context.ts';
import {
  getAssignments,
  getDefinitions,
  removeAssignment,
  replaceAssignment,
  showAssignment,
  showDefinition,
} from './access/assignments.ts';
import { generateCredentials, listCredentials, regenerateCredential } from './access/credentials.ts';
import {
  getScopeMaps,
  removeScopeMap,
  replaceScopeMap,
  showScopeMap,
  updateScopeMap,
} from './access/scopemaps.ts';
import { getTokens, removeToken, replaceToken, showToken, updateToken } from './access/tokens.ts';
import {
  type ArmCall,
  ArmProblem,
  REGISTRY_TYPE,
  type RegistryArmCall,
  armError,
  notFound,
  registryId,
} from './arm.ts';
import {
  checkName,
  getGroup,
  getSubscription,
  listGroups,
  listOperations,
  listResources,
  listSubscriptions,
} from './directory.ts';
import { runCollection } from './lifecycle/collect.ts';
import {
  getLifecyclePolicies,
  previewLifecyclePolicy,
  putLifecyclePolicy,
  runLifecyclePolicy,
  showLifecyclePolicy,
} from './lifecycle/policy.ts';
import { purge } from './lifecycle/purge.ts';
import {
  getPurgeSchedules,
  removePurgeSchedule,
  replacePurgeSchedule,
  showPurgeSchedule,
} from './lifecycle/schedules.ts';
import { getRegistry, listRegistries, patchRegistry, putRegistry, refuseRegistry } from './registry.ts';
import { getRepositoryUsages, listUsages } from './usages.ts';

interface Route<C> {
  /** Without case, as ARM compares. Named groups: `subscription`, `group`, `registry`, `name`. */
  readonly path: RegExp;
  readonly methods: Readonly<Record<string, (ctx: Context, call: C) => Promise<Reply>>>;
}

const SUBSCRIPTION = '/subscriptions/(?<subscription>[^/]+)';
const GROUP = `${SUBSCRIPTION}/resourceGroups/(?<group>[^/]+)`;
const REGISTRIES = '/providers/Microsoft\\.ContainerRegistry/registries';
const AUTHORIZATION = '/providers/Microsoft\\.Authorization';

/** What lies around registries. */
const directoryRoutes: readonly Route<ArmCall>[] = [
  route('/providers/Microsoft\\.ContainerRegistry/operations', { GET: listOperations }),
  route('/subscriptions', { GET: listSubscriptions }),
  route(SUBSCRIPTION, { GET: getSubscription }),
  route(`${SUBSCRIPTION}/resourceGroups`, { GET: listGroups }),
  route(GROUP, { GET: getGroup }),
  route(`${SUBSCRIPTION}/resources`, { GET: listResources }),
  route(`${GROUP}/resources`, { GET: listResources }),
  route(`${SUBSCRIPTION}${REGISTRIES}`, { GET: listRegistries }),
  route(`${GROUP}${REGISTRIES}`, { GET: listRegistries }),
  route(`${SUBSCRIPTION}/providers/Microsoft\\.ContainerRegistry/checkNameAvailability`, { POST: checkName }),
  route(`${SUBSCRIPTION}${AUTHORIZATION}/roleDefinitions`, { GET: getDefinitions }),
  route(`${SUBSCRIPTION}${AUTHORIZATION}/roleDefinitions/(?<name>[^/]+)`, { GET: showDefinition }),
];

/** A registry and what it owns. */
const registryRoutes: readonly Route<RegistryArmCall>[] = [
  inRegistry('', { GET: getRegistry, PUT: putRegistry, PATCH: patchRegistry, DELETE: refuseRegistry }),
  inRegistry('/listCredentials', { POST: listCredentials }),
  inRegistry('/regenerateCredential', { POST: regenerateCredential }),
  inRegistry('/generateCredentials', { POST: generateCredentials }),
  inRegistry('/listUsages', { GET: listUsages }),
  inRegistry('/listRepositoryUsages', { GET: getRepositoryUsages }),
  inRegistry('/scopeMaps', { GET: getScopeMaps }),
  inRegistry('/scopeMaps/(?<name>[^/]+)', {
    GET: showScopeMap,
    PUT: replaceScopeMap,
    PATCH: updateScopeMap,
    DELETE: removeScopeMap,
  }),
  inRegistry('/tokens', { GET: getTokens }),
  inRegistry('/tokens/(?<name>[^/]+)', {
    GET: showToken,
    PUT: replaceToken,
    PATCH: updateToken,
    DELETE: removeToken,
  }),
  inRegistry('/purge', { POST: purge }),
  inRegistry('/purgeSchedules', { GET: getPurgeSchedules }),
  inRegistry('/purgeSchedules/(?<name>[^/]+)', {
    GET: showPurgeSchedule,
    PUT: replacePurgeSchedule,
    DELETE: removePurgeSchedule,
  }),
  inRegistry('/lifecyclePolicies', { GET: getLifecyclePolicies }),
  inRegistry('/lifecyclePolicies/(?<name>[^/]+)', { GET: showLifecyclePolicy, PUT: putLifecyclePolicy }),
  inRegistry('/lifecyclePolicies/(?<name>[^/]+)/preview', { POST: previewLifecyclePolicy }),
  inRegistry('/lifecyclePolicies/(?<name>[^/]+)/run', { POST: runLifecyclePolicy }),
  inRegistry('/collect', { POST: runCollection }),
  inRegistry(`${AUTHORIZATION}/roleAssignments`, { GET: getAssignments }),
  inRegistry(`${AUTHORIZATION}/roleAssignments/(?<name>[^/]+)`, {
    GET: showAssignment,
    PUT: replaceAssignment,
    DELETE: removeAssignment,
  }),
  inRegistry(`${AUTHORIZATION}/roleDefinitions`, { GET: getDefinitions }),
  inRegistry(`${AUTHORIZATION}/roleDefinitions/(?<name>[^/]+)`, { GET: showDefinition }),
];

/** Calls that change nothing and reveal no secret, though their method is POST. */
const READING_POST = /(?:\/checkNameAvailability|\/lifecyclePolicies\/[^/]+\/preview)\/?$/i;

/** The right that a call of the management API needs. */
export function managementAccess(method: string, path: string): ManagementRight {
  const reads = method === 'GET' || method === 'HEAD' || (method === 'POST' && READING_POST.test(path));
  if (reads) return 'read';
  return /\/roleAssignments\//i.test(path) ? 'assign' : 'write';
}

/**
 * Answers a call of the management API (ACR wire section 6): any path below `/subscriptions` or `/providers`, of any
 * api-version. The caller is known and allowed in already; problems are answered in ARM's shape, other errors thrown.
 */
export async function manage(ctx: Context, call: ManagementCall): Promise<Reply> {
  try {
    const { method } = call.request;
    const path = call.path.length > 1 ? call.path.replace(/\/$/, '') : call.path;
    if (!call.manager.may(managementAccess(method, path))) {
      throw new Problem('DENIED', `The client '${call.manager.name}' may not ${method} over '${path}'.`);
    }
    return await dispatch(ctx, { ...call, path }, method === 'HEAD' ? 'GET' : method);
  } catch (error) {
    if (error instanceof Problem) return armError(error);
    throw error;
  }
}

async function dispatch(ctx: Context, call: ManagementCall, method: string): Promise<Reply> {
  for (const row of directoryRoutes) {
    const groups = row.path.exec(call.path)?.groups;
    if (groups) return await operation(row, method)(ctx, target(call, groups));
  }
  for (const row of registryRoutes) {
    const groups = row.path.exec(call.path)?.groups;
    if (!groups) continue;
    const { subscription, group, name } = target(call, groups);
    const given = groups['registry'] ?? '';
    const registry = call.registries.find((known) => known === given.toLowerCase());
    if (!registry && method === 'PUT' && row === registryRoutes[0]) return await refuseRegistry();
    if (!registry) throw notFound(REGISTRY_TYPE, given);
    const id = registryId(subscription, group, registry);
    return await operation(row, method)(ctx, { ...call, subscription, group, name, registry, id });
  }
  throw new ArmProblem('NOT_FOUND', 'ResourceNotFound', `There is nothing at '${call.path.slice(0, 500)}'.`);
}

function target(call: ManagementCall, groups: Readonly<Record<string, string | undefined>>): ArmCall {
  const { subscription = '', group = '', name = '' } = groups;
  return { ...call, subscription, group, name };
}

function operation<C>({ methods }: Route<C>, method: string): Route<C>['methods'][string] {
  const found = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (found) return found;
  const message = `The method ${method.slice(0, 20)} is not supported here.`;
  throw new Problem('METHOD_NOT_ALLOWED', message, { headers: { allow: Object.keys(methods).join(', ') } });
}

function inRegistry(tail: string, methods: Route<RegistryArmCall>['methods']): Route<RegistryArmCall> {
  return route(`${GROUP}${REGISTRIES}/(?<registry>[^/]+)${tail}`, methods);
}

/** The empty group `end` gives every match its groups, even where a path names nothing. */
function route<C>(path: string, methods: Route<C>['methods']): Route<C> {
  return { path: new RegExp(`^${path}(?<end>)$`, 'i'), methods };
}
