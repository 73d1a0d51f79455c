import type { BlobName, Blobs } from '../../src/store/blobs.ts';
import { freshName, freshRegistry, gather, sameBytes } from './sample.ts';

export function newBlob(): BlobName {
  return { registry: freshRegistry(), name: freshName() };
}

/** A block id as the core makes them: 12 bytes, the last ones the index. */
export function blockId(index: number): string {
  const bytes = Buffer.alloc(12, 0xa5);
  bytes.writeUInt32BE(index, 8);
  return bytes.toString('base64');
}

/** Whether the blob is there with exactly these bytes. */
export async function holds(blobs: Blobs, at: BlobName, bytes: Uint8Array): Promise<boolean> {
  const source = await blobs.read(at);
  return source !== undefined && sameBytes(await gather(source), bytes);
}
