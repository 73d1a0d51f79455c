import { describe, expect, test } from 'vitest';
import * as removal from './removal.ts';
import { eachSeed, everyOrder } from './world.ts';

const SEEDS = 120;

describe('a repository deleted while others change it', () => {
  test('keeps a new tag with its manifest, or neither', async () => {
    expect(await eachSeed(SEEDS, removal.newTag)).toBe(SEEDS);
  });
  test('keeps what is pushed anew, and lists it', async () => {
    expect(await eachSeed(SEEDS, removal.pushesAnew)).toBe(SEEDS);
  });
  test('keeps what is pushed after the answer', async () => {
    expect(await eachSeed(SEEDS, removal.pushAfter)).toBe(SEEDS);
  });
  test('is gone whoever else deletes in it', async () => {
    expect(await eachSeed(SEEDS, removal.deletions)).toBe(SEEDS);
  });
  test('never loses what was locked before its turn', async () => {
    expect(await eachSeed(SEEDS, removal.locks)).toBe(SEEDS);
  });
  test('never loses what is locked while much of it is gone', async () => {
    expect(await eachSeed(30, removal.lateLock)).toBe(30);
  });
  test('keeps the children of an index that came meanwhile', async () => {
    expect(await eachSeed(SEEDS, removal.indexOfOld)).toBe(SEEDS);
  });
});

describe('in every order of storage calls', () => {
  test('the deletion of a repository against a new tag', async () => {
    expect(await everyOrder(removal.newTag, 2000)).toBeGreaterThan(20);
  });
  test('the deletion of a repository against a lock', async () => {
    expect(await everyOrder(removal.locks)).toBeGreaterThan(5);
  });
  test('the deletion of a repository against what is pushed anew', async () => {
    expect(await everyOrder(removal.pushesAnew, 2000)).toBeGreaterThan(20);
  });
});
