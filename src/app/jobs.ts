import type { Cause } from '../events/event.ts';
import { isDigest } from '../model/digest.ts';
import { type RegistryName, isRegistryName, isRepositoryName } from '../model/names.ts';
import { isStamp } from '../model/stamp.ts';
import { discardLater } from '../registry/blobs.ts';
import { goOnDeleting } from '../registry/change/removal/remove.ts';
import { sweepEvents } from '../lifecycle/sweep.ts';
import { JOB_QUEUE, type Job } from '../store/work.ts';
import type { App } from './compose.ts';

/** Queues that wake functions; one function each. */
export const queues: readonly string[] = [JOB_QUEUE];

/** Timers, in six-field NCRONTAB and UTC. */
export const timers: readonly { readonly name: string; readonly schedule: string }[] = [
  { name: 'sweep', schedule: '0 17 3 * * *' },
];

/** How long a collection runs before it leaves the rest to a job: less than a queue hides that job for. */
const COLLECT_MS = 4 * 60_000;

/** Runs one job. Throwing lets the queue hand it out again. */
export async function runJob(app: App, queue: string, body: unknown): Promise<void> {
  const job = queue === JOB_QUEUE ? parseJob(body) : undefined;
  if (!job) {
    // Retrying cannot make it a job.
    app.context.log('error', 'a message is no job', { queue });
    return;
  }
  const { context } = app;
  if (job.kind === 'discard') {
    const { registry, name, digest } = job;
    return await discardLater(context, { registry, name }, digest);
  }
  if (job.kind === 'collect') return await collectSome(app, job.registry);
  const { registry, name, before, created, cause } = job;
  const policy = await app.policy(registry);
  await goOnDeleting(context, { repository: { registry, name }, before, created, policy, cause });
}

/** Runs what a timer is for. */
export async function runTimer(app: App, name: string): Promise<void> {
  if (name !== 'sweep') throw new Error(`no timer is called ${JSON.stringify(name)}`);
  for (const registry of app.config.registries) await collectSome(app, registry);
  app.context.log('info', 'swept events', await sweepEvents(app.context));
}

async function collectSome({ context }: App, registry: RegistryName): Promise<void> {
  // Loaded at their use: a cold start is for pushes and pulls, and should not pay for them.
  const [{ collect }, { beginMeasurement, saveMeasured }] = await Promise.all([
    import('../lifecycle/collect/collect.ts'),
    import('../lifecycle/usage/measurement.ts'),
  ]);
  const mark = await beginMeasurement(context, registry);
  const { finished, seconds, totals, measured } = await collect(context, registry, {
    milliseconds: COLLECT_MS,
  });
  context.log('info', 'collected', { registry, finished, seconds, ...totals });
  if (measured) await saveMeasured(context, registry, mark, measured);
  if (!finished) await context.work.send({ kind: 'collect', registry });
}

function parseJob(body: unknown): Job | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const { kind, registry, name, ...rest }: Partial<Record<string, unknown>> = { ...body };
  if (typeof registry !== 'string' || !isRegistryName(registry)) return undefined;
  if (kind === 'collect') return { kind, registry };
  if (typeof name !== 'string') return undefined;
  if (kind === 'discard') {
    const { digest } = rest;
    return typeof digest === 'string' && isDigest(digest) ? { kind, registry, name, digest } : undefined;
  }
  const { before, created, cause } = rest;
  if (kind !== 'delete-repository' || !isRepositoryName(name) || typeof created !== 'number')
    return undefined;
  if (typeof before !== 'string' || !isStamp(before)) return undefined;
  return { kind, registry, name, before, created, cause: parseCause(cause) };
}

function parseCause(value: unknown): Cause {
  const fields: Partial<Record<string, unknown>> = typeof value === 'object' ? { ...value } : {};
  const { id, host, method, userAgent, actor } = fields;
  return {
    id: textOf(id),
    host: textOf(host),
    method: textOf(method),
    userAgent: textOf(userAgent),
    actor: textOf(actor),
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
