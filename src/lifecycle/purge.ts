import { type RegistryName, type Repository, isRepositoryName } from '../model/names.ts';
import { type DeletedRepositoryRow, deletedPartition, repositoryPartition } from '../model/record.ts';
import { contend } from '../registry/change/commit.ts';
import type { Context } from '../store/context.ts';
import { Conflict, type Found, ifMatch } from '../store/records.ts';

const PAGE = 1000;
/** Writes of one transaction. */
const BATCH = 100;
const DAY_MS = 86_400_000;

/** The first row to look at: of a repository by its encoded name, or behind that one. */
export interface PurgePlace {
  readonly repository: string;
  readonly row: string;
}

export interface Purged {
  /** Deleted manifests and tags that cannot be restored any more. */
  readonly purged: number;
  /** Where to go on; undefined at the end. */
  readonly next?: PurgePlace;
}

const START: PurgePlace = { repository: '!', row: 'z!' };

/**
 * Forgets for good what was deleted more than `days` days ago; collection then frees what nothing else needs. A row goes
 * by the version that was judged: what is restored, and deleted again, meanwhile stays for its new time. Ends soon after
 * `deadline`, in milliseconds since 1970. One call per 1,000 repositories that have deleted anything, one for each of
 * them per 1,000 rows, and one per 100 rows that go.
 */
export async function purgeDeleted(
  ctx: Context,
  registry: RegistryName,
  days: number,
  deadline: number,
  place = START,
): Promise<Purged> {
  const before = ctx.now() - days * DAY_MS;
  let purged = 0;
  let at = place;
  for (;;) {
    const page = await ctx.records.range<DeletedRepositoryRow>({
      table: 'repos',
      partition: deletedPartition(registry),
      from: at.repository,
      before: '~',
      limit: PAGE,
      select: ['name', 'deleted'],
    });
    for (const listed of page.rows) {
      const { name } = listed.value;
      const from = listed.row === at.repository ? at.row : START.row;
      at = { ...START, repository: `${listed.row}!` };
      if (!isRepositoryName(name)) continue;
      const done = await purgeRepository(ctx, { registry, name }, before, deadline, from);
      purged += done.purged;
      if (done.next !== undefined) return { purged, next: { repository: listed.row, row: done.next } };
      if (!done.left && from === START.row) await takeOffList(ctx, registry, listed);
      if (ctx.now() >= deadline) return { purged, next: at };
    }
    if (!page.more) return { purged };
  }
}

/** `left`: something met can still be restored. */
async function purgeRepository(
  ctx: Context,
  repository: Repository,
  before: number,
  deadline: number,
  first: string,
): Promise<{ readonly purged: number; readonly left: boolean; readonly next?: string }> {
  const partition = repositoryPartition(repository);
  let purged = 0;
  let left = false;
  for (let from = first; ;) {
    const range = {
      table: 'repos',
      partition,
      from,
      before: 'z~',
      limit: PAGE,
      select: ['deleted'],
    } as const;
    const page = await contend(ctx, async () => {
      const { rows, more } = await ctx.records.range<{ deleted: number }>(range);
      const expired = rows.filter(({ value }) => value.deleted < before);
      for (let i = 0; i < expired.length; i += BATCH) {
        const writes = expired
          .slice(i, i + BATCH)
          .map(({ row, etag }) => ({ op: 'delete', row, condition: ifMatch(etag) }) as const);
        await ctx.records.batch('repos', partition, writes);
        purged += writes.length;
      }
      return { end: rows.at(-1)?.row, more, left: expired.length < rows.length };
    });
    left ||= page.left;
    if (!page.more || page.end === undefined) return { purged, left };
    // `!` sorts before whatever may follow in a key.
    from = `${page.end}!`;
    if (ctx.now() >= deadline) return { purged, left, next: from };
  }
}

/**
 * Takes a repository that has nothing to restore off the list, unless something was deleted in it within a day: that
 * deletion wrote this row first, and may still be on its way.
 */
async function takeOffList(
  ctx: Context,
  registry: RegistryName,
  { row, value, etag }: Found<DeletedRepositoryRow>,
): Promise<void> {
  if (value.deleted >= ctx.now() - DAY_MS) return;
  try {
    const writes = [{ op: 'delete', row, condition: ifMatch(etag) }] as const;
    await ctx.records.batch('repos', deletedPartition(registry), writes);
  } catch (error) {
    if (!(error instanceof Conflict)) throw error;
  }
}
