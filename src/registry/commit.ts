import { type Cause, type RegistryEvent, outboxWrite } from '../events/event.ts';
import type { Repository } from '../model/names.ts';
import { type EventRow, type Key, eventKey, repositoryPartition } from '../model/record.ts';
import type { Stamp } from '../model/stamp.ts';
import type { Context } from '../store/context.ts';
import { Conflict, Unavailable, type Write } from '../store/records.ts';

/** Tries before a contended write gives up with 503; 30 passed at 24 writers (storage-design section 7, "GC"). */
const TRIES = 40;
const PAUSE_LIMIT_MS = 400;

/** What a change writes, and how it is told. */
export interface Plan {
  readonly event: RegistryEvent;
  readonly writes: (stamp: Stamp) => readonly Write[];
}

/**
 * Runs a change of one repository: plans it from what is stored now, commits it together with its outbox row (DESIGN
 * section 1.3), and plans again when somebody was faster. A commit whose answer was lost is recognised by its outbox
 * row, not repeated. `plan` gets true when it runs again.
 */
export async function commitChange(
  ctx: Context,
  repository: Repository,
  cause: Cause,
  plan: (again: boolean) => Promise<Plan>,
): Promise<void> {
  const id = Buffer.from(ctx.random(9)).toString('base64url');
  let tried: Key<EventRow> | undefined;
  await contend(ctx, async (again) => {
    if (tried && (await ctx.records.get(tried, []))) return;
    const { event, writes } = await plan(again);
    // Drawn only now, so that it is later than the changes that the plan was made from: replicas order by it.
    const stamp = ctx.stamp();
    tried = eventKey(repository, stamp, id);
    const outbox = outboxWrite(repository, stamp, id, event, cause);
    await ctx.records.batch('repos', repositoryPartition(repository), [...writes(stamp), outbox]);
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
