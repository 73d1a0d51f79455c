import type { RegistryName } from '../model/names.ts';
import { EVENT_PREFIX, type EventRow, contentKey } from '../model/record.ts';
import type { BlobName } from '../store/blobs.ts';
import type { Context } from '../store/context.ts';
import { timeOfId } from '../store/ids.ts';
import { ifPresent, Conflict } from '../store/records.ts';

const PAGE = 1000;
/** Outbox rows are kept this long for consumers that were away. */
const EVENT_DAYS = 7;
const DAY_MS = 86_400_000;
/** A session may be in its last request when it expires. */
const SLACK_MS = 3_600_000;
const SPARED_MS = 7 * DAY_MS;

/**
 * Frees what uploads left: staged blocks that were never committed, the empty blobs that closed a session, and bytes
 * that lost to an older copy or whose request never came to its end. Azure drops the first by itself after a week, an
 * emulator and a disk never. One call per 1,000 blobs, one per deletion, and two per blob of the last week. Deletes
 * nothing younger than a session can be: until then the name must stay taken, or a forked session could use it anew.
 */
export async function sweepUploads(
  ctx: Context,
  registry: RegistryName,
): Promise<{ readonly scanned: number; readonly deleted: number }> {
  const oldest = ctx.now() - ctx.settings.uploadSeconds * 1000 - SLACK_MS;
  let scanned = 0;
  let deleted = 0;
  for (let cursor: string | undefined; ;) {
    const page = await ctx.blobs.list(registry, PAGE, cursor);
    for (const blob of page.blobs) {
      scanned++;
      const begun = timeOfId(blob.name);
      if (begun === undefined || begun >= oldest) continue;
      const at = { registry, name: blob.name };
      // Sweeps run daily: what a week of them has spared is in use.
      const checked = blob.size === 0 || begun >= oldest - SPARED_MS;
      if (blob.committed && !(checked && (await isAbandoned(ctx, at)))) continue;
      await ctx.blobs.delete(at);
      deleted++;
    }
    if (page.cursor === undefined) return { scanned, deleted };
    cursor = page.cursor;
  }
}

/** Bytes that were verified belong to one content; those that were not could belong to any, and are spared. */
async function isAbandoned(ctx: Context, at: BlobName): Promise<boolean> {
  const stat = await ctx.blobs.stat(at);
  if (stat?.digest === undefined) return stat?.size === 0;
  const content = await ctx.records.get(contentKey(at.registry, stat.digest), ['phys']);
  return content?.value.phys !== at.name;
}

/** Deletes outbox rows that every consumer has had days to read. */
export async function sweepEvents(ctx: Context): Promise<{ readonly deleted: number }> {
  const before = `${EVENT_PREFIX}${String(ctx.now() - EVENT_DAYS * DAY_MS).padStart(13, '0')}`;
  let deleted = 0;
  for (let cursor: string | undefined; ;) {
    const scan = { table: 'repos', from: EVENT_PREFIX, before, limit: PAGE, select: [] } as const;
    const page = await ctx.records.scan<EventRow>(cursor === undefined ? scan : { ...scan, cursor });
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
    if (page.cursor === undefined) return { deleted };
    cursor = page.cursor;
  }
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
