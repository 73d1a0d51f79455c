import { describe, expect, test } from 'vitest';
import * as collection from './collection.ts';
import * as contents from './contents.ts';
import * as copies from './copies.ts';
import * as deleted from './deleted.ts';
import * as forks from './forks.ts';
import * as locks from './locks.ts';
import * as references from './references.ts';
import * as restoring from './restoring.ts';
import * as removal from './removal.ts';
import { type Story, eachSeed } from './world.ts';

const stories: readonly (readonly [name: string, story: Story])[] = [
  ['two upload one blob', contents.pair],
  ['a mount meets a deletion', contents.mountAndDelete],
  ['two send to one old Location', forks.patchedTwice],
  ['PUTs of one session differ', forks.putTwice],
  ['one of the contents is known', forks.putKnownAndNew],
  ['bytes must be read back', forks.putUnverified],
  ['an upload is cancelled', forks.cancelled],
  ['an upload is closed three times', forks.repeated],
  ['six push one tag', references.sameTag],
  ['a tag is pushed while its manifest is deleted', references.tagAndDelete],
  ['a tag moves while it is deleted', references.moveAndUntag],
  ['two push first', references.firstPushes],
  ['referrers come and go', references.referrers],
  ['a repository is deleted while it is pushed to', removal.newTag],
  ['an index comes while its repository is deleted', removal.indexOfOld],
  ['an image is copied while its source is deleted', copies.copyAndDelete],
  ['a tag is locked while its manifest is deleted', locks.deletedUnderTag],
  ['a repository is locked while it is pushed to', locks.pushedTo],
  ['a repository is hidden while it goes', locks.hiddenLast],
];

const keptStories: readonly (readonly [name: string, story: Story])[] = [
  ['a manifest is restored and deleted', deleted.restoreAndDelete],
  ['a tag is restored and pushed', deleted.restoreAndPush],
  ['a manifest is restored and purged', deleted.restoreAndPurge],
  ['a manifest is deleted while others are purged', deleted.deleteAndPurge],
  ['layers that nobody needs are pushed and collected', collection.pushMany],
  ['they are uploaded elsewhere', collection.uploadKnown],
  ['they are mounted', collection.mountOld],
  ['a tag moves, its image is deleted, and layers are collected', collection.retagAndDelete],
  ['a repository ends and begins while it is collected', collection.firstAndLast],
  ['a deletion is taken back', restoring.deleteAndRestore],
];

const SEEDS = 4;

describe('storage as Azure keeps it holds when', () => {
  test.each(stories)('%s', async (_, story) => {
    expect(await eachSeed(SEEDS, story, { adapter: 'azure' })).toBe(SEEDS);
  });

  test.each(keptStories)('%s', async (_, story) => {
    expect(await eachSeed(SEEDS, story, { adapter: 'azure', ...deleted.KEPT })).toBe(SEEDS);
  });
});
