import { isDigest } from '../model/digest.ts';
import { isRegistryName } from '../model/names.ts';
import { discardLater } from '../registry/blobs.ts';
import { sweepEvents, sweepUploads } from '../lifecycle/sweep.ts';
import { JOB_QUEUE, type Job } from '../store/work.ts';
import type { App } from './compose.ts';

/** Queues that wake functions; one function each. */
export const queues: readonly string[] = [JOB_QUEUE];

/** Timers, in six-field NCRONTAB and UTC. */
export const timers: readonly { readonly name: string; readonly schedule: string }[] = [
  { name: 'sweep', schedule: '0 17 3 * * *' },
];

/** Runs one job. Throwing lets the queue hand it out again. */
export async function runJob(app: App, queue: string, body: unknown): Promise<void> {
  const job = queue === JOB_QUEUE ? parseJob(body) : undefined;
  if (!job) {
    // Retrying cannot make it a job.
    app.context.log('error', 'a message is no job', { queue });
    return;
  }
  await discardLater(app.context, { registry: job.registry, name: job.name }, job.digest);
}

/** Runs what a timer is for. */
export async function runTimer(app: App, name: string): Promise<void> {
  if (name !== 'sweep') throw new Error(`no timer is called ${JSON.stringify(name)}`);
  for (const registry of app.config.registries) {
    const uploads = await sweepUploads(app.context, registry);
    app.context.log('info', 'swept uploads', { registry, ...uploads });
  }
  app.context.log('info', 'swept events', await sweepEvents(app.context));
}

function parseJob(body: unknown): Job | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const { kind, registry, name, digest }: Partial<Record<string, unknown>> = { ...body };
  if (kind !== 'discard' || typeof registry !== 'string' || !isRegistryName(registry)) return undefined;
  if (typeof name !== 'string' || typeof digest !== 'string' || !isDigest(digest)) return undefined;
  return { kind, registry, name, digest };
}
