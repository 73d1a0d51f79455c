import type { Context, Log } from '../store/context.ts';

/** Work that no answer waits for. */
export interface Deferred {
  readonly defer: Context['defer'];
  /** Ends when all of it has ended, with what came meanwhile. */
  readonly settle: () => Promise<void>;
}

/** Runs deferred work at once, beside all else; what fails is logged, since nobody waits to hear of it. */
export function openDeferred(log: Log): Deferred {
  const pending = new Set<Promise<void>>();
  const run = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      log('warn', 'deferred work failed', { error: String(error) });
    }
  };
  return {
    defer(work) {
      const running = run(work).finally(() => pending.delete(running));
      pending.add(running);
    },
    async settle() {
      while (pending.size > 0) await Promise.all(pending);
    },
  };
}
