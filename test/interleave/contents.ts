import { expect } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { header, pieces, stream, upload } from '../support/client.ts';
import { noise } from '../support/sample.ts';
import type { Story } from './world.ts';

/** 24 writers of one content, in four repositories, in the three ways clients upload. */
export const crowd: Story = async (world) => {
  const bytes = noise(100);
  const ways = [upload, stream, pieces] as const;
  const repositories = ['one', 'two', 'three', 'four/deep'] as const;
  const answers = await world.race(
    ...Array.from({ length: 24 }, (_, i) => async () => {
      const way = ways[i % 3] ?? upload;
      return await way(world.send, repositories[i % 4] ?? 'one', bytes);
    }),
  );
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
  const served = repositories.map((name) => world.serves(name, digestOf(bytes), bytes));
  expect(await Promise.all(served)).toEqual([true, true, true, true]);
  expect(await world.breaches()).toEqual([]);
  expect(await world.swept()).toEqual([]);
};

/** Two uploads of one content into two repositories. */
export const pair: Story = async (world) => {
  const bytes = noise(20);
  const [first, second] = await world.race(
    () => upload(world.send, 'one', bytes),
    () => upload(world.send, 'two', bytes),
  );
  expect([first?.status, second?.status]).toEqual([201, 201]);
  expect(await world.serves('one', digestOf(bytes), bytes)).toBe(true);
  expect(await world.serves('two', digestOf(bytes), bytes)).toBe(true);
  expect(await world.swept()).toEqual([]);
};

/** A mount from a repository that loses the blob at the same time, and one more upload of it. */
export const mountAndDelete: Story = async (world) => {
  const bytes = noise(20);
  const digest = digestOf(bytes);
  await upload(world.send, 'source', bytes);
  const [mount, removal, again] = await world.race(
    () => world.send('POST', `/v2/target/blobs/uploads/?mount=${digest}&from=source`),
    () => world.send('DELETE', `/v2/source/blobs/${digest}`),
    () => upload(world.send, 'third', bytes),
  );
  expect([201, 202]).toContain(mount?.status);
  expect(removal?.status).toBe(202);
  expect(again?.status).toBe(201);
  expect(await world.serves('target', digest, bytes)).toBe(mount?.status === 201);
  expect(await world.serves('source', digest, bytes)).toBe(false);
  expect(await world.serves('third', digest, bytes)).toBe(true);
  expect(await world.breaches()).toEqual([]);
};

/** A deletion against a push of the same blob: whoever is last has its way. */
export const deleteAndUpload: Story = async (world) => {
  const bytes = noise(20);
  const digest = digestOf(bytes);
  await upload(world.send, 'source', bytes);
  const [removal, put] = await world.race(
    () => world.send('DELETE', `/v2/source/blobs/${digest}`),
    () => upload(world.send, 'source', bytes),
  );
  expect([removal?.status, put?.status]).toEqual([202, 201]);
  const head = await world.send('HEAD', `/v2/source/blobs/${digest}`);
  expect([200, 404]).toContain(head.status);
  if (head.status === 200) expect(header(head, 'content-length')).toBe('20');
  expect(await world.breaches()).toEqual([]);
};
