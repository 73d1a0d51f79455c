import type { RegistryDocument } from '../../model/access.ts';
import type { RegistryName } from '../../model/names.ts';
import type { Policy } from '../../model/policy/policy.ts';
import type { Context } from '../../store/context.ts';
import { currentRegistry, updateRegistry } from '../registry.ts';

/** Repositories named one by one; with more of them every read looks for locks. */
const GUARDED_LIMIT = 500;

/** What the registry's settings demand now, at most SETTINGS_LIFE_MS old. No call while they are. */
export async function currentPolicy(ctx: Context, registry: RegistryName): Promise<Policy> {
  return policyOf(await currentRegistry(ctx, registry));
}

/** What a registry's document demands. */
export function policyOf({ guarded, quarantine, softDelete, retention }: RegistryDocument): Policy {
  return {
    guards: (name) => guarded === 'all' || (guarded?.includes(name) ?? false),
    quarantine: quarantine?.enabled ?? false,
    softDeleteDays: softDelete?.enabled ? softDelete.days : undefined,
    full: false,
    sweepsUntagged: (retention?.enabled ?? false) && retention?.days === 0,
  };
}

/**
 * Makes all instances look for locks of a repository before they read from it: to be called before the first such
 * lock is set. Instances with settings of before notice within SETTINGS_LIFE_MS. One call; one more the first time.
 */
export async function guardRepository(ctx: Context, registry: RegistryName, name: string): Promise<void> {
  const { guarded } = await currentRegistry(ctx, registry);
  if (guarded === 'all' || guarded?.includes(name)) return;
  await updateRegistry(ctx, registry, (document) => ({ ...document, guarded: withGuard(document, name) }));
}

function withGuard({ guarded = [] }: RegistryDocument, name: string): readonly string[] | 'all' {
  if (guarded === 'all') return 'all';
  const names = [...new Set([...guarded, name])];
  return names.length > GUARDED_LIMIT ? 'all' : names;
}
