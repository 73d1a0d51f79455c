import { isDigest } from '../../../model/digest.ts';
import type { LifecycleRule } from '../../../model/policy/lifecycle.ts';
import { stampTime } from '../../../model/stamp.ts';
import {
  type Candidate,
  type GoingTag,
  type ManifestState,
  type Select,
  type State,
  type TagState,
  tagsLeft,
} from '../state.ts';
import { matchesAny } from './glob.ts';
import { newestDangling, newestFirst } from '../newest.ts';

const DAY_MS = 86_400_000;

/**
 * What the rules of a lifecycle policy say of a repository; undefined where none names it. First tags go, then
 * manifests that have none. The newest that a rule keeps are of all tags that it matches, however young or locked. A
 * signature under a tag such as `sha256-<hex>.sig` is no rule's business as long as what it signs is there.
 */
export function selectByRules(
  rules: readonly LifecycleRule[],
  repository: string,
  now: number,
): Select | undefined {
  const concerned = rules.filter(({ repositories }) => matchesAny(repositories, repository));
  if (concerned.length === 0) return undefined;
  return (state) => {
    const tags = new Map<string, GoingTag>();
    for (const rule of concerned.filter((one) => one.state !== 'untagged')) {
      for (const tag of oldTags(state, rule, now)) {
        if (!tags.has(tag.tag)) tags.set(tag.tag, { tag, why: rule.name });
      }
    }
    const going = [...tags.values()];
    const untagged = concerned.filter((one) => one.state !== 'tagged');
    return { tags: going, manifests: untagged.flatMap((rule) => oldManifests(state, going, rule, now)) };
  };
}

function oldTags(state: State, rule: LifecycleRule, now: number): readonly TagState[] {
  const matched = [...state.tags.values()].filter(
    ({ tag }) => matchesAny(rule.tags, tag) && !matchesAny(rule.exceptTags, tag) && !isAttached(state, tag),
  );
  return newestFirst(matched, ({ tag }) => tag)
    .slice(rule.keep ?? 0)
    .filter(({ stamp, pulled = 0, digest }) => {
      const pushed = stampTime(stamp);
      // Whoever pulls by digest uses the tag's image, too.
      const used = Math.max(pushed, pulled, state.manifests.get(digest)?.pulled ?? 0);
      return isOld(rule, pushed, used, now);
    });
}

function oldManifests(
  state: State,
  tags: readonly GoingTag[],
  rule: LifecycleRule,
  now: number,
): readonly Candidate[] {
  const tagged = new Set<string>(tagsLeft(state, tags).map(({ digest }) => digest));
  const losing = new Set<string>(tags.map(({ tag }) => tag.digest));
  const dangling = [...state.manifests.values()].filter(({ digest }) => !tagged.has(digest));
  const spared = newestDangling(state, tags, dangling, rule.keep ?? 0, false);
  return dangling
    .filter((manifest) => {
      if (spared.has(manifest.digest)) return false;
      const left = losing.has(manifest.digest) ? now : leftAlone(manifest);
      return isOld(rule, left, Math.max(left, manifest.pulled ?? 0), now);
    })
    .map(({ digest }) => ({ digest, why: rule.name }));
}

/** When a manifest was last pushed, or lost its last tag. */
function leftAlone({ stamp, untagged = 0 }: ManifestState): number {
  return Math.max(stampTime(stamp), untagged);
}

function isOld(
  { olderThanDays, notPulledForDays }: LifecycleRule,
  changed: number,
  used: number,
  now: number,
): boolean {
  return (
    (olderThanDays === undefined || changed <= now - olderThanDays * DAY_MS) &&
    (notPulledForDays === undefined || used <= now - notPulledForDays * DAY_MS)
  );
}

/** Whether a tag says that it belongs to a manifest which is there, as those of cosign and of referrers do. */
function isAttached({ manifests }: State, tag: string): boolean {
  const [, algorithm = '', hex = ''] = /^(sha256|sha512)-([0-9a-f]+)(?:\.|$)/.exec(tag) ?? [];
  const digest = `${algorithm}:${hex}`;
  return isDigest(digest) && manifests.has(digest);
}
