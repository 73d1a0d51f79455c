import { describe, expect, test } from 'vitest';
import * as collection from './collection.ts';
import * as restoring from './restoring.ts';
import { type Story, type WorldOptions, eachSeed, everyOrder } from './world.ts';

const SEEDS = 60;
const DAYS = { uploadSeconds: 6 * 86_400 };

describe('nothing that was acknowledged is lost, and nothing is left over, when collection runs beside', () => {
  test.each<[string, Story, WorldOptions?]>([
    ['a push of layers that nobody needed', collection.pushKnown],
    ['two such pushes and another collection', collection.pushMany],
    ['an upload of the same content elsewhere', collection.uploadKnown],
    ['a mount of a layer that its source loses', collection.mountOld],
    ['a tag that moves, and the deletion of its image', collection.retagAndDelete],
    ['a deletion, and a push of the same layer', collection.pushAndDelete],
    ['the deletion of a layer, and its upload', collection.deleteAndUpload],
    [
      'an index before its children, and a signature',
      collection.indexFirst,
      { settings: { sparseIndexes: true } },
    ],
    ['a build cache, whose index lists blobs', collection.buildCache, { settings: { sparseIndexes: true } }],
    ['a large manifest', collection.pushLarge, { blockSize: 100_000 }],
    ['a large manifest pushed again and deleted', collection.largeAgain, { blockSize: 100_000 }],
    ['the last push of a repository, and its first', collection.firstAndLast],
    ['a PUT that is repeated days later', collection.repeatedPut, { settings: DAYS }],
    ['a session used anew for other bytes', collection.forkedPut, { settings: DAYS }],
    ['a deletion that is taken back later', restoring.deleteAndRestore],
    ['the restoration of a deleted image', restoring.restoreSmall],
    ['the restoration of a large one', restoring.restoreLarge, { blockSize: 100_000 }],
    ['an image deleted and restored twice', restoring.toAndFro],
  ])('%s', async (_, story, options) => {
    expect(await eachSeed(SEEDS, story, options)).toBe(SEEDS);
  });
});

describe('in every order of storage calls', () => {
  const blobs = { unmet: collection.inRepositories };
  const names = { unmet: collection.inCatalog };
  test.each<[string, Story, WorldOptions]>([
    ['a push of layers that nobody needed', collection.pushKnown, blobs],
    ['an upload of the same content elsewhere', collection.uploadKnown, blobs],
    ['a mount of a layer that its source loses', collection.mountOld, blobs],
    ['the deletion of a layer, and its upload', collection.deleteAndUpload, blobs],
    ['a deletion that is taken back later', restoring.deleteAndRestore, blobs],
    ['the restoration of a deleted image', restoring.restoreSmall, blobs],
    ['a PUT that is repeated days later', collection.repeatedPut, { ...blobs, settings: DAYS }],
    ['the first push of a repository', collection.firstPush, names],
    ['the last deletion of a repository', collection.lastDeletion, names],
  ])(
    'collection beside %s',
    async (_, story, options) => {
      expect(await everyOrder(story, 20_000, options)).toBeGreaterThan(50);
    },
    120_000,
  );
});
