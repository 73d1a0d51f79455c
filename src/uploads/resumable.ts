import { createSHA256, createSHA512 } from 'hash-wasm';
import type { Algorithm } from '../model/digest.ts';

/** A hash whose state can be saved and loaded; a file of its own, so that a bundle holds these two and loads them late. */
export async function openResumable(algorithm: Algorithm) {
  return await (algorithm === 'sha512' ? createSHA512() : createSHA256());
}
