import { type Cause, type RegistryEvent, outboxWrite } from '../../events/event.ts';
import type { Repository } from '../../model/names.ts';
import { isLocked } from '../../model/policy/locks.ts';
import type { Policy } from '../../model/policy/policy.ts';
import { Problem } from '../../model/problem.ts';
import {
  type CatalogRow,
  type EventRow,
  type Key,
  type RepositoryRow,
  catalogKey,
  eventKey,
  repositoryKey,
  repositoryPartition,
} from '../../model/record.ts';
import type { Stamp } from '../../model/stamp.ts';
import type { Context } from '../../store/context.ts';
import {
  Conflict,
  type Found,
  Unavailable,
  type Write,
  always,
  ifAbsent,
  ifMatch,
  merge,
  put,
  remove,
} from '../../store/records.ts';
import { countsOf } from './counts.ts';

/** Tries before a contended write gives up with 503; 30 passed at 24 writers (storage-design section 7, "GC"). */
const TRIES = 40;
const PAUSE_LIMIT_MS = 400;

/** What a change writes, and how it is told. With the rows of repository and events it must fit 100 writes. */
export interface Plan {
  /**
   * The repository as it was read before all that the plan relies on and does not itself put a condition on; undefined
   * where it is not there yet.
   */
  readonly repository: Found<RepositoryRow> | undefined;
  /** How many manifests, tags and bytes of blobs there are more. */
  readonly more: { readonly manifests?: number; readonly tags?: number; readonly grown?: number };
  /** Further properties of the repository's row. */
  readonly set?: (stamp: Stamp) => Partial<RepositoryRow>;
  /** At least one. */
  readonly events: readonly RegistryEvent[];
  readonly writes: (stamp: Stamp) => readonly Write[];
}

/**
 * Runs a change of one repository: plans it from what is stored now, commits it together with its outbox rows (DESIGN
 * section 1.3) and the repository's row, and plans again when somebody was faster. A commit whose answer was lost is
 * recognised by its outbox row, not repeated. `plan` gets true when it runs again; undefined: there is nothing to do.
 * A repository goes with its last manifest, and its name from the catalog; both come with the first. Gives the stamp
 * of the change.
 */
export async function commitChange(
  ctx: Context,
  repository: Repository,
  cause: Cause,
  plan: (again: boolean) => Promise<Plan | undefined>,
): Promise<Stamp | undefined> {
  const id = Buffer.from(ctx.random(9)).toString('base64url');
  let tried: { readonly key: Key<EventRow>; readonly stamp: Stamp; finish: () => Promise<void> } | undefined;
  let listed = false;
  return await contend(ctx, async (again) => {
    // Listed as if it were new, which it was not: it may have been hidden.
    if (listed) await alignCatalog(ctx, repository);
    if (tried && (await ctx.records.get(tried.key, []))) {
      await tried.finish();
      return tried.stamp;
    }
    const planned = await plan(again);
    if (!planned) return undefined;
    const { row, finish } = await planRepository(ctx, repository, planned);
    listed = !planned.repository;
    // Drawn only now, so that it is later than the changes that the plan was made from: replicas order by it.
    const stamp = ctx.stamp(planned.repository?.value.version);
    tried = { key: eventKey(repository, stamp, id), stamp, finish };
    const events = planned.events.map((event, i) =>
      outboxWrite(repository, stamp, i === 0 ? id : `${id}.${i}`, event, cause),
    );
    const writes = [row(stamp), ...planned.writes(stamp), ...events];
    await ctx.records.batch('repos', repositoryPartition(repository), writes);
    await finish();
    return stamp;
  });
}

