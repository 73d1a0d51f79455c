import type { Stamp } from '../../model/stamp.ts';
import { decide } from './decide.ts';
import type { GoingTag, ManifestState, State } from './state.ts';

/** The newest first; of the same time by name, so that every run finds the same. */
export function newestFirst<T extends { readonly stamp: Stamp }>(
  entries: readonly T[],
  name: (entry: T) => string,
): readonly T[] {
  return entries.toSorted((a, b) => compare(b.stamp, a.stamp) || compare(name(a), name(b)));
}

/**
 * The newest manifests of those that would go if `wanted` were to: an index counts, its children and the referrers of
 * either do not, since they stay with it.
 */
export function newestDangling(
  state: State,
  tags: readonly GoingTag[],
  wanted: readonly ManifestState[],
  count: number,
  unlocks: boolean,
): ReadonlySet<string> {
  if (count === 0) return new Set();
  const manifests = wanted.map(({ digest }) => ({ digest, why: '' }));
  const first = decide(state, { tags, manifests, unlocks })
    .units.flat()
    .flatMap((going) => (going.first ? (state.manifests.get(going.digest) ?? []) : []));
  const newest = newestFirst(first, ({ digest }) => digest).slice(0, count);
  return new Set(newest.map(({ digest }) => digest));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
