import { contentKey } from '../../model/record.ts';
import { MANIFEST_PREFIX } from '../../registry/change/push.ts';
import type { ListedBlob } from '../../store/blobs.ts';
import { timeOfId } from '../../store/ids.ts';
import type { Filter } from './filter.ts';
import { type Run, forEach } from './run.ts';

const PAGE = 1000;

/**
 * Frees bytes that no row names: staged blocks that were never committed, the empty blobs that closed a session, copies
 * that lost to an older one, bytes that turned out to be others than was said, and what a crash left between two
 * writes. `named` has the names of all bytes that rows named at some moment since `run.begun`; those that a row could
 * name for the first time after that are younger than what is looked at here. Azure drops staged blocks by itself after
 * a week, an emulator and a disk never. Begins at a cursor of the listing; gives where it stopped when the budget was
 * used up. One call per 1,000 names, and up to three for each that goes.
 */
export async function sweepBytes(
  run: Run,
  cursor: string | undefined,
  named: Filter,
  reached: (cursor: string) => Promise<void>,
): Promise<string | undefined> {
  for (;;) {
    const page = await run.ctx.blobs.list(run.registry, PAGE, cursor);
    run.totals.scanned += page.blobs.length;
    const stale = page.blobs.filter(
      (blob) => isStale(run, blob) && !(blob.committed && named.has(blob.name)),
    );
    await forEach(stale, async (blob) => await free(run, blob));
    cursor = page.cursor;
    if (cursor === undefined || run.spent()) return cursor;
    await reached(cursor);
  }
}

/** Whether no row can come to name it: its session is over, or its manifest long pushed. */
function isStale(run: Run, { name }: ListedBlob): boolean {
  const ofManifest = name.startsWith(MANIFEST_PREFIX);
  const begun = timeOfId(ofManifest ? name.slice(MANIFEST_PREFIX.length) : name);
  return begun !== undefined && begun < (ofManifest ? run.spareSince : run.uploadsSince);
}

async function free(run: Run, { name, size, committed }: ListedBlob): Promise<void> {
  const { ctx, registry, dryRun, totals } = run;
  if (committed && (await isContent(run, name))) return;
  if (!dryRun) await ctx.blobs.delete({ registry, name });
  totals.leftovers++;
  totals.bytes += size;
}

/** Looks once more where verified bytes say themselves what they are: nothing brings them back. */
async function isContent({ ctx, registry }: Run, name: string): Promise<boolean> {
  const stat = await ctx.blobs.stat({ registry, name });
  if (stat?.digest === undefined) return false;
  const content = await ctx.records.get(contentKey(registry, stat.digest), ['phys']);
  return content?.value.phys === name;
}
