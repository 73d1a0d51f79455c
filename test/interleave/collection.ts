import { expect } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { parseRepositoryName } from '../../src/model/names.ts';
import { catalogKey } from '../../src/model/record.ts';
import { always, put, remove } from '../../src/store/records.ts';
import { begin, end, publish, upload } from '../support/client.ts';
import type { PortCall } from '../support/intercept.ts';
import { descriptor } from '../support/scene.ts';
import { LONG_MS, NAME, copy, image, judge, layer, push, settle, statuses } from './images.ts';
import type { Story } from './world.ts';

/** Calls of a collection that no other call of a story can meet where repositories neither come nor go. */
export function inRepositories(call: PortCall): boolean {
  return isAlone(call) || ofCatalog(call);
}

/** The same where nothing but the catalog is met. */
export function inCatalog(call: PortCall): boolean {
  const isScan = call.name === 'records.scan';
  return isAlone(call) || (isScan && !ofCatalog(call));
}

function isAlone({ name, args }: PortCall): boolean {
  const text = JSON.stringify(args);
  return text.includes('!!lifecycle') || text.includes('!sha512:') || name === 'blobs.list';
}

function ofCatalog({ name, args }: PortCall): boolean {
  const text = JSON.stringify(args);
  return name !== 'records.get' && (text.includes('!!catalog') || text.includes('"before":"!!"'));
}

/** A push relies on layers that nobody has needed for long. */
export const pushKnown: Story = async (world) => {
  const layers = [layer('a')];
  const old = await settle(world, layers);
  const fresh = image(layers);
  const answers = await world.race(() => push(world.send, fresh), world.collect);
  expect(statuses(answers)).toEqual([201, 200]);
  await judge(world, [old, fresh]);
};

/** Two of them, several layers, two collections. */
export const pushMany: Story = async (world) => {
  const [a, b, c] = [layer('a'), layer('b'), layer('c')];
  const old = await settle(world, [a, b, c]);
  const images = [image([a, b]), image([b, c, layer('kept')])];
  const pushes = images.map((one, i) => () => push(world.send, one, `v${i}`));
  const answers = await world.race(...pushes, world.collect, world.collect);
  expect(statuses(answers)).toEqual([201, 201, 200, 200]);
  await judge(world, [old, ...images]);
};

/** An upload of content that the registry is about to lose, elsewhere. */
export const uploadKnown: Story = async (world) => {
  const lost = layer('a');
  const old = await settle(world, [lost]);
  const fresh = image([lost], 'other/app');
  await push(world.send, image([], 'other/app'), 'old');
  const answers = await world.race(() => push(world.send, fresh), world.collect);
  expect(statuses(answers)).toEqual([201, 200]);
  await judge(world, [old, fresh, image([], 'other/app')]);
};

/** A mount of a layer that its source is about to lose. */
export const mountOld: Story = async (world) => {
  const lost = layer('a');
  const old = await settle(world, [lost]);
  await push(world.send, image([], 'other/app'), 'old');
  const fresh = image([lost], 'other/app');
  const answers = await world.race(() => copy(world.send, NAME, fresh), world.collect);
  expect(statuses(answers)).toEqual([201, 200]);
  await judge(world, [old, fresh, image([], 'other/app')]);
};

/** A tag moves to another image with the same layer, and the image before is deleted. */
export const retagAndDelete: Story = async (world) => {
  const shared = layer('shared');
  const old = await settle(world, [], [shared]);
  const fresh = image([shared, layer('new')]);
  const answers = await world.race(
    () => push(world.send, fresh, 'old'),
    () => world.send('DELETE', `/v2/${NAME}/manifests/${old.digest}`),
    world.collect,
  );
  expect(statuses(answers)).toEqual([201, 202, 200]);
  await judge(world, [fresh]);
};

/** A push of an image while the only one that needed its layer is deleted. */
export const pushAndDelete: Story = async (world) => {
  const shared = layer('shared');
  const old = await settle(world, [], [shared]);
  await push(world.send, image([]), 'stays');
  const fresh = image([shared, layer('shared')]);
  const answers = await world.race(async () => {
    const deleted = await world.send('DELETE', `/v2/${NAME}/manifests/${old.digest}`);
    return deleted.status === 202 ? await push(world.send, fresh) : deleted;
  }, world.collect);
  expect(statuses(answers)).toEqual([201, 200]);
  await judge(world, [fresh, image([])]);
};

/** A layer is deleted by itself, and pushed again. */
export const deleteAndUpload: Story = async (world) => {
  const lost = layer('a');
  const old = await settle(world, [lost]);
  const answers = await world.race(
    () => world.send('DELETE', `/v2/${NAME}/blobs/${digestOf(lost)}`),
    () => upload(world.send, NAME, lost),
    world.collect,
  );
  expect([202, 404]).toContain(answers[0]?.status);
  expect(statuses(answers.slice(1))).toEqual([201, 200]);
  await judge(world, [old]);
};

/** An index before its children, the children, and a signature of one, over layers of long ago. */
export const indexFirst: Story = async (world) => {
  const layers = [layer('a'), layer('b')];
  const old = await settle(world, layers);
  const children = layers.map((one) => image([one]));
  const index = { ...image([], NAME, { manifests: children.map(({ bytes }) => descriptor(bytes)) }) };
  const [child] = children;
  const signature = image([layer('a'), layer('signature')], NAME, {
    subject: child && descriptor(child.bytes),
  });
  const answers = await world.race(
    async () => {
      await push(world.send, index, 'index');
      for (const one of children) await push(world.send, one, one.digest);
      return await push(world.send, signature, signature.digest);
    },
    world.collect,
    world.collect,
  );
  expect(statuses(answers)).toEqual([201, 200, 200]);
  const list = await world.send('GET', `/v2/${NAME}/referrers/${child?.digest}`);
  expect(Buffer.from(list.bytes).toString()).toContain(signature.digest);
  await judge(world, [old, index, ...children, signature]);
};

