import type { Digest } from '../model/digest.ts';
import type { RegistryName } from '../model/names.ts';

/** Where bytes lie: the registry's container, and a random name that is never used for other bytes. */
export interface BlobName {
  readonly registry: RegistryName;
  readonly name: string;
}

/** First and last byte wanted, both included, both inside the blob. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

export interface BlobStat {
  /** Bytes. */
  readonly size: number;
  /** What the committer said it verified. */
  readonly digest?: Digest;
}

export interface ListedBlob {
  readonly name: string;
  readonly size: number;
  /** False for one that has staged blocks alone. */
  readonly committed: boolean;
  /** Milliseconds since 1970 of the last change; 0 where storage does not tell (uncommitted blobs). */
  readonly modified: number;
}

/**
 * Bytes under names, as Azure Blob Storage keeps block blobs. Each method is one storage transaction. Any may throw
 * Unavailable. Committed bytes never change: `commit` and `put` are conditional on the name being free.
 */
export interface Blobs {
  /** The piece size to stage at, in bytes. */
  readonly blockSize: number;
  /** Stages a block (1 byte up to `blockSize`). Ids within a blob all have one length: 1 to 64 bytes, base64. */
  stage(at: BlobName, id: string, bytes: Uint8Array): Promise<void>;
  /**
   * Makes the staged blocks, in this order, the blob. Blocks not named are dropped; no ids make an
   * empty blob. 'exists' when the name is taken:
   * by an earlier try of the same call, or by another session's. Throws MissingBlock when a block was never staged.
   */
  commit(at: BlobName, ids: readonly string[], digest: Digest | undefined): Promise<'committed' | 'exists'>;
  /** A whole blob of at most `blockSize` bytes (zero too) in one call; else like `commit`. */
  put(at: BlobName, bytes: Uint8Array, digest: Digest | undefined): Promise<'committed' | 'exists'>;
  /** Ids of the blocks staged and not committed, in any order; empty when there are none. */
  staged(at: BlobName): Promise<readonly string[]>;
  stat(at: BlobName): Promise<BlobStat | undefined>;
  /** Streams the bytes, all or a range; undefined when there is no such blob. Breaking off the loop frees the source. */
  read(at: BlobName, range?: ByteRange): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** A read-only URL for this one blob that dies after `seconds`; undefined where storage cannot be reached by URL. */
  link(at: BlobName, seconds: number): Promise<string | undefined>;
  /** Removes the blob and its staged blocks; nothing happens when there is none. */
  delete(at: BlobName): Promise<void>;
  list(
    registry: RegistryName,
    limit: number,
    cursor?: string,
  ): Promise<{ blobs: readonly ListedBlob[]; cursor?: string }>;
}

/** A block named in `commit` is not there: the session expired or was cancelled. */
export class MissingBlock extends Error {
  constructor(options?: ErrorOptions) {
    super('a block to commit is missing', options);
    this.name = 'MissingBlock';
  }
}
