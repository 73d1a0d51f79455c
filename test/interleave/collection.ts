import { expect } from 'vitest';
import { updateRegistry } from '../../src/access/registry.ts';
import { digestOf } from '../../src/model/digest.ts';
import {
  type Answer,
  type Document,
  type Send,
  begin,
  document,
  end,
  publish,
  upload,
} from '../support/client.ts';
import type { PortCall } from '../support/intercept.ts';
import { orphans } from '../support/orphans.ts';
import { sameBytes } from '../support/sample.ts';
import { descriptor } from '../support/scene.ts';
import type { Story, World } from './world.ts';

/**
 * Collection beside everything else, where all that was there before is older than it spares: only what clients do
 * meanwhile keeps it. A push that was acknowledged is pulled whole, now and after two more collections; and these
 * leave nothing that nobody needs.
 */
const NAME = 'team/app';
const HOUR_MS = 3_600_000;
/** Longer than collection spares anything, and than an upload session lives. */
const LONG_MS = 26 * HOUR_MS;

/** Calls of a collection that no other call of a story without first pushes and last deletions can meet. */
export function alone({ name, args }: PortCall): boolean {
  const text = JSON.stringify(args);
  const inCatalog = name !== 'records.get' && (text.includes('!!catalog') || text.includes('"before":"!!"'));
  return text.includes('!!lifecycle') || text.includes('!sha512:') || inCatalog || name === 'blobs.list';
}

interface Image extends Document {
  readonly repository: string;
  readonly layers: readonly Uint8Array[];
}

/** The same bytes in each run of a story: the order of digests is the order of calls. */
function layer(text: string): Uint8Array {
  return Buffer.from(`the layer ${text} `.repeat(2));
}

function image(
  layers: readonly Uint8Array[],
  repository = NAME,
  more: Readonly<Record<string, unknown>> = {},
): Image {
  const names = layers.map((bytes) => Buffer.from(bytes).toString()).join();
  return { ...document(names, { layers: layers.map(descriptor), ...more }), repository, layers };
}

/** As clients push: what the registry says it has is not uploaded. */
async function push(send: Send, { repository, layers, ...manifest }: Image, tag = 'v1'): Promise<Answer> {
  for (const bytes of layers) {
    const head = await send('HEAD', `/v2/${repository}/blobs/${digestOf(bytes)}`);
    if (head.status === 404) expect((await upload(send, repository, bytes)).status).toBe(201);
    else expect(head.status).toBe(200);
  }
  return await publish(send, repository, tag, manifest);
}

/** As clients copy: each layer is mounted, or uploaded where it cannot be. */
async function copy(send: Send, from: string, { repository, layers, ...manifest }: Image): Promise<Answer> {
  for (const bytes of layers) {
    const path = `/v2/${repository}/blobs/uploads/?mount=${digestOf(bytes)}&from=${from}`;
    const answer = await send('POST', path);
    if (answer.status === 202) expect((await upload(send, repository, bytes)).status).toBe(201);
    else expect(answer.status).toBe(201);
  }
  return await publish(send, repository, 'v1', manifest);
}

/** What an image lacks; nothing when it can be pulled whole. */
async function missing(send: Send, { repository, layers, digest, bytes }: Image): Promise<string[]> {
  const found: string[] = [];
  const manifest = await send('GET', `/v2/${repository}/manifests/${digest}`);
  if (manifest.status !== 200 || !sameBytes(manifest.bytes, bytes))
    found.push(`${manifest.status} for ${digest}`);
  for (const one of layers) {
    const answer = await send('GET', `/v2/${repository}/blobs/${digestOf(one)}`);
    if (answer.status !== 200 || !sameBytes(answer.bytes, one))
      found.push(`${answer.status} for a layer of ${digest} in ${repository}`);
  }
  return found;
}

/** All images are there, now and two collections later, and nothing else is. */
async function judge(world: World, images: readonly Image[]): Promise<void> {
  for (let cycle = 0; ; cycle++) {
    expect(await world.breaches()).toEqual([]);
    const lacking = await Promise.all(images.map((one) => missing(world.send, one)));
    expect(lacking.flat()).toEqual([]);
    if (cycle === 2) break;
    await world.pass(LONG_MS);
    await world.collect();
  }
  expect(await orphans(world.stores, world.test.registry)).toEqual([]);
}

function statuses(answers: readonly Answer[]): number[] {
  return answers.map(({ status }) => status);
}

/** A repository that has been there for long, with an image and layers that lie about. */
async function settle(world: World, lying: readonly Uint8Array[], kept = [layer('kept')]): Promise<Image> {
  const { send } = world;
  const old = image(kept);
  expect((await push(send, old, 'old')).status).toBe(201);
  for (const bytes of lying) expect((await upload(send, NAME, bytes)).status).toBe(201);
  await world.pass(LONG_MS);
  return old;
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

/** Makes deletions restorable. */
async function keepDeletions({ test, pass }: World): Promise<void> {
  const { context } = test.app;
  await updateRegistry(context, test.registry, (registry) => ({
    ...registry,
    softDelete: { enabled: true, days: 30, updated: context.now() },
  }));
  await pass(0);
}

async function restore({ send }: World, { digest }: Document): Promise<Answer> {
  return await send('POST', `/acr/v1/_deleted/${NAME}/_manifests/${digest}`);
}

/** An image is deleted, and restored when collection is through. */
export const deleteAndRestore: Story = async (world) => {
  await keepDeletions(world);
  const kept = image([]);
  await push(world.send, kept, 'kept');
  const old = await settle(world, []);
  const [deleted] = await world.race(
    () => world.send('DELETE', `/v2/${NAME}/manifests/${old.digest}`),
    world.collect,
  );
  expect(deleted?.status).toBe(202);
  await world.pass(LONG_MS);
  await world.collect();
  expect((await restore(world, old)).status).toBe(200);
  await judge(world, [kept, old]);
};

/** An image that was deleted long ago is restored, with bytes outside of its row or in it. */
function restoring(text: string): Story {
  return async (world) => {
    await keepDeletions(world);
    const kept = image([]);
    await push(world.send, kept, 'kept');
    const lost = image([layer('a')], NAME, { annotations: { text } });
    await push(world.send, lost, 'lost');
    expect((await world.send('DELETE', `/v2/${NAME}/manifests/${lost.digest}`)).status).toBe(202);
    await world.pass(LONG_MS);
    const answers = await world.race(() => restore(world, lost), world.collect);
    expect(statuses(answers)).toEqual([200, 200]);
    await judge(world, [kept, lost]);
  };
}
export const restoreSmall = restoring('small');
export const restoreLarge = restoring('x'.repeat(70_000));

/** Deleted, restored, deleted, restored. */
export const toAndFro: Story = async (world) => {
  await keepDeletions(world);
  const kept = image([]);
  await push(world.send, kept, 'kept');
  const old = await settle(world, []);
  const answers = await world.race(
    async () => {
      for (let i = 0; i < 2; i++) {
        await world.send('DELETE', `/v2/${NAME}/manifests/${old.digest}`);
        const answer = await restore(world, old);
        if (answer.status !== 200) return answer;
      }
      return await world.send('GET', `/v2/${NAME}/manifests/${old.digest}`);
    },
    world.collect,
    world.collect,
  );
  expect(statuses(answers)).toEqual([200, 200, 200]);
  await judge(world, [kept, old]);
};
