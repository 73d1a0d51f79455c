import type { RegistryRequest } from './message.ts';
import { Problem } from '../model/problem.ts';

const LIMIT = 64 * 1024;

/** A form in the body (`application/x-www-form-urlencoded`). Throws TOO_LARGE beyond 64 KiB. */
export async function readForm(request: RegistryRequest): Promise<URLSearchParams> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of request.body ?? []) {
    size += piece.length;
    if (size > LIMIT) throw new Problem('TOO_LARGE', { limit: LIMIT });
    pieces.push(piece);
  }
  return new URLSearchParams(Buffer.concat(pieces).toString());
}
