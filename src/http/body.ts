import { Problem } from '../model/problem.ts';
import { type RegistryRequest, announcedLength } from './message.ts';

/** A whole body of at most `limit` bytes. Throws TOO_LARGE with `detail`, as early as the length is known. */
export async function readBytes(
  request: RegistryRequest,
  limit: number,
  detail: unknown = { limit },
): Promise<Uint8Array> {
  if ((announcedLength(request) ?? 0) > limit) throw new Problem('TOO_LARGE', detail);
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of request.body ?? []) {
    size += piece.length;
    if (size > limit) throw new Problem('TOO_LARGE', detail);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
