import { Problem } from '../model/problem.ts';
import type { BlobName, Blobs } from '../store/blobs.ts';
import type { Running } from './progress.ts';
import { blockId } from './session.ts';

/** Blocks on their way to storage at once: two keep it busy, more only cost memory (storage-design section 5). */
const IN_FLIGHT = 2;
const FIRST_BUFFER = 64 * 1024;

export interface Staged {
  readonly bytes: number;
  readonly blocks: number;
  /** The whole body, when it fits a block and `keepSmall` asked not to stage it. */
  readonly whole?: Uint8Array;
}

export interface StageOptions {
  /** Nonce of the request before, as in block ids. */
  readonly parent: string | undefined;
  readonly nonce: string;
  readonly hash: Running;
  /** Most bytes accepted; beyond it TOO_LARGE. */
  readonly limit: number | undefined;
  /** Hand back a body of at most one block instead of staging it. */
  readonly keepSmall: boolean;
}

/**
 * Streams a body into blocks of `blobs.blockSize` bytes, hashing on the way. Memory is bounded: three buffers of one
 * block. Throws TOO_LARGE, and what the body or storage throws; blocks staged until then are named by nobody.
 */
export async function stageBody(
  blobs: Blobs,
  at: BlobName,
  body: AsyncIterable<Uint8Array>,
  options: StageOptions,
): Promise<Staged> {
  const spare: Uint8Array<ArrayBuffer>[] = [];
  const flying = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  let buffer = new Uint8Array(0);
  let filled = 0;
  let bytes = 0;
  let blocks = 0;

  const send = async (block: Uint8Array<ArrayBuffer>, length: number, index: number) => {
    try {
      await blobs.stage(at, blockId(options.parent, options.nonce, index), block.subarray(0, length));
      if (block.length === blobs.blockSize) spare.push(block);
    } catch (error) {
      failure ??= { error };
    }
  };
  const flush = async () => {
    const flight: Promise<void> = send(buffer, filled, blocks++).then(() => void flying.delete(flight));
    flying.add(flight);
    buffer = spare.pop() ?? new Uint8Array(0);
    filled = 0;
    if (flying.size >= IN_FLIGHT) await Promise.race(flying);
    if (failure) throw failure.error;
  };

  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      if (options.limit !== undefined && bytes > options.limit)
        throw new Problem('TOO_LARGE', { limit: options.limit });
      options.hash.update(chunk);
      for (let taken = 0; taken < chunk.length;) {
        if (filled === blobs.blockSize) await flush();
        const wanted = Math.min(chunk.length - taken, blobs.blockSize - filled);
        buffer = roomFor(buffer, filled, filled + wanted, blobs.blockSize);
        buffer.set(chunk.subarray(taken, taken + wanted), filled);
        filled += wanted;
        taken += wanted;
      }
    }
    if (blocks === 0 && options.keepSmall) return { bytes, blocks, whole: buffer.subarray(0, filled) };
    if (filled > 0) await flush();
  } finally {
    // Storage must not see blocks of a request that was already answered.
    await Promise.all(flying);
  }
  if (failure) throw failure.error;
  return { bytes, blocks };
}

/** Grows a buffer by steps, so that a small body does not cost a whole block of memory. */
function roomFor(
  buffer: Uint8Array<ArrayBuffer>,
  used: number,
  wanted: number,
  limit: number,
): Uint8Array<ArrayBuffer> {
  if (wanted <= buffer.length) return buffer;
  let size = Math.max(buffer.length, FIRST_BUFFER);
  while (size < wanted) size *= 4;
  const larger = new Uint8Array(Math.min(size, limit));
  larger.set(buffer.subarray(0, used));
  return larger;
}
