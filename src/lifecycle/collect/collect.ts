import type { RegistryName } from '../../model/names.ts';
import type { Key } from '../../model/record.ts';
import type { Context } from '../../store/context.ts';
import { always, put } from '../../store/records.ts';
import { repairCatalog } from '../catalog.ts';
import { sweepBytes } from './bytes.ts';
import { capacityOf } from './filter.ts';
import { sweepLinks } from './links.ts';
import { freshFilter, mark, nameBytes } from './marks.ts';
import { type Measured, Sums } from './measured.ts';
import { type CollectOptions, type Garbage, type Run, type Totals, beginRun } from './run.ts';

/** What a run came to. */
export interface Collected {
  /** All of the registry was looked at; else the next run goes on where this one stopped. */
  readonly finished: boolean;
  readonly seconds: number;
  readonly totals: Readonly<Totals>;
  /** Where this run alone saw all of the registry. */
  readonly measured?: Measured;
  /** What would go, some of it; empty unless it is a dry run. */
  readonly examples: readonly Garbage[];
}

/** Where the next run goes on. */
type Place = {
  /** How many slices all digests are cut into. */
  slices: number;
  /** The one that it was at; as many as there are: at the bytes. */
  slice: number;
  /** In a slice the last partition that was done, in the bytes the cursor of the listing; empty at the start. */
  after: string;
  /** References that were met, to plan the slices by. */
  references: number;
};

const START: Place = { slices: 1, slice: 0, after: '', references: 0 };
const MAX_SLICES = 256;
/** Storage calls after which the place is written down: what a run that is killed has done in vain. */
const SAVE_EVERY = 200;

/**
 * Collects what nothing needs: links of blobs that no manifest of their repository references, blobs without links,
 * and bytes without rows. Safe at any instant, beside pushes, deletions, restorations and other collections:
 * - What manifests need is read after the run began. Whoever pushes or restores one has relied on each link less than
 *   half of GRACE_MS before (`relyOnLink`), and that link was touched less than the other half before. So the manifest
 *   of an older link was there when the run began, and is met; of one that came later the links are too young. Clocks
 *   that differ by hours would spoil this, as would a push of a manifest that takes them.
 * - Rows go by the version that was judged, and no link is made without a new version of its content.
 * - Bytes go when no row can come to name them any more.
 * Memory is constant but for two numbers for each repository: marks go into a filter, and where they are too many for
 * it the digests are taken slice by slice. Runs may overlap. A run that is cut short, or killed, leaves its place to the
 * next one. One call per 1,000 manifests and slice, one per 1,000 rows of blobs and 1,000 names of bytes, two or three
 * for each blob that goes. Throws Unavailable when storage fails; what was done is done.
 */
export async function collect(
  ctx: Context,
  registry: RegistryName,
  options: CollectOptions = {},
): Promise<Collected> {
  const run = beginRun(ctx, registry, options);
  const start = run.dryRun ? undefined : await run.ctx.records.get(placeKey(registry));
  const { place, measured } = await collectFrom(run, start?.value ?? START);
  const finished = place.slice === 0 && place.after === '';
  if (!run.dryRun) {
    if (finished) await repairCatalog(run.ctx, registry);
    await savePlace(run, place);
  }
  const { totals, examples } = run;
  const seconds = (ctx.now() - run.begun) / 1000;
  return { finished, seconds, totals, examples, ...(measured && { measured }) };
}

/** Where it stopped: at a start when all is done; and what it measured when it saw all. */
async function collectFrom(
  run: Run,
  start: Place,
): Promise<{ readonly place: Place; readonly measured?: Measured }> {
  const whole = start.slice === 0 && start.after === '';
  const sums = whole ? new Sums() : undefined;
  const slices = whole ? slicesFor(run, start.references) : start.slices;
  const named = freshFilter(run);
  let { after, references } = start;
  for (let { slice } = start; slice < slices; slice++, after = '') {
    const marks = await mark(run, { index: slice, of: slices }, named, slice === 0 ? sums : undefined);
    references = marks.references;
    const at = { slices, slice, references };
    // There are many more than when the slices were planned.
    if (whole && slice === 0 && slicesFor(run, references) > slices) {
      return await collectFrom(run, { ...START, references });
    }
    const reached = saver(run, at);
    const stopped = await sweepLinks(run, { index: slice, of: slices }, after, {
      marks,
      named,
      sums,
      reached,
    });
    if (stopped !== undefined) return { place: { ...at, after: stopped } };
  }
  if (!whole) await nameBytes(run, named);
  const at = { slices, slice: slices, references };
  const stopped = await sweepBytes(run, after || undefined, named, saver(run, at));
  if (stopped !== undefined) return { place: { ...at, after: stopped } };
  return { place: { ...START, references }, ...(sums && { measured: sums }) };
}

function slicesFor({ memory }: Run, references: number): number {
  let slices = 1;
  while (slices < MAX_SLICES && references > capacityOf(memory) * slices) slices *= 2;
  return slices;
}

/** Writes the place down now and then. */
function saver(run: Run, at: Omit<Place, 'after'>): (after: string) => Promise<void> {
  let saved = run.totals.calls;
  return async (after) => {
    if (run.dryRun || run.totals.calls - saved < SAVE_EVERY) return;
    await savePlace(run, { ...at, after });
    saved = run.totals.calls;
  };
}

/** Whoever writes last: all before any place that was written was done. */
async function savePlace({ ctx, registry }: Run, place: Place): Promise<void> {
  const key = placeKey(registry);
  await ctx.records.batch(key.table, key.partition, [put(key, place, always)]);
}

function placeKey(registry: RegistryName): Key<Place> {
  return { table: 'repos', partition: `${registry}!!lifecycle`, row: 'collection' };
}
