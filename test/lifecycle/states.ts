import { decide } from '../../src/lifecycle/rules/decide.ts';
import type { ManifestState, Select, State, TagState } from '../../src/lifecycle/rules/state.ts';
import { type Digest, digestOf } from '../../src/model/digest.ts';
import { packDigests } from '../../src/model/manifest.ts';
import { parseTag } from '../../src/model/names.ts';
import { createStamps } from '../../src/model/stamp.ts';

export const DAY = 86_400_000;
export const NOW = Date.UTC(2026, 5, 1);
const IMAGE = 'application/vnd.oci.image.manifest.v1+json';

/** A manifest in a few words; ages in days. */
export interface Sketch {
  /** Days since the last push; 0 unless told. */
  readonly age?: number;
  /** Days since it lost a tag. */
  readonly untagged?: number;
  readonly pulled?: number;
  /** Its tags, each with the days since its last push, or with more. */
  readonly tags?: Readonly<Record<string, number | { age: number; pulled?: number; locks?: string }>>;
  readonly children?: readonly string[];
  readonly subject?: string;
  readonly locks?: string;
  readonly mediaType?: string;
}

/** The digest of the manifest that a sketch calls by this name. */
export function digestFor(name: string): Digest {
  return digestOf(Buffer.from(name));
}

/** The state of a repository with these manifests, by name. */
export function sketch(manifests: Readonly<Record<string, Sketch>>): State {
  const found = Object.entries(manifests).map(([name, one]) => manifestFor(name, one));
  const tags = Object.entries(manifests).flatMap(([name, one]) => tagsFor(name, one));
  return {
    manifests: new Map(found.map((manifest) => [manifest.digest, manifest])),
    tags: new Map(tags.map((tag) => [tag.tag, tag])),
  };
}

/** What goes: names of tags, then `@` and names of manifests, in their order; those of one unit joined by `>`. */
export function going(manifests: Readonly<Record<string, Sketch>>, select: Select): string[] {
  const state = sketch(manifests);
  const names = new Map(Object.keys(manifests).map((name) => [digestFor(name), name]));
  const { tags, units } = decide(state, select(state));
  return [
    ...tags.map(({ tag }) => tag.tag),
    ...units.map((unit) => `@${unit.map(({ digest }) => names.get(digest)).join('>')}`),
  ];
}

function manifestFor(name: string, one: Sketch): ManifestState {
  const { age = 0, untagged, pulled, children = [], subject, locks, mediaType = IMAGE } = one;
  return {
    digest: digestFor(name),
    mediaType,
    size: 100,
    stamp: stampAt(age),
    refs: packDigests(['layer', ...children].map(digestFor)),
    ...(untagged !== undefined && { untagged: NOW - untagged * DAY }),
    ...(pulled !== undefined && { pulled: NOW - pulled * DAY }),
    ...(subject !== undefined && { subject: digestFor(subject) }),
    ...(locks !== undefined && { locks }),
  };
}

function tagsFor(name: string, { tags = {}, mediaType = IMAGE }: Sketch): TagState[] {
  return Object.entries(tags).map(([tag, value]) => {
    const { age, pulled, locks }: { age: number; pulled?: number; locks?: string } =
      typeof value === 'number' ? { age: value } : value;
    return {
      tag: parseTag(tag),
      digest: digestFor(name),
      mediaType,
      size: 100,
      stamp: stampAt(age),
      ...(pulled !== undefined && { pulled: NOW - pulled * DAY }),
      ...(locks !== undefined && { locks }),
    };
  });
}

function stampAt(age: number) {
  return createStamps(() => NOW - age * DAY, 'test')();
}
