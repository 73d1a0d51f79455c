import type { Digest } from './digest.ts';
import type { RegistryName, Repository, RepositoryName, Tag } from './names.ts';
import type { Stamp } from './stamp.ts';

/**
 * The rows of the registry: their shapes and their keys (DESIGN section 5). Table `blobs` has one partition per
 * registry and digest, table `repos` one per registry and repository, and one `!catalog` per registry.
 */
export type TableName = 'blobs' | 'repos';

/** What a property may hold. Bytes up to 64 KiB, text up to 32 Ki characters, integers up to 2^53. */
export type Value = string | number | boolean | Uint8Array;

declare const shape: unique symbol;

/** The address of a row; `R` is the shape of what lies there. */
export interface Key<R> {
  readonly table: TableName;
  readonly partition: string;
  readonly row: string;
  readonly [shape]?: R;
}

/** `<digest>` in `blobs`: the one physical copy of this content in the registry. */
export type ContentRow = {
  phys: string;
  /** Bytes. */
  size: number;
  /** Stamp of the last link made to it; each new link rewrites it, so that collection sees the row change. */
  touched: Stamp;
};

/** `<digest>!<repository>` in `blobs`: the repository has this blob. All that a pull reads. */
export type LinkRow = {
  phys: string;
  size: number;
  /** When a push last relied on this link; collection spares young ones. */
  touched: Stamp;
  /** When it was made. */
  linked: Stamp;
};

/**
 * `!` in `repos`: the repository itself. Every change of a repository rewrites it under its version, in the same
 * transaction: whatever was read after this row is still so when that succeeds.
 */
export type RepositoryRow = {
  name: string;
  created: number;
  /** Of the last push. */
  updated: Stamp;
  /** Of the last change of any kind; the event row with this stamp tells which. */
  version: Stamp;
  manifests: number;
  tags: number;
  /** Bytes of the blobs that pushes brought here so far; never falls. Collection measures what is really there. */
  grown: number;
  locks?: string;
  /** Tags, once set, keep their manifest: our own setting. */
  writeOnce?: boolean;
};

/** Encoded name in `!catalog`: the repository is listed. */
export type CatalogRow = {
  name: string;
  stamp: Stamp;
  /** The repository is hidden from lists. */
  hidden?: boolean;
};

/** The bytes of a manifest: in the row up to `INLINE_LIMIT`, else in a blob of its own named `phys`. */
export type StoredBytes = {
  digest: string;
  mediaType: string;
  size: number;
  body?: Uint8Array;
  phys?: string;
};

/** `m!<digest>` in `repos`. */
export type ManifestRow = StoredBytes & {
  created: number;
  stamp: Stamp;
  subject?: string;
  /** What it references, packed by `packDigests`; absent when too many: then the body tells. */
  refs?: Uint8Array;
  locks?: string;
  /** `Quarantined`, `Passed` or what a scanner writes; absent where quarantine was never used. */
  quarantine?: string;
  /** JSON of the scanner's own. */
  quarantineDetails?: string;
  /** When a tag was last taken from it, in milliseconds since 1970; it may have others, or a new one. */
  untagged?: number;
  /** When it was last pulled, to the hour; in milliseconds since 1970. */
  pulled?: number;
};

/** `t!<tag>` in `repos`: holds a copy of the manifest, so that a pull by tag is one read. */
export type TagRow = StoredBytes & {
  created: number;
  stamp: Stamp;
  locks?: string;
  /** When it was last pulled, to the hour; in milliseconds since 1970. */
  pulled?: number;
};

/** `x!<digest>!<tag>` in `repos`: the tags of a manifest, from the manifest's side. */
export type TagOfRow = {
  stamp: Stamp;
  /** The tag must not be deleted. */
  locked?: boolean;
};

/** `s!<subject>!<digest>` in `repos`: a referrer's descriptor as JSON bytes; absent when too large: then its manifest tells. */
export type ReferrerRow = {
  artifactType?: string;
  descriptor?: Uint8Array;
  /** The referrer is hidden from lists. */
  hidden?: boolean;
};

/** `s!<subject>!` in `repos`: the index that a client keeps under the referrers tag of `subject`. */
export type FallbackRow = StoredBytes & {
  stamp: Stamp;
};

/** `z!m!<digest>` in `repos`: a manifest that was deleted while soft delete was on, as it was. Its bytes are kept. */
export type DeletedManifestRow = ManifestRow & {
  /** When it was deleted, in milliseconds since 1970. */
  deleted: number;
};

/** `z!t!<tag>!<stamp>!<digest>` in `repos`: a tag that was taken from the manifest `digest` by the change `stamp`. */
export type DeletedTagRow = Pick<TagRow, 'digest' | 'created' | 'locks' | 'pulled'> & {
  /** When it was deleted, in milliseconds since 1970. */
  deleted: number;
};

/** Encoded name in `!deleted`: the repository may have rows of deleted manifests and tags. */
export type DeletedRepositoryRow = Pick<RepositoryRow, 'name' | 'created' | 'locks' | 'writeOnce'> & {
  /** When something was last deleted in it, in milliseconds since 1970. The rest is as it was then. */
  deleted: number;
};

