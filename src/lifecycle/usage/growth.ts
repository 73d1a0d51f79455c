import type { RegistryName } from '../../model/names.ts';
import { contend } from '../../registry/change/commit.ts';
import type { Context, Growth } from '../../store/context.ts';
import { timedId } from '../../store/ids.ts';
import { ifAbsent, ifMatch, put } from '../../store/records.ts';
import { grownKey, readRegistryRows } from './rows.ts';

/** New content is written down so long after it came, together with what comes meanwhile. In milliseconds. */
const GATHER_MS = 60_000;

/** What this instance knows of a registry. */
export function growthOf(ctx: Pick<Context, 'growth'>, registry: RegistryName): Growth {
  const known = ctx.growth.get(registry);
  if (known) return known;
  const fresh = {
    bytes: 0,
    last: 0,
    planned: false,
    batches: [],
    used: 0,
    measured: 0,
    readAt: 0,
    reading: false,
  };
  ctx.growth.set(registry, fresh);
  return fresh;
}

/**
 * Counts new content. One read and one write for all of a minute, which nobody waits for; an instance that is stopped
 * hard loses them, until the next collection measures what is there.
 */
export function noteGrowth(ctx: Context, registry: RegistryName, bytes: number): void {
  const growth = growthOf(ctx, registry);
  growth.bytes += bytes;
  growth.last = ctx.now();
  if (growth.planned) return;
  growth.planned = true;
  ctx.defer(async () => await writeGrowth(ctx, registry), GATHER_MS);
}

/** Bytes that this instance has counted and not written down yet, less what a measurement of this time has found. */
export function unwritten({ bytes, last, batches }: Growth, measured: number): number {
  return [...batches, { bytes, last }]
    .filter((batch) => batch.last > measured)
    .reduce((sum, batch) => sum + batch.bytes, 0);
}

async function writeGrowth(ctx: Context, registry: RegistryName): Promise<void> {
  const growth = growthOf(ctx, registry);
  const { bytes, last } = growth;
  const batches = [...growth.batches.splice(0), { id: timedId(ctx), bytes, last }];
  Object.assign(growth, { bytes: 0, planned: false });
  try {
    for (let batch = batches[0]; batch; batch = batches[0]) {
      growth.used += await writeBatch(ctx, registry, batch);
      batches.shift();
    }
  } finally {
    // Tried again with the next growth, under their own ids: their answers may have been lost.
    growth.batches.unshift(...batches);
  }
}

/** How many bytes more there are by it. */
async function writeBatch(
  ctx: Context,
  registry: RegistryName,
  { id, bytes, last }: Growth['batches'][number],
): Promise<number> {
  const key = grownKey(registry);
  return await contend(ctx, async () => {
    const { grown, measured } = await readRegistryRows(ctx, registry);
    // Written already, or found by a collection that began later.
    if (grown.batch === id || last <= measured.measured) return 0;
    const row = { bytes: grown.bytes + bytes, batch: id };
    const condition = grown.etag === undefined ? ifAbsent : ifMatch(grown.etag);
    await ctx.records.batch(key.table, key.partition, [put(key, row, condition)]);
    return bytes;
  });
}
