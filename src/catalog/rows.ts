import type { Repository } from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import { repositoryKey, repositoryPartition } from '../model/record.ts';
import type { Stamp } from '../model/stamp.ts';
import type { Context } from '../store/context.ts';
import { readRange } from '../store/paging.ts';
import type { Found } from '../store/records.ts';

/** What a listing asks for: at most `limit` entries after a place. */
export interface Listing {
  /** 0 to 1,000. */
  readonly limit: number;
  /** Name of the entry before the first wanted, or a place between names; '' for the start. */
  readonly last: string;
  readonly order: 'name' | 'timeasc' | 'timedesc';
  /** By time: the stamp that `last` had when it was listed, so that the place stays when `last` is gone or moves. */
  readonly at?: Stamp;
}

/** Where the next page begins; undefined on the last one. */
export type Next = Pick<Listing, 'last' | 'at'> | undefined;

interface Timed {
  readonly name: string;
  readonly stamp: Stamp;
}

/** All rows of a repository between two keys. One call per 1,000. */
export async function readRows<R>(
  ctx: Context,
  repository: Repository,
  between: { readonly from: string; readonly before: string },
  select: readonly (keyof R & string)[],
): Promise<readonly Found<R>[]> {
  const partition = repositoryPartition(repository);
  return await readRange<R>(ctx, { table: 'repos', partition, ...between, select });
}

/** The page of a listing by time: entries in order of their stamps, those of one stamp by name. */
export function pageByTime<E extends Timed>(
  entries: readonly E[],
  { limit, last, order, at }: Listing,
): { readonly page: readonly E[]; readonly next: Next } {
  const sign = order === 'timedesc' ? -1 : 1;
  const compare = (a: Timed, b: Timed) =>
    sign * (compareText(a.stamp, b.stamp) || compareText(a.name, b.name));
  const stamp = at ?? entries.find(({ name }) => name === last)?.stamp;
  const after =
    last === '' || stamp === undefined
      ? [...entries]
      : entries.filter((entry) => compare(entry, { name: last, stamp }) > 0);
  const page = after.toSorted(compare).slice(0, limit);
  const end = page.at(-1);
  return { page, next: end && after.length > limit ? { last: end.name, at: end.stamp } : undefined };
}

/** Runs over all items, `width` at once, and keeps their order. */
export async function inTurns<T, U>(
  items: readonly T[],
  width: number,
  run: (item: T) => Promise<U>,
): Promise<readonly U[]> {
  const results: U[] = [];
  for (let i = 0; i < items.length; i += width) {
    results.push(...(await Promise.all(items.slice(i, i + width).map(run))));
  }
  return results;
}

/** Throws NAME_UNKNOWN when there is no such repository. One call. */
export async function demandRepository(ctx: Context, repository: Repository): Promise<void> {
  if (!(await ctx.records.get(repositoryKey(repository), []))) throw unknownRepository(repository);
}

export function unknownRepository({ name }: Repository): Problem {
  return new Problem('NAME_UNKNOWN', { name });
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
