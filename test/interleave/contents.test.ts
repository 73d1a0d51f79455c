import { describe, expect, test } from 'vitest';
import * as contents from './contents.ts';
import { eachSeed, everyOrder } from './world.ts';

describe('a blob', () => {
  test('uploaded 24 times at once is stored once and served everywhere', async () => {
    expect(await eachSeed(40, contents.crowd)).toBe(40);
  });

  test('mounted while its source loses it is served or refused', async () => {
    expect(await eachSeed(120, contents.mountAndDelete)).toBe(120);
  });

  test('deleted while it is pushed is either there or not', async () => {
    expect(await eachSeed(120, contents.deleteAndUpload)).toBe(120);
  });
});

describe('in every order of storage calls', () => {
  test('two uploads of one content', async () => {
    expect(await everyOrder(contents.pair)).toBeGreaterThan(5);
  });

  test('a mount, a deletion and an upload', async () => {
    expect(await everyOrder(contents.mountAndDelete, 500)).toBeGreaterThan(100);
  });

  test('a deletion and an upload', async () => {
    expect(await everyOrder(contents.deleteAndUpload)).toBeGreaterThan(4);
  });
});
