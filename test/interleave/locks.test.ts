import { describe, expect, test } from 'vitest';
import * as locks from './locks.ts';
import { type Story, type WorldOptions, eachSeed, everyOrder } from './world.ts';

const SEEDS = 60;
const QUARANTINE: WorldOptions = { document: { quarantine: { enabled: true, updated: 0 } } };

const stories: readonly (readonly [name: string, story: Story, orders: number, options: WorldOptions])[] = [
  ['a tag, while it is deleted', locks.untagged, 20, {}],
  ['a tag, while its manifest is deleted', locks.deletedUnderTag, 50, {}],
  ['a manifest, while it is deleted', locks.deleted, 50, {}],
  ['a repository, while its last manifest is deleted', locks.emptied, 100, {}],
  ['a tag, while it is pushed', locks.moved, 20, {}],
  ['a tag, while it is set to another manifest', locks.retagged, 50, {}],
  ['a repository, while it is pushed to', locks.pushedTo, 50, {}],
  ['a repository whose tags are written once, while one moves', locks.writtenOnce, 20, {}],
  ['a tag twice', locks.twoLocks, 20, {}],
  ['an image that passes, while a tag of it moves', locks.passedAndMoved, 50, QUARANTINE],
];

describe('locks win or lose whole that are set on', () => {
  test.each(stories)('%s', async (_, story, __, options) => {
    expect(await eachSeed(SEEDS, story, options)).toBe(SEEDS);
  });
});

describe('in every order of storage calls, locks of', () => {
  test.each(stories)('%s', async (_, story, orders, options) => {
    expect(await everyOrder(story, 20_000, options)).toBeGreaterThanOrEqual(orders);
  });
});

describe('a repository is hidden from the catalog as its lock says', () => {
  test.each([
    ['it is shown', locks.hiddenAndShown],
    ['it goes with its last manifest', locks.hiddenLast],
    ['it goes with its last manifest and is pushed anew', locks.hiddenAndGone],
    ['two push first', locks.hiddenAtFirst],
  ])('while %s', async (_, story) => {
    expect(await eachSeed(SEEDS * 5, story)).toBe(SEEDS * 5);
  });
});
