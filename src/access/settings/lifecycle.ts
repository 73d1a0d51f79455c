import type { RegistryName } from '../../model/names.ts';
import type {
  LifecyclePolicyDocument,
  LifecycleRule,
  PurgeOptions,
  PurgeScheduleDocument,
} from '../../model/policy/lifecycle.ts';
import type { Context } from '../../store/context.ts';
import { changeResource, getResource, listResources } from '../resources.ts';

/** A registry has one lifecycle policy. */
const POLICY = 'default';

/** The rules of a registry; undefined when it never had any. One call. */
export async function readLifecyclePolicy(
  ctx: Context,
  registry: RegistryName,
): Promise<LifecyclePolicyDocument | undefined> {
  const found = await getResource<LifecyclePolicyDocument>(ctx, registry, 'lifecyclePolicy', POLICY);
  return found?.document;
}

/** Puts these rules in the place of those so far. Two calls. */
export async function replaceLifecyclePolicy(
  ctx: Context,
  registry: RegistryName,
  rules: readonly LifecycleRule[],
): Promise<LifecyclePolicyDocument> {
  const now = ctx.now();
  return await changeResource<LifecyclePolicyDocument, LifecyclePolicyDocument>(
    ctx,
    registry,
    'lifecyclePolicy',
    POLICY,
    (current) => ({ rules, created: current?.created ?? now, updated: now }),
  );
}

/** The purges that run by themselves, by name. One call. */
export async function listPurgeSchedules(
  ctx: Context,
  registry: RegistryName,
): Promise<readonly PurgeScheduleDocument[]> {
  return await listResources<PurgeScheduleDocument>(ctx, registry, 'purgeSchedule');
}

/** Undefined when there is none of this name. One call. */
export async function readPurgeSchedule(
  ctx: Context,
  registry: RegistryName,
  name: string,
): Promise<PurgeScheduleDocument | undefined> {
  return (await getResource<PurgeScheduleDocument>(ctx, registry, 'purgeSchedule', name))?.document;
}

/** Makes a schedule or replaces it; its next run is the first that comes due from now on. Two calls. */
export async function putPurgeSchedule(
  ctx: Context,
  registry: RegistryName,
  name: string,
  { enabled, schedule, options }: { enabled: boolean; schedule: string; options: PurgeOptions },
): Promise<PurgeScheduleDocument> {
  const now = ctx.now();
  return await changeResource<PurgeScheduleDocument, PurgeScheduleDocument>(
    ctx,
    registry,
    'purgeSchedule',
    name,
    (current) => ({
      name: current?.name ?? name,
      enabled,
      schedule,
      options,
      created: current?.created ?? now,
      checked: now,
    }),
  );
}

/** Notes until when runs were started, unless it is gone or was changed later. Two calls. */
export async function checkPurgeSchedule(
  ctx: Context,
  registry: RegistryName,
  name: string,
  checked: number,
): Promise<void> {
  await changeResource<PurgeScheduleDocument, PurgeScheduleDocument | undefined>(
    ctx,
    registry,
    'purgeSchedule',
    name,
    (current) => current && { ...current, checked: Math.max(current.checked, checked) },
  );
}

/** False when there was none of this name. Two calls. */
export async function deletePurgeSchedule(
  ctx: Context,
  registry: RegistryName,
  name: string,
): Promise<boolean> {
  let found = false;
  await changeResource<PurgeScheduleDocument, undefined>(ctx, registry, 'purgeSchedule', name, (current) => {
    found ||= current !== undefined;
    return undefined;
  });
  return found;
}
