import { JOB_QUEUE } from '../store/work.ts';
import type { App } from './compose.ts';

/** Queues that wake functions; one function each. */
export const queues: readonly string[] = [JOB_QUEUE];

/** Timers, in six-field NCRONTAB and UTC. */
export const timers: readonly { readonly name: string; readonly schedule: string }[] = [
  { name: 'sweep', schedule: '0 17 3 * * *' },
  { name: 'clean', schedule: '0 47 2 * * *' },
  { name: 'purge', schedule: '0 */5 * * * *' },
];

/** Runs one job. Throwing lets the queue hand it out again. */
export async function runJob(app: App, queue: string, body: unknown): Promise<void> {
  // Loaded at their use, as all that pushes and pulls do without: they are what a cold start is for.
  const background = await import('./background.ts');
  await background.runJob(app, queue, body);
}

/** Runs what a timer is for. */
export async function runTimer(app: App, name: string): Promise<void> {
  const background = await import('./background.ts');
  await background.runTimer(app, name);
}
