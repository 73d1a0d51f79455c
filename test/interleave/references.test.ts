import { describe, expect, test } from 'vitest';
import * as references from './references.ts';
import { eachSeed, everyOrder } from './world.ts';

const SEEDS = 120;

describe('tags and manifests changed by several at once', () => {
  test('keep every manifest that was pushed under one tag', async () => {
    expect(await eachSeed(SEEDS, references.sameTag)).toBe(SEEDS);
  });
  test('keep a large manifest pushed three times', async () => {
    expect(await eachSeed(40, references.sameLarge, { blockSize: 100_000 })).toBe(40);
  });
  test('have a new tag with its manifest, or neither', async () => {
    expect(await eachSeed(SEEDS, references.tagAndDelete)).toBe(SEEDS);
  });
  test('keep a tag that left a deleted manifest', async () => {
    expect(await eachSeed(SEEDS, references.moveAndDelete)).toBe(SEEDS);
  });
  test('let the last of a move and a deletion win', async () => {
    expect(await eachSeed(SEEDS, references.moveAndUntag)).toBe(SEEDS);
  });
  test('are deleted once', async () => {
    expect(await eachSeed(SEEDS, references.deletions)).toBe(SEEDS);
  });
  test('are all there after the first pushes of a repository', async () => {
    expect(await eachSeed(SEEDS, references.firstPushes)).toBe(SEEDS);
  });
  test('stay listed when the last one goes while others come', async () => {
    expect(await eachSeed(SEEDS * 3, references.lastAndFirst)).toBe(SEEDS * 3);
  });
  test('stay listed when what another first push brought goes again', async () => {
    expect(await eachSeed(SEEDS * 3, references.firstAndGone)).toBe(SEEDS * 3);
  });
  test('lose forty tags with their manifest, and keep one that moved away', async () => {
    expect(await eachSeed(20, references.manyTags)).toBe(20);
  });
  test('list exactly the referrers that are left', async () => {
    expect(await eachSeed(SEEDS, references.referrers)).toBe(SEEDS);
  });
});

describe('in every order of storage calls', () => {
  test('a new tag against the deletion of its manifest', async () => {
    expect(await everyOrder(references.tagAndDelete)).toBeGreaterThan(50);
  }, 120_000);
  test('a move against the deletion of the manifest before', async () => {
    expect(await everyOrder(references.moveAndDelete)).toBeGreaterThan(10);
  });
  test('a move against the deletion of the tag', async () => {
    expect(await everyOrder(references.moveAndUntag)).toBeGreaterThan(5);
  });
  test('two first pushes', async () => {
    expect(await everyOrder(references.firstPushes)).toBeGreaterThan(50);
  });
});
