import { readRegistry } from '../access/registry.ts';
import { isSystemScopeMap, listScopeMaps } from '../access/scopemaps.ts';
import { listTokens } from '../access/tokens.ts';
import type { Reply } from '../http/message.ts';
import type { RegistryDocument } from '../model/access.ts';
import type { Context } from '../store/context.ts';
import { ArmProblem, type RegistryArmCall, list } from './arm.ts';

/** What each tier allows (ACR wire section 7). */
const QUOTAS: Readonly<
  Record<RegistryDocument['sku'], { readonly webhooks: number; readonly identities: number }>
> = {
  Basic: { webhooks: 2, identities: 100 },
  Standard: { webhooks: 10, identities: 500 },
  Premium: { webhooks: 500, identities: 50_000 },
};

/** GET listUsages. Stored bytes are not among them: nothing counts those yet, and a scan would cost a call per blob. */
export async function listUsages(ctx: Context, { registry }: RegistryArmCall): Promise<Reply> {
  const [{ sku, networkRules }, maps, tokens] = await Promise.all([
    readRegistry(ctx, registry),
    listScopeMaps(ctx, registry),
    listTokens(ctx, registry),
  ]);
  const { webhooks, identities } = QUOTAS[sku];
  const premium = sku === 'Premium' ? 1 : 0;
  return list([
    usage('Webhooks', webhooks, 0),
    usage('Geo-replications', -1, 0),
    usage('IPRules', 200 * premium, networkRules.rules.length),
    usage('VNetRules', 0, 0),
    usage('PrivateEndpointConnections', 0, 0),
    usage('ScopeMaps', identities, maps.filter(({ name }) => !isSystemScopeMap(name)).length),
    usage('Tokens', identities, tokens.length),
  ]);
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

function usage(name: string, limit: number, currentValue: number): unknown {
  return { name, limit, currentValue, unit: 'Count' };
}
