import type { Context, Log } from '../store/context.ts';

/** Work that no answer waits for. */
export interface Deferred {
  readonly defer: Context['defer'];
  /** Ends when all of it has ended, with what came meanwhile. */
  readonly settle: () => Promise<void>;
}

/** Runs deferred work in its time, beside all else; what fails is logged, since nobody waits to hear of it. */
export function openDeferred(log: Log): Deferred {
  const pending = new Set<Promise<void>>();
  /** What waits for its time, by what ends the waiting. */
  const later = new Map<NodeJS.Timeout, () => void>();
  const run = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      log('warn', 'deferred work failed', { error: String(error) });
    }
  };
  return {
    defer(work, milliseconds = 0) {
      const start = () => {
        const running = run(work).finally(() => pending.delete(running));
        pending.add(running);
      };
      if (milliseconds === 0) {
        start();
        return;
      }
      const timer = setTimeout(() => {
        later.delete(timer);
        start();
      }, milliseconds);
      // A process with nothing else to do need not stay for it: whoever closes the app waits.
      timer.unref();
      later.set(timer, start);
    },
    async settle() {
      while (later.size > 0 || pending.size > 0) {
        for (const [timer, start] of later) {
          clearTimeout(timer);
          later.delete(timer);
          start();
        }
        await Promise.all(pending);
      }
    },
  };
}
