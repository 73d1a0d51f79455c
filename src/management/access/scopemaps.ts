import { currentRegistry } from '../../access/registry.ts';
import {
  deleteScopeMap,
  getScopeMap,
  isSystemScopeMap,
  listScopeMaps,
  putScopeMap,
} from '../../access/scopemaps.ts';
import type { Reply } from '../../http/message.ts';
import type { ScopeMapDocument } from '../../model/access.ts';
import type { Context } from '../../store/context.ts';
import { type RegistryArmCall, answer, child, deleted, invalid, list, notFound } from '../arm.ts';
import { type Fields, needed, readBody } from '../body.ts';
import { checkQuota } from '../usages.ts';

const TYPE = 'Microsoft.ContainerRegistry/registries/scopeMaps';

/** GET scopeMaps: the system's first, then the registry's by name. */
export async function getScopeMaps(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  const [maps, { created }] = await Promise.all([
    listScopeMaps(ctx, call.registry),
    currentRegistry(ctx, call.registry),
  ]);
  return list(maps.map((map) => resource(call, map, created)));
}

/** GET scopeMaps/{name}. */
export async function showScopeMap(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  const map = await getScopeMap(ctx, call.registry, call.name);
  if (!map) throw notFound(TYPE, call.name);
  return await show(ctx, call, map);
}

/** PUT scopeMaps/{name}: all of it. */
export async function replaceScopeMap(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  const fields = await readProperties(call);
  const actions = needed(fields.texts('actions'), 'properties.actions');
  const description = fields.text('description') ?? '';
  const existing = await getScopeMap(ctx, call.registry, call.name);
  if (existing && isSystemScopeMap(existing.name)) {
    // Templates exported from a registry hold its system scope maps; what they say is so already.
    if (same(existing, actions)) return await show(ctx, call, existing);
  } else if (!existing) await checkQuota(ctx, call, 'scopeMaps');
  return await show(ctx, call, await putScopeMap(ctx, call.registry, call.name, { description, actions }));
}

/** PATCH scopeMaps/{name}: what is left out stays. */
export async function updateScopeMap(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  const fields = await readProperties(call);
  const change = {
    description: fields.text('description'),
    actions: fields.texts('actions'),
    mustExist: true,
  };
  return await show(ctx, call, await putScopeMap(ctx, call.registry, call.name, change));
}

/** DELETE scopeMaps/{name}; 409 while a token uses it. */
export async function removeScopeMap(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  return deleted(await deleteScopeMap(ctx, call.registry, call.name));
}

async function readProperties({ request }: RegistryArmCall): Promise<Fields> {
  const body = (await readBody(request)).only('id', 'name', 'type', 'systemData', 'properties');
  const fields = body.object('properties');
  if (!fields) throw invalid("The property 'properties' is required.");
  return fields.only('description', 'actions', 'type', 'creationDate', 'provisioningState');
}

async function show(ctx: Context, call: RegistryArmCall, map: ScopeMapDocument): Promise<Reply> {
  return answer(200, resource(call, map, (await currentRegistry(ctx, call.registry)).created));
}

/** System scope maps are as old as their registry. */
function resource(call: RegistryArmCall, map: ScopeMapDocument, registryCreated: number): unknown {
  const { name, description, actions, created } = map;
  const system = isSystemScopeMap(name);
  return child(call, 'scopeMaps', name, system ? registryCreated : created, {
    description,
    type: system ? 'SystemDefined' : 'UserDefined',
    actions,
  });
}

function same({ actions }: ScopeMapDocument, given: readonly string[]): boolean {
  return actions.length === given.length && actions.every((action) => given.includes(action));
}
