import { isLocked } from '../../../model/policy/locks.ts';
import type { PurgeOptions } from '../../../model/policy/lifecycle.ts';
import { Problem } from '../../../model/problem.ts';
import { stampTime } from '../../../model/stamp.ts';
import { type GoingTag, type ManifestState, type Select, type State, tagsLeft } from '../state.ts';
import { parseAge } from './age.ts';
import { compileFilters } from './filters.ts';
import type { Matcher } from './expression.ts';
import { newestDangling, newestFirst } from '../newest.ts';

const WHY = 'purge';

/** What a purge does to each repository; undefined for one that it does not touch. */
export type Purge = (repository: string) => Select | undefined;

/**
 * Reads the options of `acr purge` (ACR features section 5). Tags go that a filter matches and that were last pushed
 * before `ago`, but for the newest `keep` of them; with `untagged`, manifests as old that then have no tag and no
 * subject. `untaggedOnly` leaves tags alone, needs neither filters nor `ago`, and heeds of filters the repositories only.
 * Throws REQUEST_INVALID.
 */
export async function readPurge(options: PurgeOptions, now: number): Promise<Purge> {
  checkOptions(options);
  const { filters, ago, untaggedOnly } = options;
  const before = ago === undefined ? Infinity : now - parseAge(ago);
  const compiled = await compileFilters(filters);
  return (repository) => {
    const matches = compiled.tagsOf(repository);
    if (untaggedOnly) {
      return matches || filters.length === 0 ? (state) => selectDangling(state, options, before) : undefined;
    }
    return matches && ((state) => selectTags(state, options, before, matches));
  };
}

/** Whether a purge looks at tags alone. */
export function purgesTagsAlone({ untagged, untaggedOnly }: PurgeOptions): boolean {
  return !untagged && !untaggedOnly;
}

function checkOptions({ filters, ago, keep, untagged, untaggedOnly }: PurgeOptions): void {
  if (untagged && untaggedOnly) throw wrong("'untagged' and 'untaggedOnly' exclude each other.");
  if (!Number.isSafeInteger(keep) || keep < 0) throw wrong("'keep' is not a whole number from 0.");
  if (untaggedOnly) return;
  if (filters.length === 0) throw wrong("'filters' are needed, unless 'untaggedOnly' is true.");
  if (ago === undefined) throw wrong("'ago' is needed, unless 'untaggedOnly' is true.");
}

function selectTags(state: State, options: PurgeOptions, before: number, matches: Matcher) {
  const { keep, untagged, includeLocked } = options;
  const all = [...state.tags.values()];
  const matched = matches(all.map(({ tag }) => tag));
  const old = all.filter(
    (tag, i) =>
      matched[i] === true &&
      stampTime(tag.stamp) < before &&
      (includeLocked || !isLocked(tag, 'delete', 'write')),
  );
  const tags = newestFirst(old, ({ tag }) => tag)
    .slice(keep)
    .map((tag): GoingTag => ({ tag, why: WHY }));
  return {
    tags,
    manifests: untagged ? candidates(dangling(state, tags, before)) : [],
    unlocks: includeLocked,
  };
}

function selectDangling(state: State, { keep, includeLocked }: PurgeOptions, before: number) {
  const wanted = dangling(state, [], before);
  const spared = newestDangling(state, [], wanted, keep, includeLocked);
  const manifests = candidates(wanted.filter(({ digest }) => !spared.has(digest)));
  return { tags: [], manifests, unlocks: includeLocked };
}

/** Manifests without a tag, once these are gone; those with a subject go with that alone. */
function dangling(state: State, tags: readonly GoingTag[], before: number): readonly ManifestState[] {
  const tagged = new Set<string>(tagsLeft(state, tags).map(({ digest }) => digest));
  return [...state.manifests.values()].filter(
    ({ digest, subject, stamp }) => subject === undefined && !tagged.has(digest) && stampTime(stamp) < before,
  );
}

function candidates(manifests: readonly ManifestState[]) {
  return manifests.map(({ digest }) => ({ digest, why: WHY }));
}

function wrong(message: string): Problem {
  return new Problem('REQUEST_INVALID', undefined, { message });
}
