import { readRegistry } from '../access/registry.ts';
import { isSystemScopeMap, listScopeMaps } from '../access/scopemaps.ts';
import { listTokens } from '../access/tokens.ts';
import type { Reply } from '../http/message.ts';
import { showUsage, storageLimits } from '../lifecycle/usage/registry.ts';
import { listRepositoryUsages } from '../lifecycle/usage/repositories.ts';
import type { RegistryDocument } from '../model/access.ts';
import type { Context } from '../store/context.ts';
import { ArmProblem, type RegistryArmCall, answer, armTime, list } from './arm.ts';

/** What each tier allows (ACR wire section 7). */
const QUOTAS: Readonly<
  Record<RegistryDocument['sku'], { readonly webhooks: number; readonly identities: number }>
> = {
  Basic: { webhooks: 2, identities: 100 },
  Standard: { webhooks: 10, identities: 500 },
  Premium: { webhooks: 500, identities: 50_000 },
};

/** GET listUsages: what the registry has and what its tier allows (ACR wire section 6.4). */
export async function listUsages(ctx: Context, { registry }: RegistryArmCall): Promise<Reply> {
  const [{ sku, networkRules }, stored, maps, tokens] = await Promise.all([
    readRegistry(ctx, registry),
    showUsage(ctx, registry),
    listScopeMaps(ctx, registry),
    listTokens(ctx, registry),
  ]);
  const { webhooks, identities } = QUOTAS[sku];
  const premium = sku === 'Premium' ? 1 : 0;
  const { included, cap } = storageLimits(ctx, sku);
  return list([
    usage('Size', included, stored.bytes, 'Bytes'),
    usage('Webhooks', webhooks, 0),
    usage('Geo-replications', -1, 0),
    usage('IPRules', 200 * premium, networkRules.rules.length),
    usage('VNetRules', 0, 0),
    usage('PrivateEndpointConnections', 0, 0),
    usage('MaximumStorageCapacity', cap, stored.bytes, 'Bytes'),
    usage('ScopeMaps', identities, maps.filter(({ name }) => !isSystemScopeMap(name)).length),
    usage('Tokens', identities, tokens.length),
  ]);
}

/**
 * GET listRepositoryUsages, our own: what each repository stores, by name and page by page (`nextLink`). `size` is what
 * its content would take alone, `uniqueSize` what would be freed if it went.
 */
export async function getRepositoryUsages(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  const { id, host, query, request, registry } = call;
  const { entries, next } = await listRepositoryUsages(ctx, registry, query.get('$skiptoken') ?? '');
  const value = entries.map(({ name, bytes, unique, measured, manifests, tags, updated }) => ({
    name,
    size: bytes,
    ...(unique !== undefined && { uniqueSize: unique }),
    ...(measured !== undefined && { measuredTime: armTime(measured) }),
    manifestCount: manifests,
    tagCount: tags,
    lastUpdateTime: armTime(updated),
  }));
  const keys = new URLSearchParams({ 'api-version': query.get('api-version') ?? '', $skiptoken: next ?? '' });
  const nextLink = `${new URL(request.url).protocol}//${host}${id}/listRepositoryUsages?${keys.toString()}`;
  return answer(200, { value, ...(next !== undefined && { nextLink }) });
}

/** Refuses one more scope map or token than the tier allows. */
export async function checkQuota(
  ctx: Context,
  { registry }: RegistryArmCall,
  collection: 'scopeMaps' | 'tokens',
): Promise<void> {
  const [{ sku }, existing] = await Promise.all([
    readRegistry(ctx, registry),
    collection === 'tokens' ? listTokens(ctx, registry) : listScopeMaps(ctx, registry),
  ]);
  if (existing.filter(({ name }) => !isSystemScopeMap(name)).length < QUOTAS[sku].identities) return;
  const message = `Quota exceeded for resource type ${collection} for the registry SKU ${sku}.`;
  throw new ArmProblem('DENIED', 'QuotaExceeded', message);
}

function usage(name: string, limit: number, currentValue: number, unit = 'Count'): unknown {
  return { name, limit, currentValue, unit };
}
