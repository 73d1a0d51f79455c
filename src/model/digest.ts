import { createHash, type Hash } from 'node:crypto';
import { Problem } from './problem.ts';

declare const brand: unique symbol;

/** `algorithm:hex`, checked: `sha256` with 64 or `sha512` with 128 lower-case hex characters (image-spec "Digests"). */
export type Digest = string & { readonly [brand]: 'Digest' };

/** The two algorithms that image-spec registers. */
export type Algorithm = 'sha256' | 'sha512';

const HEX_LENGTH: Record<Algorithm, number> = { sha256: 64, sha512: 128 };
const PATTERN = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** Parses a digest; anything else, an unregistered algorithm included, is DIGEST_INVALID. */
export function parseDigest(text: string): Digest {
  if (!isDigest(text))
    throw new Problem('DIGEST_INVALID', { digest: text.slice(0, 200) }, { message: 'invalid digest' });
  return text;
}

export function isDigest(text: string): text is Digest {
  return PATTERN.test(text);
}

export function isAlgorithm(text: string): text is Algorithm {
  return Object.hasOwn(HEX_LENGTH, text);
}

export function algorithmOf(digest: Digest): Algorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

export function hexOf(digest: Digest): string {
  return digest.slice(7);
}

export function digestOf(bytes: Uint8Array, algorithm: Algorithm = 'sha256'): Digest {
  return finish(createHash(algorithm).update(bytes), algorithm);
}

/** Closes a native hash into a digest; the hash cannot be used afterwards. */
export function finish(hash: Hash, algorithm: Algorithm): Digest {
  return toDigest(algorithm, hash.digest('hex'));
}

export function toDigest(algorithm: Algorithm, hex: string): Digest {
  return parseDigest(`${algorithm}:${hex}`);
}
