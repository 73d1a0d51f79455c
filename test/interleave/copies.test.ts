import { describe, expect, test } from 'vitest';
import * as copies from './copies.ts';
import { eachSeed, everyOrder } from './world.ts';

const SEEDS = 120;

describe('a tag set by one call', () => {
  test('has its manifest, or is not there, when that is deleted meanwhile', async () => {
    expect(await eachSeed(SEEDS, copies.retagAndDelete)).toBe(SEEDS);
  });
  test('names what another tag named before or after it moved', async () => {
    expect(await eachSeed(SEEDS, copies.retagAndMove)).toBe(SEEDS);
  });
  test('brings an image whole or not at all, whatever becomes of its source', async () => {
    expect(await eachSeed(SEEDS, copies.copyAndDelete)).toBe(SEEDS);
  });
  test('brings an image whole or not at all, while collection takes what its source leaves', async () => {
    expect(await eachSeed(SEEDS, copies.copyAndCollect)).toBe(SEEDS);
  });
  test('has its manifest in every order of storage calls', async () => {
    expect(await everyOrder(copies.retagAndDelete, 2000)).toBeGreaterThan(20);
  });
});
