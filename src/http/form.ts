import { readBytes } from './body.ts';
import type { RegistryRequest } from './message.ts';

const LIMIT = 64 * 1024;

/** A form in the body (`application/x-www-form-urlencoded`). Throws TOO_LARGE beyond 64 KiB. */
export async function readForm(request: RegistryRequest): Promise<URLSearchParams> {
  return new URLSearchParams(Buffer.from(await readBytes(request, LIMIT)).toString());
}
