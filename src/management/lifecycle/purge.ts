import { currentPolicy } from '../../access/settings/policy.ts';
import type { Reply } from '../../http/message.ts';
import type { Cleaned } from '../../lifecycle/rules/clean.ts';
import { cleanRegistry } from '../../lifecycle/rules/registry.ts';
import { purgesTagsAlone, readPurge } from '../../lifecycle/rules/select/purge.ts';
import { isRepositoryName } from '../../model/names.ts';
import type { PurgeOptions } from '../../model/policy/lifecycle.ts';
import type { Context } from '../../store/context.ts';
import { type RegistryArmCall, answer, invalid } from '../arm.ts';
import { type Fields, readBody } from '../body.ts';

/** How long one call deletes, and how much: the caller goes on where it stopped. */
const CALL_MS = 20_000;
const CALL_THINGS = 2000;
const KEEP = 1_000_000;
/** What `acr purge` takes and this registry has no use for. */
const IGNORED = ['concurrency', 'filterTimeoutSeconds', 'repositoryPageSize'] as const;
const OPTIONS = ['filters', 'ago', 'keep', 'untagged', 'untaggedOnly', 'includeLocked'] as const;

/**
 * POST purge, our own: what `acr purge` does, on this side of the wire. A call that says `finished: false` has done a
 * part; the next one goes on behind its `cursor`.
 */
export async function purge(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  const { registry, cause } = call;
  const body = (await readBody(call.request)).only(...OPTIONS, ...IGNORED, 'dryRun', 'cursor');
  const options = readOptions(body);
  const dryRun = body.flag('dryRun') ?? false;
  const { repositories, next } = await cleanRegistry(ctx, {
    registry,
    selectFor: await readPurge(options, ctx.now()),
    tagsAlone: purgesTagsAlone(options),
    policy: await currentPolicy(ctx, registry),
    cause,
    dryRun,
    after: readCursor(body),
    ...callLimits(ctx),
  });
  const shown = repositories.map(show);
  return answer(200, {
    dryRun,
    deletedTags: shown.reduce((sum, { tags }) => sum + tags.length, 0),
    deletedManifests: shown.reduce((sum, { manifests }) => sum + manifests.length, 0),
    repositories: shown,
    finished: next === undefined,
    ...(next !== undefined && { cursor: next }),
  });
}

/** The options of a purge. Throws REQUEST_INVALID for wrong types; what they mean, `readPurge` checks. */
export function readOptions(fields: Fields): PurgeOptions {
  return {
    filters: fields.texts('filters') ?? [],
    ago: fields.text('ago'),
    keep: fields.whole('keep', 0, KEEP) ?? 0,
    untagged: fields.flag('untagged') ?? false,
    untaggedOnly: fields.flag('untaggedOnly') ?? false,
    includeLocked: fields.flag('includeLocked') ?? false,
  };
}

/** The options of a purge that is kept, as it was asked for. Throws REQUEST_INVALID. */
export async function readKeptOptions(ctx: Context, fields: Fields): Promise<PurgeOptions> {
  const options = readOptions(fields.only(...OPTIONS, ...IGNORED));
  await readPurge(options, ctx.now());
  return options;
}

/** Where a call goes on: the name of a repository, as the call before told it. Throws REQUEST_INVALID. */
export function readCursor(body: Fields): string {
  const cursor = body.text('cursor') ?? '';
  if (cursor === '' || isRepositoryName(cursor)) return cursor;
  throw invalid("The property 'cursor' must be one that a call before has given.");
}

/** How far one call goes. */
export function callLimits(ctx: Context): { readonly until: number; readonly most: number } {
  return { until: ctx.now() + CALL_MS, most: CALL_THINGS };
}

function show({ repository, gone, left }: Cleaned) {
  return {
    name: repository.name,
    tags: gone.flatMap(({ tag }) => tag ?? []),
    manifests: gone.flatMap(({ tag, digest }) => (tag === undefined ? digest : [])),
    ...(left !== undefined && left !== 'more' && { left }),
  };
}
