import { readRegistry } from '../access/registry.ts';
import type { Cause } from '../events/event.ts';
import { isDigest } from '../model/digest.ts';
import { type RegistryName, isRegistryName, isRepositoryName } from '../model/names.ts';
import { isStamp } from '../model/stamp.ts';
import { discardLater } from '../registry/blobs.ts';
import { goOnDeleting } from '../registry/change/removal/remove.ts';
import { collect } from '../lifecycle/collect/collect.ts';
import { type PurgePlace, purgeDeleted } from '../lifecycle/purge.ts';
import { sweepEvents } from '../lifecycle/sweep.ts';
import { beginMeasurement, saveMeasured } from '../lifecycle/usage/measurement.ts';
import { JOB_QUEUE, type Job } from '../store/work.ts';
import type { App } from './compose.ts';

/** How long collections run before they leave the rest to jobs: well within the time that host.json gives. */
const COLLECT_MS = 20 * 60_000;

/** How long a purge of deleted content runs before it leaves the rest to a job. */
const FORGET_MS = 4 * 60_000;

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
  if (job.kind === 'collect') return await collectSome(app, job.registry, COLLECT_MS);
  if (job.kind === 'forget') return await forgetSome(app, job.registry, job.place);
  if (job.kind !== 'delete-repository') return await (await import('./cleaning.ts')).runCleaning(app, job);
  const { registry, name, before, created, cause } = job;
  const policy = await app.policy(registry);
  await goOnDeleting(context, { repository: { registry, name }, before, created, policy, cause });
}

/** Runs what a timer is for. */
export async function runTimer(app: App, name: string): Promise<void> {
  if (name === 'clean') return await (await import('./cleaning.ts')).startCleaning(app);
  if (name === 'purge') return await (await import('./cleaning.ts')).startPurges(app);
  if (name !== 'sweep') throw new Error(`no timer is called ${JSON.stringify(name)}`);
  for (const registry of app.config.registries) {
    await forgetSome(app, registry);
    await collectSome(app, registry, COLLECT_MS / app.config.registries.length);
  }
  app.context.log('info', 'swept events', await sweepEvents(app.context));
}

/** Purges what soft delete kept for its days; where it is off now, for those that it gave last. */
async function forgetSome({ context }: App, registry: RegistryName, place?: PurgePlace): Promise<void> {
  const { softDelete } = await readRegistry(context, registry);
  if (!softDelete) return;
  const deadline = context.now() + FORGET_MS;
  const { purged, next } = await purgeDeleted(context, registry, softDelete.days, deadline, place);
  context.log('info', 'purged deleted manifests and tags', { registry, purged });
  if (next) await context.work.send({ kind: 'forget', registry, place: next });
}

async function collectSome({ context }: App, registry: RegistryName, milliseconds: number): Promise<void> {
  const mark = await beginMeasurement(context, registry);
  const { finished, seconds, totals, measured } = await collect(context, registry, {
    milliseconds,
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
  const { after, schedule, place } = rest;
  if (kind === 'forget') return isPlace(place) ? { kind, registry, place } : undefined;
  if (kind === 'clean' && typeof after === 'string') return { kind, registry, after };
  if (kind === 'purge' && typeof after === 'string' && typeof schedule === 'string') {
    return { kind, registry, schedule, after };
  }
  if (typeof name !== 'string') return undefined;
  if (kind === 'discard') {
    const { digest } = rest;
    return typeof digest === 'string' && isDigest(digest) ? { kind, registry, name, digest } : undefined;
  }
  if (kind === 'retain') return isRepositoryName(name) ? { kind, registry, name } : undefined;
  const { before, created, cause } = rest;
  if (kind !== 'delete-repository' || !isRepositoryName(name) || typeof created !== 'number')
    return undefined;
  if (typeof before !== 'string' || !isStamp(before)) return undefined;
  return { kind, registry, name, before, created, cause: parseCause(cause) };
}

function isPlace(value: unknown): value is PurgePlace {
  const { repository, row }: Partial<Record<string, unknown>> = { ...Object(value) };
  return typeof repository === 'string' && typeof row === 'string';
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
