import { keepRegistry, updateRegistry } from '../access/registry.ts';
import type { Reply } from '../http/message.ts';
import type { RegistryDocument } from '../model/access.ts';
import type { RegistryName } from '../model/names.ts';
import type { Context } from '../store/context.ts';
import {
  type ArmCall,
  ArmProblem,
  DEFAULT_GROUP,
  REGISTRY_TYPE,
  type RegistryArmCall,
  answer,
  armTime,
  list,
  registryId,
} from './arm.ts';
import { readBody } from './body.ts';
import { showPolicies } from './settings/policies.ts';
import { fixedProperties, readChange, withConsequences } from './settings/properties.ts';

const MADE_BY_DEPLOYMENT =
  "Registries are made and removed by deployment, not by this API: change the setting 'REGISTRIES' of the app.";

/** GET registries of a subscription, or of one resource group. */
export async function listRegistries(ctx: Context, call: ArmCall): Promise<Reply> {
  const group = call.group === '' ? DEFAULT_GROUP : call.group;
  const resources = call.registries.map(async (registry) => {
    const id = registryId(call.subscription, group, registry);
    return resource(ctx, { ...call, registry, id }, await keepRegistry(ctx, registry));
  });
  return list(await Promise.all(resources));
}

/** GET registry. */
export async function getRegistry(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  return answer(200, resource(ctx, call, await keepRegistry(ctx, call.registry)));
}

/** PUT registry: it exists always, so this replaces its settings (`settings/properties.ts` says what a PUT may leave out). */
export async function putRegistry(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  return await change(ctx, call, 'replace');
}

/** PATCH registry: what is left out stays. */
export async function patchRegistry(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  return await change(ctx, call, 'update');
}

/** DELETE registry, or PUT of one that the deployment does not have. */
export function refuseRegistry(): Promise<Reply> {
  throw new ArmProblem('METHOD_NOT_ALLOWED', 'MethodNotAllowed', MADE_BY_DEPLOYMENT);
}

async function change(ctx: Context, call: RegistryArmCall, kind: 'update' | 'replace'): Promise<Reply> {
  const apply = readChange(await readBody(call.request), kind, ctx.settings.region);
  const document = await updateRegistry(ctx, call.registry, (before) =>
    withConsequences(before, apply(before), ctx.now()),
  );
  return answer(200, resource(ctx, call, document));
}

/** The registry as ARM shows it (ACR wire section 6.4). */
function resource(ctx: Context, call: RegistryArmCall, document: RegistryDocument): unknown {
  const created = armTime(document.created);
  return {
    id: call.id,
    name: call.registry,
    type: REGISTRY_TYPE,
    location: ctx.settings.region,
    tags: document.tags,
    sku: { name: document.sku, tier: document.sku },
    systemData: { createdAt: created },
    properties: {
      loginServer: loginServer(call, call.registry),
      creationDate: created,
      provisioningState: 'Succeeded',
      adminUserEnabled: document.admin.enabled,
      anonymousPullEnabled: document.anonymousPull,
      anonymousPullRepositories: document.anonymousRepositories,
      publicNetworkAccess: document.publicNetworkAccess ? 'Enabled' : 'Disabled',
      networkRuleSet: {
        defaultAction: document.networkRules.allowByDefault ? 'Allow' : 'Deny',
        ipRules: document.networkRules.rules.map(({ value }) => ({ action: 'Allow', value })),
      },
      networkRuleBypassOptions: document.networkBypass ?? 'AzureServices',
      roleAssignmentMode: document.repositoryRoles
        ? 'AbacRepositoryPermissions'
        : 'LegacyRegistryPermissions',
      dataEndpointHostNames: [],
      privateEndpointConnections: [],
      ...fixedProperties(),
      policies: showPolicies(document),
    },
  };
}

/** Where several registries share a domain, each has a host name of its own. */
function loginServer({ host, registries }: ArmCall, registry: RegistryName): string {
  const [label = '', ...domain] = host.split('.');
  const named = registries.some((name) => name === label.toLowerCase());
  return named ? [registry, ...domain].join('.') : host;
}
