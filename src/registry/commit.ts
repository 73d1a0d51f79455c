import type { Repository } from '../model/names.ts';
import { type EventRow, type Key, eventKey, repositoryPartition } from '../model/record.ts';
import type { Stamp } from '../model/stamp.ts';
import type { Context } from '../store/context.ts';
import { Conflict, Unavailable, type Write, ifAbsent, put } from '../store/records.ts';

/** Tries before a contended write gives up with 503; 30 passed at 24 writers (storage-design section 7, "GC"). */
const TRIES = 40;
const PAUSE_LIMIT_MS = 400;

/** Who did it and by which request; goes into events as ACR's webhooks show it. */
export interface Cause {
  readonly id: string;
  readonly host: string;
  readonly method: string;
  readonly userAgent: string;
  readonly actor: string;
  readonly address: string;
}

export interface RegistryEvent {
  readonly action: 'push' | 'delete' | 'untag';
  readonly digest?: string;
  readonly tags?: readonly string[];
  readonly mediaType?: string;
  readonly size?: number;
}

/** A stamp and an event that belong to one change, however often its transaction is tried. */
export interface Change {
  readonly stamp: Stamp;
  readonly key: Key<EventRow>;
  readonly write: Write;
}

/** Prepares the outbox row of a change (DESIGN section 1.3). */
export function recordChange(
  ctx: Context,
  repository: Repository,
  event: RegistryEvent,
  cause: Cause,
): Change {
  const stamp = ctx.stamp();
  const id = Buffer.from(ctx.random(9)).toString('base64url');
  const key = eventKey(repository, stamp, id);
  const { name, registry } = repository;
  const text = JSON.stringify({ v: 1, id, stamp, registry, repository: name, ...event, cause });
  return { stamp, key, write: put(key, { event: text }, ifAbsent) };
}

/**
 * Runs a change of one repository: plans its writes from what is stored now, commits them with its event, and plans
 * again when somebody was faster. A commit whose answer was lost is recognised by its event row, not repeated.
 */
export async function commitChange(
  ctx: Context,
  repository: Repository,
  change: Change,
  plan: () => Promise<readonly Write[]>,
): Promise<void> {
  await contend(ctx, async (again) => {
    if (again && (await ctx.records.get(change.key, []))) return;
    const writes = await plan();
    await ctx.records.batch('repos', repositoryPartition(repository), [...writes, change.write]);
  });
}

/** Repeats `attempt` while it throws Conflict, with growing random pauses, then throws Unavailable. */
export async function contend<T>(ctx: Context, attempt: (again: boolean) => Promise<T>): Promise<T> {
  for (let tried = 0; ; tried++) {
    try {
      return await attempt(tried > 0);
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
      if (tried === TRIES) throw new Unavailable('too many writers at once', { cause: error });
      const [jitter = 0] = ctx.random(1);
      await ctx.pause((Math.min(PAUSE_LIMIT_MS, 4 * 2 ** tried) * (jitter + 1)) / 256);
    }
  }
}
