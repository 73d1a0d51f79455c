/** Randomness that a seed repeats. */
export interface Chance {
  /** From 0, included, to 1, not included. */
  number(): number;
  /** From 0, included, to `below`, not included. */
  integer(below: number): number;
  pick<T>(list: readonly [T, ...T[]]): T;
  /** True with this probability. */
  maybe(probability: number): boolean;
  bytes(length: number): Uint8Array;
}

/** A generator of the kind "mulberry32": 32 bits of state, good enough to vary tests, useless for secrets. */
export function createChance(seed: number): Chance {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const number = () => next() / 2 ** 32;
  const integer = (below: number) => Math.floor(number() * below);
  return {
    number,
    integer,
    pick: (list) => list[integer(list.length)] ?? list[0],
    maybe: (probability) => number() < probability,
    bytes: (length) => Uint8Array.from({ length }, () => next() & 0xff),
  };
}
