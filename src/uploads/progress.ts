import { createHash } from 'node:crypto';
import { type Algorithm, type Digest, algorithmOf, finish, toDigest } from '../model/digest.ts';

/** How far the hash of an upload has come, in a form that travels between instances. */
export type Progress =
  | { readonly kind: 'empty' }
  /** A state to go on from: slow to compute, for chunks. */
  | { readonly kind: 'state'; readonly algorithm: Algorithm; readonly state: Uint8Array }
  /** The digest of all bytes so far: fast, for clients that send everything in one request. */
  | { readonly kind: 'digest'; readonly digest: Digest }
  /** Nobody knows: the bytes must be read back. */
  | { readonly kind: 'unknown' };

export interface Running {
  update(bytes: Uint8Array): void;
  close(): Progress;
}

/**
 * Goes on hashing from `progress`. `resumable` asks for a state at the end; else the digest, at native speed
 * (no library has both: storage-design section 5).
 */
export async function runHash(
  progress: Progress,
  algorithm: Algorithm,
  resumable: boolean,
): Promise<Running> {
  if (progress.kind === 'empty') return resumable ? await runState(algorithm) : runNative(algorithm);
  if (progress.kind === 'state') return await runState(progress.algorithm, progress.state);
  return { update() {}, close: () => ({ kind: 'unknown' }) };
}

/** The digest of everything, if the progress knows it in this algorithm. */
export async function closeHash(progress: Progress, algorithm: Algorithm): Promise<Digest | undefined> {
  switch (progress.kind) {
    case 'empty':
      return finish(createHash(algorithm), algorithm);
    case 'digest':
      return algorithmOf(progress.digest) === algorithm ? progress.digest : undefined;
    case 'state': {
      if (progress.algorithm !== algorithm) return undefined;
      const hash = await load(algorithm, progress.state);
      return hash ? toDigest(algorithm, hash.digest('hex')) : undefined;
    }
    case 'unknown':
      return undefined;
  }
}

function runNative(algorithm: Algorithm): Running {
  const hash = createHash(algorithm);
  return {
    update: (bytes) => void hash.update(bytes),
    close: () => ({ kind: 'digest', digest: finish(hash, algorithm) }),
  };
}

async function runState(algorithm: Algorithm, state?: Uint8Array): Promise<Running> {
  const hash = await load(algorithm, state);
  if (!hash) return { update() {}, close: () => ({ kind: 'unknown' }) };
  return {
    update: (bytes) => void hash.update(bytes),
    close: () => ({ kind: 'state', algorithm, state: hash.save() }),
  };
}

async function load(algorithm: Algorithm, state?: Uint8Array) {
  const { openResumable } = await import('./resumable.ts');
  const hash = await openResumable(algorithm);
  if (!state) return hash.init();
  try {
    return hash.load(state);
  } catch {
    // Written by another version of the library, before a deployment: reading back is always right.
    return undefined;
  }
}
