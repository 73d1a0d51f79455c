import { setTimeout as pause } from 'node:timers/promises';
import type { App } from '../app/compose.ts';
import { queues, runJob, runTimer, timers } from '../app/jobs.ts';

const POLL_MS = 1000;
const HIDE_SECONDS = 300;
/** After this many tries a job is given up, as `maxDequeueCount` in host.json says. */
const TRIES = 5;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** Does what queue and timer triggers do on the platform; returns what ends it, after the work under way. */
export function startClocks(app: App): () => Promise<void> {
  const stopping = new AbortController();
  const running = Promise.all([
    poll(app, stopping.signal),
    ...timers.map(({ name, schedule }) => tick(app, name, periodOf(schedule), stopping.signal)),
  ]);
  return async () => {
    stopping.abort();
    await running;
  };
}

async function poll(app: App, signal: AbortSignal): Promise<void> {
  const [queue = ''] = queues;
  while (!signal.aborted) {
    const found = await quietly(app, () => takeJobs(app, queue));
    if (!found) await rest(POLL_MS, signal);
  }
}

async function takeJobs(app: App, queue: string): Promise<boolean> {
  const deliveries = await app.context.work.receive(8, HIDE_SECONDS);
  for (const { body, attempt, done } of deliveries) {
    try {
      await runJob(app, queue, body);
      await done();
    } catch (error) {
      app.context.log('error', 'a job failed', { attempt, error: String(error) });
      if (attempt >= TRIES) await done();
    }
  }
  return deliveries.length > 0;
}

async function tick(app: App, name: string, period: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await rest(period, signal);
    if (!signal.aborted) await quietly(app, () => runTimer(app, name));
  }
}

/** Milliseconds between two runs. What runs daily runs hourly, since a machine of one's own may be off at that hour. */
function periodOf(schedule: string): number {
  const [, minutes] = /^0 \*\/(\d+) /.exec(schedule) ?? [];
  return minutes === undefined ? HOUR_MS : Number(minutes) * MINUTE_MS;
}

async function quietly<T>(app: App, run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    app.context.log('error', 'background work failed', { error: String(error) });
    return undefined;
  }
}

async function rest(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await pause(milliseconds, undefined, { signal, ref: false });
  } catch {
    // Stopped while resting.
  }
}
