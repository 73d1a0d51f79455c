import type { Digest } from '../../model/digest.ts';
import type { RegistryName } from '../../model/names.ts';
import {
  type BlobName,
  type Blobs,
  type BlobStat,
  type ByteRange,
  type ListedBlob,
  MissingBlock,
} from '../../store/blobs.ts';
import { checkBlockId, checkName, checkSize } from './naming.ts';

interface Entry {
  readonly blocks: Map<string, Uint8Array>;
  committed?: { readonly parts: readonly Uint8Array[]; readonly stat: BlobStat };
  modified: number;
}

const PIECE = 256 * 1024;

/** Bytes in memory, for tests and for trying things out. */
export class MemoryBlobs implements Blobs {
  readonly blockSize: number;
  readonly #now: () => number;
  readonly #registries = new Map<RegistryName, Map<string, Entry>>();

  constructor(options: { blockSize: number; now: () => number }) {
    this.blockSize = options.blockSize;
    this.#now = options.now;
  }

  async stage(at: BlobName, id: string, bytes: Uint8Array): Promise<void> {
    checkSize(bytes, 1, this.blockSize);
    checkBlockId(id);
    const entry = this.#entry(at);
    const [other] = entry.blocks.keys();
    if (other !== undefined && other.length !== id.length)
      throw new RangeError('the block ids of a blob have one length');
    entry.blocks.set(id, Uint8Array.from(bytes));
    entry.modified = this.#now();
  }

  async commit(
    at: BlobName,
    ids: readonly string[],
    digest: Digest | undefined,
  ): Promise<'committed' | 'exists'> {
    const entry = this.#find(at);
    if (entry?.committed) return 'exists';
    const parts = ids.map((id) => {
      const block = entry?.blocks.get(id);
      if (!block) throw new MissingBlock();
      return block;
    });
    this.#commit(this.#entry(at), parts, digest);
    return 'committed';
  }

  async put(at: BlobName, bytes: Uint8Array, digest: Digest | undefined): Promise<'committed' | 'exists'> {
    checkSize(bytes, 0, this.blockSize);
    const entry = this.#entry(at);
    if (entry.committed) return 'exists';
    this.#commit(entry, [Uint8Array.from(bytes)], digest);
    return 'committed';
  }

  async staged(at: BlobName): Promise<readonly string[]> {
    return [...(this.#find(at)?.blocks.keys() ?? [])];
  }

  async stat(at: BlobName): Promise<BlobStat | undefined> {
    return this.#find(at)?.committed?.stat;
  }

  async read(at: BlobName, range?: ByteRange): Promise<AsyncIterable<Uint8Array> | undefined> {
    const committed = this.#find(at)?.committed;
    if (!committed) return undefined;
    const { first, last } = range ?? { first: 0, last: committed.stat.size - 1 };
    return pieces(committed.parts, first, last + 1);
  }

  async link(): Promise<undefined> {
    return undefined;
  }

  async delete(at: BlobName): Promise<void> {
    const name = checkName(at.name);
    this.#registries.get(at.registry)?.delete(name);
  }

  async list(
    registry: RegistryName,
    limit: number,
    cursor = '',
  ): Promise<{ blobs: readonly ListedBlob[]; cursor?: string }> {
    const entries = [...(this.#registries.get(registry) ?? [])]
      .filter(([name]) => name > cursor)
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    const blobs = entries.slice(0, limit).map(([name, { committed, modified }]) => ({
      name,
      size: committed?.stat.size ?? 0,
      committed: committed !== undefined,
      modified,
    }));
    const last = blobs.at(-1);
    return entries.length > limit && last ? { blobs, cursor: last.name } : { blobs };
  }

  #commit(entry: Entry, parts: readonly Uint8Array[], digest: Digest | undefined): void {
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    entry.committed = { parts, stat: digest === undefined ? { size } : { size, digest } };
    entry.blocks.clear();
    entry.modified = this.#now();
  }

  #find(at: BlobName): Entry | undefined {
    const name = checkName(at.name);
    return this.#registries.get(at.registry)?.get(name);
  }

  #entry(at: BlobName): Entry {
    const found = this.#find(at);
    if (found) return found;
    let registry = this.#registries.get(at.registry);
    if (!registry) this.#registries.set(at.registry, (registry = new Map()));
    const entry: Entry = { blocks: new Map(), modified: this.#now() };
    registry.set(at.name, entry);
    return entry;
  }
}

async function* pieces(parts: readonly Uint8Array[], start: number, end: number): AsyncGenerator<Uint8Array> {
  let offset = 0;
  for (const part of parts) {
    const to = Math.min(end - offset, part.length);
    // Copies: what is read belongs to the reader.
    for (let from = Math.max(start - offset, 0); from < to; from += PIECE)
      yield part.slice(from, Math.min(from + PIECE, to));
    offset += part.length;
  }
}
