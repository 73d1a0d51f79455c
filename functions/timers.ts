import { app } from '@azure/functions';

/** Registers one function for each timer; the host runs each on one instance at a time. */
export function registerTimers(
  timers: readonly { readonly name: string; readonly schedule: string }[],
  run: (name: string) => Promise<void>,
): void {
  for (const { name, schedule } of timers) {
    app.timer(name, { schedule, handler: async () => await run(name) });
  }
}
