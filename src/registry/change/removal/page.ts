import { type Digest, parseDigest } from '../../../model/digest.ts';
import { type Repository, type Tag, parseTag } from '../../../model/names.ts';
import { type ManifestRow, type TagOfRow, repositoryPartition } from '../../../model/record.ts';
import type { Stamp } from '../../../model/stamp.ts';
import type { Context } from '../../../store/context.ts';
import type { Found } from '../../../store/records.ts';

/** Manifests, and tags, looked at together. */
const PAGE = 1000;
const FIELDS = ['digest', 'subject', 'mediaType', 'size', 'stamp', 'locks'] as const;

/** A tag as its manifest knows it. */
export interface TagEntry {
  readonly tag: Tag;
  readonly stamp: Stamp;
  /** It must not be deleted. */
  readonly locked: boolean;
}

/** A manifest with its tags. */
export interface Entry {
  readonly digest: Digest;
  readonly found: Found<Pick<ManifestRow, (typeof FIELDS)[number]>>;
  readonly tags: readonly TagEntry[];
  /** These are all its tags, or the last of them: no further page tells more. */
  readonly whole: boolean;
}

/** First keys of the manifests and of the tags that are still to be looked at. */
export interface Place {
  readonly manifest: string;
  readonly tag: string;
}

export interface Page {
  /** By digest. */
  readonly entries: readonly Entry[];
  /** Undefined on the last page. */
  readonly next: Place | undefined;
}

export const START: Place = { manifest: 'm!', tag: 'x!' };

/** Where a manifest and its tags begin. */
export function placeOf(digest: Digest): Place {
  return { manifest: `m!${digest}`, tag: `x!${digest}!` };
}

/** The next manifests of a repository and their tags, up to 1,000 of each, without bytes. Two calls at once. */
export async function readPage(ctx: Context, repository: Repository, from: Place): Promise<Page> {
  const shared = { table: 'repos', partition: repositoryPartition(repository), limit: PAGE } as const;
  const [manifests, tags] = await Promise.all([
    ctx.records.range<ManifestRow>({ ...shared, from: from.manifest, before: 'm~', select: FIELDS }),
    ctx.records.range<TagOfRow>({ ...shared, from: from.tag, before: 'x~', select: ['stamp', 'locked'] }),
  ]);
  const tagsByDigest = Map.groupBy(tags.rows, ({ row }) => row.split('!')[1] ?? '');
  const lastTag = tags.more ? tags.rows.at(-1)?.row : undefined;
  // The manifest in the midst of whose tags the page of tags ends; of those behind it nothing is known yet.
  const open = lastTag?.split('!')[1];
  const entries = manifests.rows
    .filter(({ value }) => open === undefined || value.digest <= open)
    .map((found) => entryOf(found, tagsByDigest.get(found.value.digest) ?? [], found.value.digest !== open));
  const last = manifests.more ? manifests.rows.at(-1)?.value.digest : undefined;
  if (open !== undefined && lastTag !== undefined && (last === undefined || open <= last)) {
    // `!` sorts before, and `~` behind, whatever may follow in a key.
    return { entries, next: { manifest: `m!${open}`, tag: `${lastTag}!` } };
  }
  return { entries, next: last === undefined ? undefined : { manifest: `m!${last}!`, tag: `x!${last}!~` } };
}

function entryOf(found: Entry['found'], tags: readonly Found<TagOfRow>[], whole: boolean): Entry {
  return { digest: parseDigest(found.value.digest), found, tags: tags.map(tagEntry), whole };
}

function tagEntry({ row, value: { stamp, locked = false } }: Found<TagOfRow>): TagEntry {
  return { tag: parseTag(row.slice(row.lastIndexOf('!') + 1)), stamp, locked };
}
