import { type Digest, parseDigest } from '../../model/digest.ts';
import type { ContentRow, LinkRow } from '../../model/record.ts';
import { stampTime } from '../../model/stamp.ts';
import { forgetLink } from '../../registry/blobs.ts';
import { timeOfId } from '../../store/ids.ts';
import { Conflict, type Found, type ScanPage, ifMatch } from '../../store/records.ts';
import type { Filter } from './filter.ts';
import { type Marks, type Slice, firstBytes } from './marks.ts';
import type { Sums } from './measured.ts';
import { type Run, forEach, note, pages } from './run.ts';

/** Writes of one transaction. */
const BATCH = 100;

/** A blob of the registry: its rows as one page after the other told them, in order. */
interface Blob {
  readonly partition: string;
  readonly digest: Digest;
  readonly content: Found<ContentRow> | undefined;
  readonly links: readonly Found<LinkRow>[];
}

/** What goes along with the sweep of links. */
export interface Sweep {
  readonly marks: Marks;
  /** Gets the names of the bytes of all blobs that are met. */
  readonly named: Filter;
  readonly sums: Sums | undefined;
  /** Told now and then: all up to this partition is done. */
  readonly reached: (partition: string) => Promise<void>;
}

/**
 * Takes from repositories the blobs of a slice that no manifest of theirs needs and nobody relied on for GRACE_MS, and
 * from the registry those that no repository has any more. Each goes by the version that was judged: whoever relies on
 * a link, or makes one, writes a row that the transaction names, and one of the two fails. Begins behind the partition
 * `after`; gives where it stopped when the budget was used up. One call per 1,000 rows, and two for each blob that goes.
 */
export async function sweepLinks(
  run: Run,
  slice: Slice,
  after: string,
  sweep: Sweep,
): Promise<string | undefined> {
  for (const partitions of partitionsOf(run, slice)) {
    if (partitions.before <= after) continue;
    const from = partitions.from > after ? partitions.from : `${after}!`;
    for await (const blobs of readBlobs(run, { ...partitions, from })) {
      await forEach(blobs, async (blob) => await sweepBlob(run, blob, sweep));
      const last = blobs.at(-1)?.partition;
      if (last === undefined) continue;
      if (run.spent()) return last;
      await sweep.reached(last);
    }
  }
  return undefined;
}

function partitionsOf({ registry }: Run, slice: Slice) {
  const { from, before } = firstBytes(slice);
  return ['sha256', 'sha512'].map((algorithm) => ({
    from: `${registry}!${algorithm}:${hexByte(from)}`,
    // `~` sorts behind all digests.
    before: `${registry}!${algorithm}:${before > 255 ? '~' : hexByte(before)}`,
  }));
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

/** Blobs whose rows were read whole; some or none for each page. */
async function* readBlobs(
  run: Run,
  partitions: { readonly from: string; readonly before: string },
): AsyncGenerator<readonly Blob[]> {
  const scan = {
    table: 'blobs',
    partitions,
    from: '!',
    before: '~',
    select: ['phys', 'size', 'touched'],
  } as const;
  let open: ScanPage<LinkRow>['rows'] = [];
  for await (const page of pages<LinkRow>(run, scan)) {
    run.totals.scanned += page.rows.length;
    const rows = [...open, ...page.rows];
    // Rows of the last partition may go on on the next page.
    const last = page.cursor === undefined ? undefined : rows.at(-1)?.partition;
    open = rows.filter(({ partition }) => partition === last);
    const whole = rows.filter(({ partition }) => partition !== last);
    const byPartition = Map.groupBy(whole, ({ partition }) => partition);
    yield Array.from(byPartition, ([partition, found]) => toBlob(partition, found));
  }
}

function toBlob(partition: string, rows: readonly Found<LinkRow>[]): Blob {
  const digest = parseDigest(partition.slice(partition.indexOf('!') + 1));
  return {
    partition,
    digest,
    content: rows.find(({ row }) => row === digest),
    links: rows.filter(({ row }) => row !== digest),
  };
}

async function sweepBlob(run: Run, blob: Blob, { marks, named, sums }: Sweep): Promise<void> {
  const { digest, content, links } = blob;
  const repositoryOf = ({ row }: Found<LinkRow>) => row.slice(digest.length + 1);
  const isOld = ({ value }: Found<ContentRow>) => stampTime(value.touched) < run.spareSince;
  const doomed = links.filter((link) => isOld(link) && !marks.keeps(repositoryOf(link), digest));
  const dies = content !== undefined && isOld(content) && doomed.length === links.length;
  const rows = dies ? [...doomed, content] : doomed;
  const gone = new Set(await takeAway(run, blob, rows));
  const left = links.filter((link) => !gone.has(link));
  if (gone.size > 0) {
    run.totals.links += links.length - left.length;
    const bytes = content && gone.has(content) ? await freeBytes(run, content.value) : 0;
    note(run, { digest, repositories: doomed.map(repositoryOf), bytes });
  }
  if (!content) return;
  const stays = !gone.has(content);
  if (stays || run.dryRun) named.add(content.value.phys);
  if (stays) sums?.addBlob(content.value.size, left.map(repositoryOf));
}

/** Deletes rows that are still as they were read; those that went. In a dry run all would. */
async function takeAway(
  { ctx, registry, dryRun }: Run,
  { partition }: Blob,
  rows: readonly Found<ContentRow>[],
): Promise<readonly Found<ContentRow>[]> {
  if (dryRun) return rows;
  // The content last: with it goes the proof that no link was made since it was read.
  for (let done = 0; done < rows.length; done += BATCH) {
    const some = rows.slice(done, done + BATCH);
    const forget = () => some.forEach(({ row }) => forgetLink(ctx, registry, row));
    const writes = some.map(({ row, etag }) => ({ op: 'delete', row, condition: ifMatch(etag) }) as const);
    forget();
    try {
      await ctx.records.batch('blobs', partition, writes);
    } catch (error) {
      // Somebody relied on it, or took it away: the next run judges anew.
      if (error instanceof Conflict) return rows.slice(0, done);
      throw error;
    }
    forget();
  }
  return rows;
}

/**
 * Deletes the bytes of a blob that is no more; how many. While the session that brought them may be alive their name
 * must stay taken, lest it is used anew: then the sweep of bytes frees them later.
 */
async function freeBytes(run: Run, { phys, size }: ContentRow): Promise<number> {
  run.totals.blobs++;
  if (!run.dryRun) {
    const begun = timeOfId(phys);
    if (begun === undefined || begun >= run.uploadsSince) return 0;
    await run.ctx.blobs.delete({ registry: run.registry, name: phys });
  }
  run.totals.bytes += size;
  return size;
}