/** A build cache: an index that lists blobs, here one of long ago; if it is there when the index is, it stays. */
export const buildCache: Story = async (world) => {
  const cached = layer('a');
  const old = await settle(world, [cached]);
  const index = image([], NAME, { manifests: [descriptor(cached)] });
  const [pulled] = await world.race(async () => {
    expect((await publish(world.send, NAME, 'cache', index)).status).toBe(201);
    return await world.send('GET', `/v2/${NAME}/blobs/${digestOf(cached)}`);
  }, world.collect);
  await judge(world, [old, { ...index, layers: pulled?.status === 200 ? [cached] : [] }]);
};

/** A manifest beyond what a row holds: its bytes are there before the row that names them. */
export const pushLarge: Story = async (world) => {
  const old = await settle(world, []);
  const large = image([], NAME, { annotations: { text: 'x'.repeat(70_000) } });
  const answers = await world.race(() => push(world.send, large), world.collect);
  expect(statuses(answers)).toEqual([201, 200]);
  await judge(world, [old, large]);
};

/** A manifest beyond what a row holds, pushed again while it is deleted. */
export const largeAgain: Story = async (world) => {
  const text = { annotations: { text: 'x'.repeat(70_000) } };
  const large = image([layer('a')], NAME, text);
  const old = await settle(world, []);
  await push(world.send, large, 'large');
  await world.pass(LONG_MS);
  const answers = await world.race(
    () => push(world.send, large, 'again'),
    () => world.send('DELETE', `/v2/${NAME}/manifests/${large.digest}`),
    world.collect,
  );
  expect(statuses(answers)).toEqual([201, 202, 200]);
  const { status } = await world.send('HEAD', `/v2/${NAME}/manifests/again`);
  await judge(world, status === 200 ? [old, large] : [old]);
};

/** The last manifest of a repository goes, the first of another comes, and of the same again. */
export const firstAndLast: Story = async (world) => {
  const shared = layer('shared');
  const old = await settle(world, [], [shared]);
  const [again, other] = [image([shared, layer('new')]), image([shared], 'other/app')];
  const answers = await world.race(
    () => world.send('DELETE', `/v2/${NAME}/manifests/${old.digest}`),
    () => push(world.send, again),
    () => copy(world.send, NAME, other),
    world.collect,
  );
  expect(statuses(answers)).toEqual([202, 201, 201, 200]);
  await judge(world, [again, other]);
};

/** The first push of a repository whose name is in the catalog, left there by a request that was killed. */
export const firstPush: Story = async (world) => {
  const { registry, app } = world.test;
  const key = catalogKey({ registry, name: parseRepositoryName(NAME) });
  const row = { name: NAME, stamp: app.context.stamp() };
  await world.stores.records.batch(key.table, key.partition, [put(key, row, always)]);
  await world.pass(LONG_MS);
  const fresh = image([]);
  const answers = await world.race(() => push(world.send, fresh), world.collect);
  expect(statuses(answers)).toEqual([201, 200]);
  await judge(world, [fresh]);
};

/** The last deletion of a repository that the catalog lost. */
export const lastDeletion: Story = async (world) => {
  const old = await settle(world, [], []);
  const key = catalogKey({ registry: world.test.registry, name: parseRepositoryName(NAME) });
  await world.stores.records.batch(key.table, key.partition, [remove(key, always)]);
  const answers = await world.race(
    () => world.send('DELETE', `/v2/${NAME}/manifests/${old.digest}`),
    world.collect,
  );
  expect(statuses(answers)).toEqual([202, 200]);
  await judge(world, []);
};

/** A client that lost the answer to its PUT sends it again days later, while its session lives. */
export const repeatedPut: Story = async (world) => {
  const bytes = layer('a');
  const location = await begin(world.send, NAME);
  expect((await end(world.send, location, digestOf(bytes), bytes)).status).toBe(201);
  const old = await settle(world, []);
  const answers = await world.race(() => end(world.send, location, digestOf(bytes), bytes), world.collect);
  expect(statuses(answers)).toEqual([201, 200]);
  const fresh = image([bytes]);
  expect((await publish(world.send, NAME, 'v1', fresh)).status).toBe(201);
  for (let day = 0; day < 6; day++) {
    await world.pass(LONG_MS);
    await world.collect();
  }
  await judge(world, [old, fresh]);
};

/** The same with other bytes by another branch of the session: whichever has its name keeps it. */
export const forkedPut: Story = async (world) => {
  const contents = [layer('a'), layer('b')];
  const location = await begin(world.send, NAME);
  const [first = layer('')] = contents;
  expect((await end(world.send, location, digestOf(first), first)).status).toBe(201);
  const old = await settle(world, []);
  const answers = await world.race(
    ...contents.map((bytes) => () => end(world.send, location, digestOf(bytes), bytes)),
    world.collect,
    world.collect,
  );
  const there = contents.filter((_, i) => answers[i]?.status === 201);
  expect(there.length).toBe(1);
  const fresh = image(there);
  expect((await publish(world.send, NAME, 'v1', fresh)).status).toBe(201);
  for (let day = 0; day < 6; day++) {
    await world.pass(LONG_MS);
    await world.collect();
  }
  await judge(world, [old, fresh]);
};
