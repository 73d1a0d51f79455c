import { hash } from 'node:crypto';

/** Bits set for each entry: as many as a SHA-256 gives indexes of 32 bits, less one. */
const PROBES = 7;

/**
 * A set in constant memory (Bloom filter): `has` is true for all that was added, and for a few others. Which others
 * depends on the salt, so that with a fresh one nothing is taken for a member twice, and nobody can arrange that it is.
 */
export class Filter {
  readonly #bits: Uint8Array;
  readonly #mask: number;
  readonly #salt: string;

  /** `bytes` is a power of two up to 2^29. */
  constructor(bytes: number, salt: Uint8Array) {
    this.#bits = new Uint8Array(bytes);
    this.#mask = bytes * 8 - 1;
    this.#salt = Buffer.from(salt).toString('latin1');
  }

  add(entry: string): void {
    const digest = this.#digest(entry);
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = this.#bit(digest, probe);
      this.#bits[bit >>> 3] = (this.#bits[bit >>> 3] ?? 0) | (1 << (bit & 7));
    }
  }

  has(entry: string): boolean {
    const digest = this.#digest(entry);
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = this.#bit(digest, probe);
      if (((this.#bits[bit >>> 3] ?? 0) & (1 << (bit & 7))) === 0) return false;
    }
    return true;
  }

  #digest(entry: string): Buffer {
    return hash('sha256', this.#salt + entry, 'buffer');
  }

  #bit(digest: Buffer, probe: number): number {
    return (digest.readUInt32LE(probe * 4) & this.#mask) >>> 0;
  }
}

/** Entries of which a filter takes less than one other in a thousand for a member. */
export function capacityOf(bytes: number): number {
  return Math.floor((bytes * 8) / 16);
}
