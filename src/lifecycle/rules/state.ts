import type { Digest } from '../../model/digest.ts';
import type { Tag } from '../../model/names.ts';
import type { ManifestRow, TagRow } from '../../model/record.ts';

/** A manifest as it is stored, without its bytes. */
export type ManifestState = Pick<
  ManifestRow,
  'mediaType' | 'size' | 'stamp' | 'untagged' | 'pulled' | 'subject' | 'locks'
> & {
  readonly digest: Digest;
  /** What it names, packed by `packDigests`. */
  readonly refs: Uint8Array;
};

export type TagState = Pick<TagRow, 'mediaType' | 'size' | 'stamp' | 'pulled' | 'locks'> & {
  readonly tag: Tag;
  readonly digest: Digest;
};

/** All that a repository held at one moment. */
export interface State {
  /** By digest. */
  readonly manifests: ReadonlyMap<string, ManifestState>;
  /** By name. */
  readonly tags: ReadonlyMap<string, TagState>;
}

/** A tag that is to go. */
export interface GoingTag {
  readonly tag: TagState;
  /** The name of what says so: a rule's, `retention` or `purge`. */
  readonly why: string;
}

/** A manifest that is to go once no tag names it and nothing that stays needs it. */
export interface Candidate {
  readonly digest: Digest;
  readonly why: string;
  /** Whether a manifest that it lists goes along; none does where this is left out. */
  readonly takes?: (child: ManifestState) => boolean;
}

/** What a policy would have go, were nothing else to keep it. */
export interface Selection {
  readonly tags: readonly GoingTag[];
  readonly manifests: readonly Candidate[];
  /** Locks of tags and manifests keep nothing. */
  readonly unlocks?: boolean;
}

/** What a policy says of a repository in a state. */
export type Select = (state: State) => Selection;

/** What any of several policies says. */
export function either(selects: readonly Select[]): Select {
  return (state) => {
    const all = selects.map((select) => select(state));
    return {
      tags: all.flatMap(({ tags }) => tags),
      manifests: all.flatMap(({ manifests }) => manifests),
      unlocks: false,
    };
  };
}

/** The tags that stay when some go. */
export function tagsLeft(state: State, going: readonly GoingTag[]): readonly TagState[] {
  const gone = new Set(going.map(({ tag }) => tag.tag));
  return [...state.tags.values()].filter(({ tag }) => !gone.has(tag));
}
