import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../../model/digest.ts';
import { isRegistryName, type RegistryName } from '../../model/names.ts';
import {
  type BlobName,
  type Blobs,
  type BlobStat,
  type ByteRange,
  type ListedBlob,
  MissingBlock,
} from '../../store/blobs.ts';
import { answering, Folders, Incoming, syncFolder, unlessAbsent } from './files.ts';
import { blockFile, checkName, checkSize, latestBlocks } from './naming.ts';
import { encodeHead, readHead, readManifest, streamBlocks, streamInline } from './stream.ts';

/** Suffix of the directory of a blob's blocks; no name holds a dot. */
const BLOCKS = '.blocks';

/** Blobs whose heads are read at the same time in a listing. */
const LISTED_AT_ONCE = 32;

interface Place {
  readonly home: string;
  readonly head: string;
  readonly blocks: string;
}

/**
 * Bytes in files. A blob is there when its head is: a small file `content/<registry>/<aa>/<name>` of size and digest,
 * followed by the bytes themselves (`put`) or by the names of the files in `<name>.blocks/` that hold them (`commit`).
 * So a commit copies nothing, and linking the head to its name, which fails when it is taken, is what makes it happen.
 */
export class DiskBlobs implements Blobs {
  readonly blockSize: number;
  readonly #content: string;
  readonly #incoming: Incoming;
  readonly #folders = new Folders();
  #version = 0;

  constructor(options: { dir: string; blockSize: number }) {
    this.blockSize = options.blockSize;
    this.#content = join(options.dir, 'content');
    this.#incoming = new Incoming(join(options.dir, 'incoming'));
  }

