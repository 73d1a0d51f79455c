import type { RegistryEvent } from '../../events/event.ts';
import type { Digest } from '../../model/digest.ts';
import { type Repository, referrersTagSubject } from '../../model/names.ts';
import { manifestKey } from '../../model/record.ts';
import { KEPT_AT_ONCE } from '../../registry/change/bin.ts';
import { removeManifest, removeTag } from '../../registry/change/delete.ts';
import { type Write, ifPresent, merge } from '../../store/records.ts';
import type { Decision, Going } from './decide.ts';
import type { GoingTag, ManifestState, State } from './state.ts';
import type { Survey } from './survey.ts';

/** What one transaction may write beside the repository's own row. */
const ROOM = 99;

/** What one transaction deletes: tags, or manifests without any. */
export interface Step {
  readonly tags: readonly GoingTag[];
  readonly manifests: readonly Going[];
  /** Manifests that the next steps delete, though they never had a tag: from now on they count as having lost one then. */
  readonly orphans: readonly Digest[];
  /** Milliseconds since 1970. */
  readonly orphaned: number | undefined;
}

/**
 * The next transaction's share of a decision and what is left of it; undefined at the end. What hangs together goes in
 * one transaction if it fits; if not, retention could not find what is left of it, should nobody come to delete that,
 * but for the mark that it gets. `keeps`: one row more for each thing that goes.
 */
export function nextStep(
  state: State,
  { tags, units }: Decision,
  keeps: boolean,
): { readonly step: Step; readonly left: Decision } | undefined {
  if (tags.length > 0) {
    const some = fitting(tags, keeps);
    const step = { tags: some, manifests: [], orphans: [], orphaned: undefined };
    return { step, left: { tags: tags.slice(some.length), units } };
  }
  const [first] = units;
  if (!first) return undefined;
  const manifests: Going[] = [];
  let room = ROOM;
  for (const [i, unit] of units.entries()) {
    const size = unit.reduce((sum, going) => sum + rowsOf(state, going, keeps), 0);
    const fits = size <= room && (!keeps || manifests.length + unit.length <= KEPT_AT_ONCE);
    if (!fits && manifests.length === 0) return split(state, units, keeps);
    if (!fits) return { step: whole(manifests), left: { tags, units: units.slice(i) } };
    manifests.push(...unit);
    room -= size;
  }
  return { step: whole(manifests), left: { tags, units: [] } };
}

/** The events and writes of a step. */
export function planStep(
  { repository, manifests }: Survey,
  { tags, manifests: going, orphans, orphaned }: Step,
  now: number,
): { readonly events: readonly RegistryEvent[]; readonly writes: readonly Write[] } {
  const byDigest = [...Map.groupBy(tags, ({ tag }) => tag.digest)];
  const found = going.flatMap(({ digest }) => manifests.get(digest) ?? []);
  return {
    events: [
      ...byDigest.map(([digest, some]) => untagEvent(digest, some)),
      ...found.map(({ digest, mediaType, size }) => {
        return { action: 'delete', digest, tags: [], mediaType, size } as const;
      }),
    ],
    writes: [
      ...tags.flatMap(({ tag: { tag, digest } }) => removeTag(repository, digest, tag)),
      ...byDigest.map(([digest]) => untag(repository, digest, now)),
      ...found.flatMap((value) => removeManifest(repository, value.digest, { value })),
      ...(orphaned === undefined ? [] : orphans.map((digest) => untag(repository, digest, orphaned))),
    ],
  };
}

/** Makes a survey follow a step that was committed. */
export function apply(
  { manifests, tags }: Survey,
  { tags: gone, manifests: going, orphans, orphaned }: Step,
  now: number,
): void {
  const lose = (digest: Digest, untagged: number | undefined) => {
    const before = manifests.get(digest);
    if (before && untagged !== undefined) manifests.set(digest, { ...before, untagged });
  };
  for (const { tag } of gone) {
    tags.delete(tag.tag);
    lose(tag.digest, now);
  }
  for (const { digest } of going) manifests.delete(digest);
  for (const digest of orphans) lose(digest, orphaned);
}

function fitting(tags: readonly GoingTag[], keeps: boolean): readonly GoingTag[] {
  const digests = new Set<string>();
  let room = ROOM;
  for (const [i, { tag }] of tags.entries()) {
    const rows = (referrersTagSubject(tag.tag) ? 3 : 2) + (keeps ? 1 : 0);
    // Its manifest is told, and so is everybody else by an event.
    room -= rows + (digests.has(tag.digest) ? 0 : 2);
    if (room < 0) return tags.slice(0, i);
    digests.add(tag.digest);
  }
  return tags;
}

/** The start of a unit that is too large for one transaction. */
function split(state: State, [unit = [], ...others]: Decision['units'], keeps: boolean) {
  const untagged = unit.find(({ digest }) => state.manifests.get(digest)?.untagged !== undefined);
  const orphaned = untagged && state.manifests.get(untagged.digest)?.untagged;
  const manifests: Going[] = [];
  let room = orphaned === undefined ? ROOM : Math.floor(ROOM / 2);
  for (const going of unit) {
    room -= rowsOf(state, going, keeps);
    if (room < 0 || (keeps && manifests.length === KEPT_AT_ONCE)) break;
    manifests.push(going);
  }
  const rest = unit.slice(manifests.length);
  const orphans = rest
    .filter(({ digest }) => state.manifests.get(digest)?.untagged === undefined)
    .slice(0, orphaned === undefined ? 0 : Math.floor(ROOM / 2))
    .map(({ digest }) => digest);
  return { step: { tags: [], manifests, orphans, orphaned }, left: { tags: [], units: [rest, ...others] } };
}

function whole(manifests: readonly Going[]): Step {
  return { tags: [], manifests, orphans: [], orphaned: undefined };
}

/** Rows that `removeManifest` removes, its event, and what is kept of it. */
function rowsOf({ manifests }: State, { digest }: Going, keeps: boolean): number {
  return (manifests.get(digest)?.subject === undefined ? 2 : 3) + (keeps ? 1 : 0);
}

function untagEvent(digest: Digest, some: readonly GoingTag[]): RegistryEvent {
  const { mediaType = '', size = 0 }: Partial<ManifestState> = some[0]?.tag ?? {};
  return { action: 'untag', digest, tags: some.map(({ tag }) => tag.tag), mediaType, size };
}

function untag(repository: Repository, digest: Digest, time: number): Write {
  return merge(manifestKey(repository, digest), { untagged: time }, ifPresent);
}
