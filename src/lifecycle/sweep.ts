import { EVENT_PREFIX, type EventRow } from '../model/record.ts';
import type { Context } from '../store/context.ts';
import { scanPages } from '../store/paging.ts';
import { ifPresent, Conflict } from '../store/records.ts';

/** Outbox rows are kept this long for consumers that were away. */
const EVENT_DAYS = 7;
const DAY_MS = 86_400_000;

/** Deletes outbox rows that every consumer has had days to read. */
export async function sweepEvents(ctx: Context): Promise<{ readonly deleted: number }> {
  const before = `${EVENT_PREFIX}${String(ctx.now() - EVENT_DAYS * DAY_MS).padStart(13, '0')}`;
  let deleted = 0;
  const scan = { table: 'repos', from: EVENT_PREFIX, before, select: [] } as const;
  for await (const page of scanPages<EventRow>(ctx, scan)) {
    const byPartition = Map.groupBy(page.rows, ({ partition }) => partition);
    for (const [partition, rows] of byPartition) {
      for (let i = 0; i < rows.length; i += 100) {
        const slice = rows.slice(i, i + 100);
        deleted += await deleteRows(
          ctx,
          partition,
          slice.map(({ row }) => row),
        );
      }
    }
  }
  return { deleted };
}

async function deleteRows(ctx: Context, partition: string, rows: readonly string[]): Promise<number> {
  try {
    const writes = rows.map((row) => ({ op: 'delete', row, condition: ifPresent }) as const);
    await ctx.records.batch('repos', partition, writes);
    return rows.length;
  } catch (error) {
    // Another sweep took some of them; the next one finds what is left.
    if (error instanceof Conflict) return 0;
    throw error;
  }
}