  /** Removes what a crash left half written. To be called before anything else, by the one process of the directory. */
  async clean(): Promise<void> {
    await answering(() => this.#incoming.clean());
  }

  async stage(at: BlobName, id: string, bytes: Uint8Array): Promise<void> {
    checkSize(bytes, 1, this.blockSize);
    const { home, blocks } = this.#place(at);
    // Never the name of an earlier block: that one may be part of a blob by now.
    this.#version = Math.max(Date.now(), this.#version + 1);
    const file = blockFile(id, this.#version, bytes.length);
    await answering(async () => {
      await this.#folders.make(home);
      await mkdir(blocks, { recursive: true });
      await this.#incoming.replace(join(blocks, file), [bytes]);
    });
  }

  async commit(
    at: BlobName,
    ids: readonly string[],
    digest: Digest | undefined,
  ): Promise<'committed' | 'exists'> {
    const { home, head, blocks } = this.#place(at);
    return await answering(async () => {
      const exists = async (): Promise<boolean> => (await unlessAbsent(stat(head))) !== undefined;
      if (await exists()) return await this.#taken(home);
      const files = (await unlessAbsent(readdir(blocks))) ?? [];
      const latest = latestBlocks(files);
      const named: string[] = [];
      let size = 0;
      for (const id of ids) {
        const block = latest.get(id);
        // The other session that committed meanwhile may have dropped it.
        if (!block) return (await exists()) ? await this.#taken(home) : missing();
        named.push(block.file);
        size += block.size;
      }
      if (named.length === 0) await this.#folders.make(home);
      else await syncFolder(blocks);
      const list = Buffer.from(JSON.stringify(named));
      const won = await this.#incoming.claim(head, [encodeHead({ size, digest, inline: false }), list]);
      if (!won) return await this.#taken(home);
      await syncFolder(home);
      const keep = new Set(named);
      for (const file of files) if (!keep.has(file)) await rm(join(blocks, file), { force: true });
      return 'committed';
    });
  }

  async put(at: BlobName, bytes: Uint8Array, digest: Digest | undefined): Promise<'committed' | 'exists'> {
    checkSize(bytes, 0, this.blockSize);
    const { home, head } = this.#place(at);
    return await answering(async () => {
      await this.#folders.make(home);
      const parts = [encodeHead({ size: bytes.length, digest, inline: true }), bytes];
      const won = await this.#incoming.claim(head, parts);
      await syncFolder(home);
      return won ? 'committed' : 'exists';
    });
  }

  async staged(at: BlobName): Promise<readonly string[]> {
    const { head, blocks } = this.#place(at);
    return await answering(async () => {
      const files = (await unlessAbsent(readdir(blocks))) ?? [];
      const committed = new Set(files.length === 0 ? [] : await readManifest(head));
      return [...latestBlocks(files.filter((file) => !committed.has(file))).keys()];
    });
  }

  async stat(at: BlobName): Promise<BlobStat | undefined> {
    const { head } = this.#place(at);
    const found = await answering(() => readHead(head, 'alone'));
    if (!found) return undefined;
    const { size, digest } = found;
    return digest === undefined ? { size } : { size, digest };
  }

  async read(at: BlobName, range?: ByteRange): Promise<AsyncIterable<Uint8Array> | undefined> {
    const { head, blocks } = this.#place(at);
    return await answering(async () => {
      const found = await readHead(head, 'with bytes');
      if (!found) return undefined;
      const { first, last } = range ?? { first: 0, last: found.size - 1 };
      if (found.inline) return streamInline(head, found, first, last + 1);
      const files = await readManifest(head);
      return streamBlocks(blocks, files, first, last + 1);
    });
  }

  /** Always undefined: nobody but this process reaches the files. */
  async link(): Promise<undefined> {
    return undefined;
  }

  async delete(at: BlobName): Promise<void> {
    const { head, blocks } = this.#place(at);
    await answering(async () => {
      // The head first: a blob without its bytes is never there.
      await rm(head, { force: true });
      await rm(blocks, { recursive: true, force: true });
    });
  }

  async list(
    registry: RegistryName,
    limit: number,
    cursor?: string,
  ): Promise<{ blobs: readonly ListedBlob[]; cursor?: string }> {
    const root = this.#root(registry);
    const [startFolder = '', startName = ''] = cursor?.split('/') ?? [];
    return await answering(async () => {
      const folders = ((await unlessAbsent(readdir(root))) ?? []).toSorted();
      const paths: string[] = [];
      for (const folder of folders) {
        if (folder < startFolder || paths.length > limit) continue;
        const files = await readdir(join(root, folder));
        const names = new Set(files.map((file) => file.replace(BLOCKS, '')));
        for (const name of [...names].toSorted())
          if (folder > startFolder || name > startName) paths.push(`${folder}/${name}`);
      }
      const page = paths.slice(0, limit);
      const blobs: ListedBlob[] = [];
      for (let start = 0; start < page.length; start += LISTED_AT_ONCE) {
        const part = page.slice(start, start + LISTED_AT_ONCE).map((path) => listed(root, path));
        blobs.push(...(await Promise.all(part)).filter((blob) => blob !== undefined));
      }
      const last = page.at(-1);
      return paths.length > limit && last !== undefined ? { blobs, cursor: last } : { blobs };
    });
  }

  async #taken(home: string): Promise<'exists'> {
    // Whoever took the name may not have come to this yet, and our caller builds on it.
    await syncFolder(home);
    return 'exists';
  }

  #root(registry: RegistryName): string {
    if (!isRegistryName(registry)) throw new RangeError(`${JSON.stringify(registry)} cannot be a registry`);
    return join(this.#content, registry);
  }

  #place(at: BlobName): Place {
    const name = checkName(at.name);
    // Names begin with the time: by their ends they spread evenly.
    const home = join(this.#root(at.registry), name.slice(-2));
    const head = join(home, name);
    return { home, head, blocks: head + BLOCKS };
  }
}

function missing(): never {
  throw new MissingBlock();
}

/** Undefined when the blob was deleted meanwhile. */
async function listed(root: string, path: string): Promise<ListedBlob | undefined> {
  const name = path.slice(path.indexOf('/') + 1);
  const file = join(root, path);
  const head = await readHead(file, 'alone');
  const times = await unlessAbsent(stat(head ? file : file + BLOCKS));
  return (
    times && {
      name,
      size: head?.size ?? 0,
      committed: head !== undefined,
      modified: Math.floor(times.mtimeMs),
    }
  );
}
