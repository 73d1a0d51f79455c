import { Problem } from '../model/problem.ts';
import type { Context } from '../store/context.ts';

/** Failures forgiven before anything slows down: people mistype. */
const FREE = 5;
const FORGET_MS = 60_000;
const PAUSE_LIMIT_MS = 2000;
/** From here on the pair is refused without looking, so that guessing costs us nothing either. */
const REFUSE = 20;
const ENTRIES = 10_000;

/**
 * Slows guessing of passwords, per identity and address together: whoever guesses at an identity slows himself, never
 * its owner elsewhere. Counts live in the instance; nothing is stored.
 */
export interface Throttle {
  /** Waits as long as recent failures ask for. Throws TOOMANYREQUESTS. */
  admit(identity: string, address: string): Promise<void>;
  failed(identity: string, address: string): void;
  succeeded(identity: string, address: string): void;
}

export function openThrottle(ctx: Pick<Context, 'now' | 'pause'>): Throttle {
  const failures = new Map<string, { count: number; last: number }>();
  return {
    async admit(identity, address) {
      const key = keyOf(identity, address);
      const entry = failures.get(key);
      if (!entry) return;
      const quiet = ctx.now() - entry.last;
      if (quiet >= FORGET_MS) {
        failures.delete(key);
        return;
      }
      if (entry.count >= REFUSE) {
        const seconds = Math.ceil((FORGET_MS - quiet) / 1000);
        throw new Problem('TOOMANYREQUESTS', undefined, { headers: { 'retry-after': String(seconds) } });
      }
      if (entry.count > FREE) await ctx.pause(Math.min(PAUSE_LIMIT_MS, 50 * 2 ** (entry.count - FREE)));
    },
    failed(identity, address) {
      const key = keyOf(identity, address);
      const count = (failures.get(key)?.count ?? 0) + 1;
      failures.delete(key);
      failures.set(key, { count, last: ctx.now() });
      const [oldest] = failures.size > ENTRIES ? failures.keys() : [];
      if (oldest !== undefined) failures.delete(oldest);
    },
    succeeded(identity, address) {
      failures.delete(keyOf(identity, address));
    },
  };
}

function keyOf(identity: string, address: string): string {
  return JSON.stringify([identity.slice(0, 300), address]);
}
