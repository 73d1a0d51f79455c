import type { Reply } from '../http/message.ts';
import { isRegistryName } from '../model/names.ts';
import type { Context } from '../store/context.ts';
import {
  type ArmCall,
  DEFAULT_GROUP,
  DEFAULT_SUBSCRIPTION,
  PROVIDER,
  REGISTRY_TYPE,
  answer,
  invalid,
  list,
  registryId,
} from './arm.ts';
import { needed, readBody } from './body.ts';

/** What may be done here, by resource type: the verbs of Azure's role definitions. */
const OPERATIONS: Readonly<Record<string, readonly string[]>> = {
  registries: [
    'read',
    'write',
    'listCredentials/action',
    'regenerateCredential/action',
    'generateCredentials/action',
    'listUsages/read',
    'purge/action',
    'collect/action',
  ],
  'registries/scopeMaps': ['read', 'write', 'delete'],
  'registries/tokens': ['read', 'write', 'delete'],
  'registries/purgeSchedules': ['read', 'write', 'delete'],
  'registries/lifecyclePolicies': ['read', 'write', 'preview/action', 'run/action'],
};

/** GET operations of the provider. */
export async function listOperations(): Promise<Reply> {
  const operations = Object.entries(OPERATIONS).flatMap(([resource, verbs]) =>
    verbs.map((verb) => ({
      origin: 'user,system',
      name: `${PROVIDER}/${resource}/${verb}`,
      display: {
        provider: 'Microsoft Azure Container Registry',
        resource,
        operation: verb,
        description: `${verb} of ${resource}`,
      },
      isDataAction: false,
    })),
  );
  return list(operations);
}

/** GET /subscriptions. */
export async function listSubscriptions(): Promise<Reply> {
  return list([subscriptionOf(DEFAULT_SUBSCRIPTION)]);
}

/** GET /subscriptions/{s}. */
export async function getSubscription(_ctx: Context, { subscription }: ArmCall): Promise<Reply> {
  return answer(200, subscriptionOf(subscription));
}

/** GET resource groups of a subscription. */
export async function listGroups(ctx: Context, call: ArmCall): Promise<Reply> {
  return list([groupOf(ctx, { ...call, group: DEFAULT_GROUP })]);
}

/** GET one resource group. */
export async function getGroup(ctx: Context, call: ArmCall): Promise<Reply> {
  return answer(200, groupOf(ctx, call));
}

/** GET resources of a subscription or group: how `az` finds a registry by its name. */
export async function listResources(ctx: Context, call: ArmCall): Promise<Reply> {
  const group = call.group === '' ? DEFAULT_GROUP : call.group;
  const { type, name } = readFilter(call.query.get('$filter') ?? '');
  const wanted = call.registries.filter(
    (registry) =>
      (type === undefined || type === REGISTRY_TYPE.toLowerCase()) &&
      (name === undefined || name === registry),
  );
  return list(
    wanted.map((registry) => ({
      id: registryId(call.subscription, group, registry),
      name: registry,
      type: REGISTRY_TYPE,
      location: ctx.settings.region,
    })),
  );
}

/** POST checkNameAvailability `{name,type}`. */
export async function checkName(_ctx: Context, call: ArmCall): Promise<Reply> {
  const body = await readBody(call.request);
  const name = needed(body.text('name'), 'name');
  const registry = name.toLowerCase();
  if (!isRegistryName(registry)) {
    const message = 'The registry name must be 5 to 50 letters and digits.';
    return answer(200, { nameAvailable: false, reason: 'Invalid', message });
  }
  if (!call.registries.includes(registry)) return answer(200, { nameAvailable: true });
  const message = `The registry ${name} is already in use.`;
  return answer(200, { nameAvailable: false, reason: 'AlreadyExists', message });
}

/** Reads `resourceType eq '…' and name eq '…'`, each part optional. Throws REQUEST_INVALID for more. */
function readFilter(filter: string): { readonly type?: string; readonly name?: string } {
  if (filter === '') return {};
  const parts = filter.split(/ and /i).map((part) => {
    const match = /^\s*\(?(resourceType|name) eq '([^']*)'\)?\s*$/i.exec(part);
    if (!match) throw invalid("Only the filter resourceType eq '…' and name eq '…' is supported.");
    const [, field = '', value = ''] = match;
    return [field.toLowerCase() === 'name' ? 'name' : 'type', value.toLowerCase()];
  });
  return Object.fromEntries(parts);
}

function subscriptionOf(subscriptionId: string): unknown {
  return {
    id: `/subscriptions/${subscriptionId}`,
    subscriptionId,
    displayName: 'Functionary',
    state: 'Enabled',
    tenantId: DEFAULT_SUBSCRIPTION,
    authorizationSource: 'RoleBased',
  };
}

function groupOf(ctx: Context, { subscription, group }: ArmCall): unknown {
  return {
    id: `/subscriptions/${subscription}/resourceGroups/${group}`,
    name: group,
    type: 'Microsoft.Resources/resourceGroups',
    location: ctx.settings.region,
    properties: { provisioningState: 'Succeeded' },
  };
}
