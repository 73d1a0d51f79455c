import type { RegistryEvent } from '../../../events/event.ts';
import { type Repository, type Tag, referrersTagSubject } from '../../../model/names.ts';
import { manifestKey } from '../../../model/record.ts';
import type { Context } from '../../../store/context.ts';
import { type Write, ifPresent, merge } from '../../../store/records.ts';
import { KEPT_AT_ONCE } from '../bin.ts';
import { removeManifest, removeTag } from '../delete.ts';
import { type Entry, type Page, type Place, placeOf } from './page.ts';

/** What one transaction may write beside the repository's own row. */
const ROOM = 99;
/** Tags of one manifest that surely fit: up to four rows each. */
const TAGS_AT_ONCE = 24;

/** What of an entry is to go. */
export interface Doomed {
  readonly entry: Entry;
  readonly tags: readonly Tag[];
  /** The manifest goes, too. */
  readonly manifest: boolean;
}

/** What one transaction removes. */
export interface Step {
  readonly doomed: readonly Doomed[];
  /** Where to go on; undefined at the end. */
  readonly place: Place | undefined;
  /** What is left of the page; undefined when the next one must be read. */
  readonly rest: Page | undefined;
}

/**
 * As many manifests of a page with their tags as one transaction can remove; of one with very many tags some of these.
 * `doom` tells what of an entry is to go; `keeps`: it can be restored, which takes a row more for each thing.
 */
export function planStep(page: Page, doom: (entry: Entry) => Doomed, keeps: boolean): Step {
  const { entries, next } = page;
  const doomed: Doomed[] = [];
  let room = ROOM;
  for (const [i, entry] of entries.entries()) {
    const wanted = doom(entry);
    if (!wanted.manifest && wanted.tags.length === 0) continue;
    const size = sizeOf(wanted, keeps);
    if (size <= room && !(keeps && doomed.length === KEPT_AT_ONCE)) {
      doomed.push(wanted);
      room -= size;
      continue;
    }
    const place = placeOf(entry.digest);
    if (doomed.length > 0) return { doomed, place, rest: { entries: entries.slice(i), next } };
    const tags = wanted.tags.slice(0, TAGS_AT_ONCE);
    const left = { ...entry, tags: entry.tags.filter(({ tag }) => !tags.includes(tag)) };
    const rest = { entries: [left, ...entries.slice(i + 1)], next };
    return { doomed: [{ entry, tags, manifest: false }], place, rest };
  }
  return { doomed, place: next, rest: undefined };
}

/** Rows that this changes, its event among them, as `removeTag` and `removeManifest` do it. */
function sizeOf({ entry, tags, manifest }: Doomed, keeps: boolean): number {
  const kept = keeps ? 1 : 0;
  const rows = tags.map((tag) => (referrersTagSubject(tag) ? 3 : 2) + kept);
  const own = manifest ? (entry.found.value.subject === undefined ? 1 : 2) + kept : 1;
  return rows.reduce((sum, size) => sum + size, own + 1);
}

/** What is gone after it. */
export function goneWith({ doomed }: Step) {
  return {
    manifests: doomed.filter(({ manifest }) => manifest).map(({ entry }) => entry.digest),
    tags: doomed.flatMap(({ tags }) => tags),
  };
}

export function eventsOf({ doomed }: Step): readonly RegistryEvent[] {
  return doomed.map(({ entry, tags, manifest }) => {
    const { digest, mediaType, size } = entry.found.value;
    return { action: manifest ? 'delete' : 'untag', digest, tags, mediaType, size };
  });
}

/** The writes of a step, but for what is kept of it. */
export function writesOf(ctx: Context, repository: Repository, { doomed }: Step): readonly Write[] {
  return doomed.flatMap(({ entry: { digest, found }, tags, manifest }) => [
    ...tags.flatMap((tag) => removeTag(repository, digest, tag)),
    ...(manifest
      ? removeManifest(repository, digest, found)
      : [merge(manifestKey(repository, digest), { untagged: ctx.now() }, ifPresent)]),
  ]);
}
