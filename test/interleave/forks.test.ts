import { describe, expect, test } from 'vitest';
import * as forks from './forks.ts';
import { eachSeed, everyOrder } from './world.ts';

const SEEDS = 120;

describe('a forked upload session', () => {
  test('never stores other bytes when two send to one old Location', async () => {
    expect(await eachSeed(SEEDS, forks.patchedTwice)).toBe(SEEDS);
  });

  test('never stores other bytes when two go on from one piece', async () => {
    expect(await eachSeed(SEEDS, forks.patchedTwiceLater)).toBe(SEEDS);
  });

  test('belongs to the first of several PUTs with different digests', async () => {
    expect(await eachSeed(SEEDS, forks.putTwice)).toBe(SEEDS);
  });

  test('keeps new content whose rival was known already', async () => {
    expect(await eachSeed(SEEDS, forks.putKnownAndNew)).toBe(SEEDS);
  });

  test('gives its bytes one digest only', async () => {
    expect(await eachSeed(SEEDS, forks.putTwoAlgorithms)).toBe(SEEDS);
  });

  test('gives bytes that must be read back one digest only', async () => {
    expect(await eachSeed(SEEDS, forks.putUnverified)).toBe(SEEDS);
  });

  test('is either finished or cancelled', async () => {
    expect(await eachSeed(SEEDS, forks.cancelled)).toBe(SEEDS);
  });

  test('is not harmed by a PATCH while it closes', async () => {
    expect(await eachSeed(SEEDS, forks.patchedWhileClosing)).toBe(SEEDS);
  });

  test('answers each of several equal PUTs with 201', async () => {
    expect(await eachSeed(SEEDS, forks.repeated)).toBe(SEEDS);
  });

  test('finds the pieces of its own branch, however many', async () => {
    expect(await eachSeed(20, forks.longChain)).toBe(20);
  });
});

describe('in every order of storage calls', () => {
  test('PUT against PUT of other bytes', async () => {
    expect(await everyOrder(forks.putPair)).toBeGreaterThan(5);
  });
  test('PUT against the same PUT', async () => {
    expect(await everyOrder(forks.repeatedPair)).toBeGreaterThan(5);
  });
  test('PUT against cancel', async () => {
    expect(await everyOrder(forks.cancelled)).toBeGreaterThan(2);
  });
});
