import { describe, expect, test } from 'vitest';
import * as deleted from './deleted.ts';
import { type Story, eachSeed, everyOrder, openWorld } from './world.ts';

const SEEDS = 100;

async function seeds(story: Story): Promise<number> {
  return await eachSeed(SEEDS, story, deleted.KEPT);
}

describe('what was deleted and is restored', () => {
  test('is there or can be restored again when it is deleted meanwhile', async () => {
    expect(await seeds(deleted.restoreAndDelete)).toBe(SEEDS);
  });
  test('keeps its repository when the last other manifest goes', async () => {
    expect(await seeds(deleted.restoreAndDeleteLast)).toBe(SEEDS);
  });
  test('is there or can be restored again when its repository is deleted', async () => {
    expect(await seeds(deleted.restoreAndDeleteAll)).toBe(SEEDS);
  });
  test('takes no tag from a push without force', async () => {
    expect(await seeds(deleted.restoreAndPush)).toBe(SEEDS);
  });
  test('loses nothing to a push by force', async () => {
    expect(await seeds(deleted.forceAndPush)).toBe(SEEDS);
  });
  test('is not lost to a push of its digest', async () => {
    expect(await seeds(deleted.pushAndDelete)).toBe(SEEDS);
  });
  test('counts once when it is restored twice', async () => {
    const options = { ...deleted.KEPT, blockSize: 100_000 };
    expect(await eachSeed(40, deleted.restoreTwice, options)).toBe(40);
  });
  test('comes back whole or not at all when it is purged', async () => {
    expect(await seeds(deleted.restoreAndPurge)).toBe(SEEDS);
  });
  test('has its blobs and bytes while garbage is collected', async () => {
    const options = { ...deleted.KEPT, blockSize: 100_000 };
    expect(await eachSeed(SEEDS, deleted.restoreAndCollect, options)).toBe(SEEDS);
  });
  test('is found though the list was just emptied', async () => {
    expect(await seeds(deleted.deleteAndPurge)).toBe(SEEDS);
  });
  test('has its days again when it is deleted again', async () => {
    expect(await seeds(deleted.deleteAgainAndPurge)).toBe(SEEDS);
  });
});

test('a purge takes nothing that was restored and deleted again since it looked', async () => {
  let looked = 0;
  // The purge reads the list and the bin; then all else happens.
  const choose = (among: number) => (among > 1 && looked++ >= 2 ? 1 : 0);
  const world = await openWorld(1, choose, { ...deleted.KEPT, grain: 'actors' });
  await expect(deleted.deleteAgainAndPurge(world)).resolves.toBeUndefined();
  await world.test.close();
});

describe('in every order of storage calls', () => {
  test('a restoration against a deletion', async () => {
    expect(await everyOrder(deleted.restoreAndDelete, undefined, deleted.KEPT)).toBeGreaterThan(200);
  });
  test('a restoration against the push of its tag', async () => {
    expect(await everyOrder(deleted.restoreAndPush, undefined, deleted.KEPT)).toBeGreaterThan(200);
  });
  test('a restoration against a purge', async () => {
    expect(await everyOrder(deleted.restoreAndPurge, undefined, deleted.KEPT)).toBeGreaterThan(200);
  });
  test('a deletion against a purge', async () => {
    expect(await everyOrder(deleted.deleteAndPurge, undefined, deleted.KEPT)).toBeGreaterThan(200);
  });
});
