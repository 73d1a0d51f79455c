import { readRegistry } from '../access/registry.ts';
import {
  checkPurgeSchedule,
  listPurgeSchedules,
  readLifecyclePolicy,
  readPurgeSchedule,
} from '../access/settings/lifecycle.ts';
import type { Cause } from '../events/event.ts';
import { type Cleaned, cleanRepository } from '../lifecycle/rules/clean.ts';
import { type RegistryCleaning, cleanRegistry } from '../lifecycle/rules/registry.ts';
import { selectByRules } from '../lifecycle/rules/select/policy.ts';
import { purgesTagsAlone, readPurge } from '../lifecycle/rules/select/purge.ts';
import { selectRetained } from '../lifecycle/rules/select/retention.ts';
import { type Select, either } from '../lifecycle/rules/state.ts';
import type { RetentionDocument } from '../model/access.ts';
import type { RegistryName } from '../model/names.ts';
import { nextTime, parseCron } from '../model/policy/cron.ts';
import type { LifecycleRule } from '../model/policy/lifecycle.ts';
import { timedId } from '../store/ids.ts';
import type { Job } from '../store/work.ts';
import type { App } from './compose.ts';

/** How long a job cleans before it leaves the rest to another: less than a queue hides it for. */
const JOB_MS = 4 * 60_000;

export type CleaningJob = Extract<Job, { kind: 'retain' | 'clean' | 'purge' }>;

/** Starts the daily run of retention and lifecycle rules in each registry. */
export async function startCleaning({ context, config }: App): Promise<void> {
  for (const registry of config.registries) await context.work.send({ kind: 'clean', registry, after: '' });
}

/** Starts the purges that came due since this was called last. One call for each registry, three for each purge. */
export async function startPurges({ context, config }: App): Promise<void> {
  const now = context.now();
  for (const registry of config.registries) {
    for (const { name, enabled, schedule, checked } of await listPurgeSchedules(context, registry)) {
      const due = nextTime(parseCron(schedule), checked);
      if (!enabled || due === undefined || due > now) continue;
      // Sent first: a purge that runs twice does no harm, one that is lost might.
      await context.work.send({ kind: 'purge', registry, schedule: name, after: '' });
      await checkPurgeSchedule(context, registry, name, now);
    }
  }
}

/** Runs one job by the settings as they are now; what is left after some minutes goes to another one. */
export async function runCleaning(app: App, job: CleaningJob): Promise<void> {
  if (job.kind === 'retain') await retain(app, job);
  else if (job.kind === 'clean') await cleanSome(app, job);
  else await purgeSome(app, job);
}

async function retain(app: App, job: Extract<CleaningJob, { kind: 'retain' }>): Promise<void> {
  const { context } = app;
  const { registry, name } = job;
  const { retention } = await readRegistry(context, registry);
  const select = selectFor(retention, [], name, context.now());
  if (!select) return;
  const shared = await sharedBy(app, registry, 'retention');
  const cleaned = await cleanRepository(context, { ...shared, repository: { registry, name }, select });
  tell(app, registry, 'retention', [cleaned]);
  if (cleaned.left === 'more') await context.work.send(job);
}

async function cleanSome(app: App, job: Extract<CleaningJob, { kind: 'clean' }>): Promise<void> {
  const { context } = app;
  const { registry } = job;
  const [{ retention }, policy] = await Promise.all([
    readRegistry(context, registry),
    readLifecyclePolicy(context, registry),
  ]);
  const rules = policy?.rules ?? [];
  if (!retention?.enabled && rules.length === 0) return;
  const now = context.now();
  const next = await run(app, 'lifecycle', {
    ...(await sharedBy(app, registry, 'lifecycle')),
    registry,
    selectFor: (name) => selectFor(retention, rules, name, now),
    after: job.after,
  });
  if (next !== undefined) await context.work.send({ ...job, after: next });
}

async function purgeSome(app: App, job: Extract<CleaningJob, { kind: 'purge' }>): Promise<void> {
  const { context } = app;
  const { registry } = job;
  const found = await readPurgeSchedule(context, registry, job.schedule);
  if (!found?.enabled) return;
  const what = `purge ${found.name}`;
  const next = await run(app, what, {
    ...(await sharedBy(app, registry, what)),
    registry,
    selectFor: await readPurge(found.options, context.now()),
    tagsAlone: purgesTagsAlone(found.options),
    after: job.after,
  });
  if (next !== undefined) await context.work.send({ ...job, after: next });
}

/** What retention, while it is on, and rules say of a repository; undefined when nothing. */
function selectFor(
  retention: RetentionDocument | undefined,
  rules: readonly LifecycleRule[],
  name: string,
  now: number,
): Select | undefined {
  const selects = [
    retention?.enabled ? selectRetained(retention, now) : undefined,
    selectByRules(rules, name, now),
  ].filter((select) => select !== undefined);
  return selects.length === 0 ? undefined : either(selects);
}

async function sharedBy(app: App, registry: RegistryName, what: string) {
  const { context } = app;
  const cause: Cause = {
    id: timedId(context),
    host: '',
    method: '',
    userAgent: 'functionary',
    actor: what,
  };
  const until = context.now() + JOB_MS;
  const policy = await app.policy(registry);
  return { policy, cause, tagsAlone: false, dryRun: false, until, most: Infinity };
}

async function run(app: App, what: string, cleaning: RegistryCleaning): Promise<string | undefined> {
  const { repositories, next } = await cleanRegistry(app.context, cleaning);
  tell(app, cleaning.registry, what, repositories);
  return next;
}

function tell({ context }: App, registry: RegistryName, what: string, cleaned: readonly Cleaned[]): void {
  const gone = cleaned.flatMap((one) => one.gone);
  const tags = gone.filter(({ tag }) => tag !== undefined).length;
  const left = cleaned.flatMap((one) =>
    one.left === undefined || one.left === 'more' ? [] : [`${one.repository.name}: ${one.left}`],
  );
  const counts = { repositories: cleaned.length, tags, manifests: gone.length - tags };
  context.log('info', 'cleaned', { registry, what, ...counts, ...(left.length > 0 && { left }) });
}
