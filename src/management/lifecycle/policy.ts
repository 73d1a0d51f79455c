import { readRegistry } from '../../access/registry.ts';
import { readLifecyclePolicy, replaceLifecyclePolicy } from '../../access/settings/lifecycle.ts';
import { currentPolicy } from '../../access/settings/policy.ts';
import type { Reply } from '../../http/message.ts';
import type { Cleaned } from '../../lifecycle/rules/clean.ts';
import { cleanRegistry } from '../../lifecycle/rules/registry.ts';
import { selectByRules } from '../../lifecycle/rules/select/policy.ts';
import type { LifecyclePolicyDocument, LifecycleRule } from '../../model/policy/lifecycle.ts';
import type { Context } from '../../store/context.ts';
import { type RegistryArmCall, answer, armTime, child, list, notFound } from '../arm.ts';
import { type Fields, needed, readBody } from '../body.ts';
import { callLimits, readCursor } from './purge.ts';
import { readRules } from './rules.ts';

const COLLECTION = 'lifecyclePolicies';
const NAME = 'default';

/** GET lifecyclePolicies. */
export async function getLifecyclePolicies(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  return list([resource(call, await current(ctx, call))]);
}

/** GET lifecyclePolicies/default. */
export async function showLifecyclePolicy(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  demandName(call);
  return answer(200, resource(call, await current(ctx, call)));
}

/** PUT lifecyclePolicies/default `{properties:{rules}}`: these rules in the place of those so far. */
export async function putLifecyclePolicy(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  demandName(call);
  const body = (await readBody(call.request)).only('id', 'name', 'type', 'systemData', 'properties');
  const rules = readRules(readProperties(needed(body.object('properties'), 'properties')));
  return answer(200, resource(call, await replaceLifecyclePolicy(ctx, call.registry, rules)));
}

/** POST lifecyclePolicies/default/preview: what a run would delete by these `rules`, or without them by those that are set. */
export async function previewLifecyclePolicy(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  return await runRules(ctx, call, true);
}

/** POST lifecyclePolicies/default/run: what the daily run does, now; in parts, as `purge` does. */
export async function runLifecyclePolicy(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  return await runRules(ctx, call, false);
}

async function runRules(ctx: Context, call: RegistryArmCall, dryRun: boolean): Promise<Reply> {
  demandName(call);
  const { registry, cause } = call;
  const body = (await readBody(call.request)).only('cursor', ...(dryRun ? ['rules'] : []));
  const given = body.value('rules') === undefined ? undefined : readRules(body);
  const rules = given ?? (await readLifecyclePolicy(ctx, registry))?.rules ?? [];
  const now = ctx.now();
  const { repositories, next } = await cleanRegistry(ctx, {
    registry,
    selectFor: (name) => selectByRules(rules, name, now),
    tagsAlone: false,
    policy: await currentPolicy(ctx, registry),
    cause,
    dryRun,
    after: readCursor(body),
    ...callLimits(ctx),
  });
  return answer(200, {
    dryRun,
    rules: rules.map((rule) => deletedBy(rule, repositories)),
    left: repositories.flatMap(({ repository, left }) =>
      left === undefined || left === 'more' ? [] : [{ repository: repository.name, reason: left }],
    ),
    finished: next === undefined,
    ...(next !== undefined && { cursor: next }),
  });
}

/** As one writes them: `repository:tag` and `repository@digest`. */
function deletedBy({ name }: LifecycleRule, repositories: readonly Cleaned[]) {
  const gone = repositories.flatMap(({ repository, gone: some }) =>
    some.filter(({ why }) => why === name).map((one) => ({ ...one, repository: repository.name })),
  );
  return {
    name,
    tags: gone.flatMap(({ repository, tag }) => (tag === undefined ? [] : `${repository}:${tag}`)),
    manifests: gone.flatMap(({ repository, tag, digest }) =>
      tag === undefined ? `${repository}@${digest}` : [],
    ),
  };
}

async function current(ctx: Context, { registry }: RegistryArmCall): Promise<LifecyclePolicyDocument> {
  const found = await readLifecyclePolicy(ctx, registry);
  if (found) return found;
  const { created } = await readRegistry(ctx, registry);
  return { rules: [], created, updated: created };
}

function resource(call: RegistryArmCall, { rules, created, updated }: LifecyclePolicyDocument): unknown {
  return child(call, COLLECTION, NAME, created, { rules, lastUpdatedTime: armTime(updated) });
}

/** What is ours to say may be sent back, as SDKs do. */
function readProperties(fields: Fields): Fields {
  return fields.only('rules', 'lastUpdatedTime', 'creationDate', 'provisioningState');
}

function demandName({ name }: RegistryArmCall): void {
  if (name.toLowerCase() !== NAME) throw notFound(COLLECTION, name);
}