/** `o!<stamp>!<id>` in `repos`: an event, written in the transaction of its cause (DESIGN section 1.3). */
export type EventRow = {
  event: string;
};

/** The most bytes of a manifest, of packed references or of a descriptor that a row holds itself. */
export const INLINE_LIMIT = 60 * 1024;

/** `-`→`,` `.`→`-` `/`→`.`: a bijection that keeps byte order and avoids what table keys forbid. */
export function encodeName(name: RepositoryName): string {
  return encodeText(name);
}

/** The same for any part of a name. */
export function encodeText(text: string): string {
  return text.replace(/[-./]/g, (c) => (c === '-' ? ',' : c === '.' ? '-' : '.'));
}

/** The opposite of `encodeName`. */
export function decodeName(encoded: string): string {
  return encoded.replace(/[,.-]/g, (c) => (c === ',' ? '-' : c === '-' ? '.' : '/'));
}

export function contentKey(registry: RegistryName, digest: Digest): Key<ContentRow> {
  return { table: 'blobs', partition: `${registry}!${digest}`, row: digest };
}

export function linkKey(repository: Repository, digest: Digest): Key<LinkRow> {
  return {
    table: 'blobs',
    partition: `${repository.registry}!${digest}`,
    row: `${digest}!${encodeName(repository.name)}`,
  };
}

export function repositoryKey(repository: Repository): Key<RepositoryRow> {
  return inRepository(repository, '!');
}

export function catalogKey(repository: Repository): Key<CatalogRow> {
  return {
    table: 'repos',
    partition: catalogPartition(repository.registry),
    row: encodeName(repository.name),
  };
}

export function catalogPartition(registry: RegistryName): string {
  return `${registry}!!catalog`;
}

export function deletedRepositoryKey(repository: Repository): Key<DeletedRepositoryRow> {
  return {
    table: 'repos',
    partition: deletedPartition(repository.registry),
    row: encodeName(repository.name),
  };
}

/** Holds the names of repositories that have something to restore. */
export function deletedPartition(registry: RegistryName): string {
  return `${registry}!!deleted`;
}

/** Holds who may do what in a registry: its settings, scope maps, tokens and role assignments. */
export function accessPartition(registry: RegistryName): string {
  return `${registry}!!access`;
}

/** Holds what is known of the bytes in a registry and in its repositories; see `lifecycle/usage/`. */
export function usagePartition(registry: RegistryName): string {
  return `${registry}!!usage`;
}

export function repositoryPartition(repository: Repository): string {
  return `${repository.registry}!${encodeName(repository.name)}`;
}

/** The range of all rows of a repository whose keys begin with `prefix`; `~` sorts behind whatever may follow. */
export function rowsUnder(repository: Repository, prefix: string) {
  const partition = repositoryPartition(repository);
  return { table: 'repos', partition, from: prefix, before: `${prefix}~` } as const;
}

export function manifestKey(repository: Repository, digest: Digest): Key<ManifestRow> {
  return inRepository(repository, `m!${digest}`);
}

export function tagKey(repository: Repository, tag: Tag): Key<TagRow> {
  return inRepository(repository, `t!${tag}`);
}

export function tagOfKey(repository: Repository, digest: Digest, tag: Tag): Key<TagOfRow> {
  return inRepository(repository, `${tagOfPrefix(digest)}${tag}`);
}

/** Rows of all tags of a manifest start with this. */
export function tagOfPrefix(digest: Digest): string {
  return `x!${digest}!`;
}

export function referrerKey(repository: Repository, subject: Digest, digest: Digest): Key<ReferrerRow> {
  return inRepository(repository, `${referrerPrefix(subject)}${digest}`);
}

/** Rows of all referrers of a manifest start with this; the fallback row is exactly this, hence first. */
export function referrerPrefix(subject: Digest): string {
  return `s!${subject}!`;
}

export function fallbackKey(repository: Repository, subject: Digest): Key<FallbackRow> {
  return inRepository(repository, referrerPrefix(subject));
}

export function deletedManifestKey(repository: Repository, digest: Digest): Key<DeletedManifestRow> {
  return inRepository(repository, `${DELETED_MANIFESTS}${digest}`);
}

/** Rows of one tag lie in the order of their deletion. */
export function deletedTagKey(
  repository: Repository,
  tag: Tag,
  stamp: Stamp,
  digest: Digest,
): Key<DeletedTagRow> {
  return inRepository(repository, `${deletedTagPrefix(tag)}${stamp}!${digest}`);
}

/** Rows of all deletions of a tag start with this. */
export function deletedTagPrefix(tag: Tag): string {
  return `${DELETED_TAGS}${tag}!`;
}

export const DELETED_MANIFESTS = 'z!m!';
export const DELETED_TAGS = 'z!t!';

export function eventKey(repository: Repository, stamp: Stamp, id: string): Key<EventRow> {
  return inRepository(repository, `${EVENT_PREFIX}${stamp}!${id}`);
}

export const EVENT_PREFIX = 'o!';

function inRepository<R>(repository: Repository, row: string): Key<R> {
  return { table: 'repos', partition: repositoryPartition(repository), row };
}