/** The write of the repository's own row, and what must follow it in the catalog. */
async function planRepository(
  ctx: Context,
  repository: Repository,
  { repository: before, more, set }: Plan,
): Promise<{ readonly row: (stamp: Stamp) => Write; readonly finish: () => Promise<void> }> {
  const key = repositoryKey(repository);
  const { manifests = 0, tags = 0, grown = 0 } = more;
  if (!before) {
    // Before the repository exists, so that none is ever unlisted, and after it: somebody who deletes the last
    // manifest of another first push may have taken the name out in between.
    await listInCatalog(ctx, repository, put);
    const fresh = { name: repository.name, created: ctx.now(), manifests, tags, grown };
    return {
      row: (stamp) => put(key, { ...fresh, updated: stamp, version: stamp, ...set?.(stamp) }, ifAbsent),
      // It may be hidden already, and then stays so.
      finish: async () => await listInCatalog(ctx, repository, merge),
    };
  }
  const { value, etag } = before;
  const held = await countsOf(ctx, repository, value);
  if (held.manifests + manifests > 0) {
    const counts = {
      manifests: held.manifests + manifests,
      tags: held.tags + tags,
      grown: held.grown + grown,
    };
    return {
      row: (stamp) => merge(key, { ...counts, version: stamp, ...set?.(stamp) }, ifMatch(etag)),
      finish: () => Promise.resolve(),
    };
  }
  // Read before the repository goes: whoever makes it anew writes this row first, and then it stays.
  const listed = await ctx.records.get(catalogKey(repository), ['stamp']);
  return {
    row: () => remove(key, ifMatch(etag)),
    finish: async () => {
      if (listed) await dropFromCatalog(ctx, repository, listed);
    },
  };
}

/** Puts a repository's name into the catalog: `put` shows it, `merge` leaves it hidden where it is. One call. */
export async function listInCatalog(
  ctx: Context,
  repository: Repository,
  write: typeof put<CatalogRow>,
): Promise<void> {
  const key = catalogKey(repository);
  const row = { name: repository.name, stamp: ctx.stamp() };
  await ctx.records.batch(key.table, key.partition, [write(key, row, always)]);
}

/** Takes a name out of the catalog unless somebody has listed it since it was read. */
export async function dropFromCatalog(
  ctx: Context,
  repository: Repository,
  listed: Found<Pick<CatalogRow, 'stamp'>>,
): Promise<void> {
  const key = catalogKey(repository);
  await contend(ctx, async (again) => {
    const found = again ? await ctx.records.get(key, ['stamp']) : listed;
    if (!found) return;
    // Listed anew by a first push. With the stamp of before it was merely hidden or shown meanwhile.
    if (found.value.stamp !== listed.value.stamp) return await alignCatalog(ctx, repository);
    await ctx.records.batch(key.table, key.partition, [remove(key, ifMatch(found.etag))]);
  });
}

/**
 * Hides a repository's name in the catalog or shows it, as the repository's row says, until both agree. That one is read
 * last, and the catalog's is written as it was before: whoever changes the lock and aligns after that has the last word.
 * Two reads one after the other; where they differ a write, and the two again.
 */
export async function alignCatalog(ctx: Context, repository: Repository): Promise<void> {
  const key = catalogKey(repository);
  await contend(ctx, async () => {
    for (;;) {
      const listed = await ctx.records.get(key, ['hidden']);
      const found = await ctx.records.get(repositoryKey(repository), ['locks']);
      const hidden = isLocked(found?.value, 'list');
      if (Boolean(listed?.value.hidden) === hidden) return;
      const write = listed
        ? merge(key, { hidden }, ifMatch(listed.etag))
        : put(key, { name: repository.name, stamp: ctx.stamp(), hidden }, ifAbsent);
      await ctx.records.batch(key.table, key.partition, [write]);
    }
  });
}

/** Throws DISALLOWED where a repository may not be changed. */
export function demandWritable(repository: Found<RepositoryRow> | undefined): void {
  if (isLocked(repository?.value, 'write')) throw disallowed('the repository is locked against writing');
}

/** Throws DISALLOWED where nothing more may be stored. */
export function demandRoom({ full }: Policy): void {
  if (full) throw disallowed('the storage of this registry is used up');
}

/** ACR's one answer to whatever a lock, quarantine or a limit forbids; `reason` says which. */
export function disallowed(reason: string): Problem {
  return new Problem('DISALLOWED', { reason });
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
