import type { Repository } from '../model/names.ts';
import { isLocked } from '../model/policy/locks.ts';
import type { Policy } from '../model/policy/policy.ts';
import { repositoryKey } from '../model/record.ts';
import type { Context } from '../store/context.ts';
import type { Found, Range } from '../store/records.ts';
import { disallowed } from './change/commit.ts';

/** Whether a lock of the whole repository forbids to read or to write. No call unless the policy guards it, then one. */
export async function isClosed(
  ctx: Context,
  repository: Repository,
  policy: Policy,
  lock: 'read' | 'write',
): Promise<boolean> {
  if (!policy.guards(repository.name)) return false;
  return isLocked((await ctx.records.get(repositoryKey(repository), ['locks']))?.value, lock);
}

/** Throws DISALLOWED where `isClosed`. */
export async function demandOpen(
  ctx: Context,
  repository: Repository,
  policy: Policy,
  lock: 'read' | 'write',
): Promise<void> {
  if (await isClosed(ctx, repository, policy, lock)) {
    throw disallowed(`the repository is locked against ${lock === 'read' ? 'reading' : 'writing'}`);
  }
}

const MOST = 1000;
/** Calls of one page where much is hidden; the page then ends early, and the next one goes on behind it. */
const READS = 10;

/** A page of what is not hidden. */
export interface Listed<R> {
  readonly rows: readonly Found<R>[];
  /** Where the page ended: the key that the next one follows; undefined on the last page. */
  readonly end: Found<R> | undefined;
}

/**
 * The rows of a range that lists may show, as many as it says unless there are no more. One call where nothing is
 * hidden; else one more for each `step` rows, at most READS.
 */
export async function readListed<R>(
  ctx: Context,
  range: Range,
  isHidden: (value: R) => boolean,
  step = MOST,
): Promise<Listed<R>> {
  const rows: Found<R>[] = [];
  let { from } = range;
  let last: Found<R> | undefined;
  for (let reads = 0; reads < READS; reads++) {
    // One more than wanted, where one call gives it, so that no page promises another on which all is hidden.
    const limit = reads === 0 ? Math.min(range.limit + 1, MOST) : step;
    const page = await ctx.records.range<R>({ ...range, from, limit });
    for (const row of page.rows) {
      if (isHidden(row.value)) continue;
      if (rows.length === range.limit) return { rows, end: rows.at(-1) };
      rows.push(row);
    }
    if (!page.more) return { rows, end: undefined };
    if (rows.length === MOST) return { rows, end: rows.at(-1) };
    last = page.rows.at(-1);
    // `!` sorts before whatever may follow in a key.
    from = `${last?.row}!`;
  }
  return { rows, end: last };
}
