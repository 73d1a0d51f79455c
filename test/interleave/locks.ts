import { expect } from 'vitest';
import { parseRepositoryName } from '../../src/model/names.ts';
import { catalogKey } from '../../src/model/record.ts';
import { type Answer, type Document, type Send, document, header, publish } from '../support/client.ts';
import type { Story, World } from './world.ts';

/**
 * A lock is set while somebody does what it forbids: that happens before the lock, whole, or it is refused and nothing
 * of it has happened.
 */
const NAME = 'team/app';

/** What a lock is set on: a path below `/acr/v1/`. */
interface Lock {
  readonly on: string;
  readonly change: Readonly<Record<string, boolean | string>>;
}

const onTag = (change: Lock['change']): Lock => ({ on: `${NAME}/_tags/v1`, change });
const onManifest = ({ digest }: Document, change: Lock['change']): Lock => ({
  on: `${NAME}/_manifests/${digest}`,
  change,
});
const onRepository = (change: Lock['change']): Lock => ({ on: NAME, change });

async function set(send: Send, { on, change }: Lock): Promise<Answer> {
  return await send('PATCH', `/acr/v1/${on}`, { body: Buffer.from(JSON.stringify(change)) });
}

async function target(send: Send, reference: string): Promise<string | undefined> {
  const answer = await send('HEAD', `/v2/${NAME}/manifests/${reference}`);
  return answer.status === 200 ? header(answer, 'docker-content-digest') : undefined;
}

/** Races a lock against a deletion: the one that is second finds the other done. Whether the lock was first. */
async function lockOrDelete(world: World, lock: Lock, path: string): Promise<boolean> {
  const { send, race, breaches } = world;
  const [locking, removal] = await race(
    () => set(send, lock),
    () => send('DELETE', path),
  );
  const statuses = [locking?.status, removal?.status];
  expect([
    [200, 405],
    [404, 202],
  ]).toContainEqual(statuses);
  expect(await breaches()).toEqual([]);
  return statuses[0] === 200;
}

/** A tag is locked while it is taken from its manifest. */
export const untagged: Story = async (world) => {
  const image = document('image');
  await publish(world.send, NAME, 'v1', image);
  const locked = await lockOrDelete(world, onTag({ deleteEnabled: false }), `/acr/v1/${NAME}/_tags/v1`);
  expect(await target(world.send, 'v1')).toBe(locked ? image.digest : undefined);
  expect(await target(world.send, image.digest)).toBe(image.digest);
};

/** A tag is locked while its manifest is deleted: none of its tags goes, or all. */
export const deletedUnderTag: Story = async (world) => {
  const image = document('image');
  for (const tag of ['v0', 'v1', 'v2']) await publish(world.send, NAME, tag, image);
  await publish(world.send, NAME, 'other', document('other'));
  const path = `/v2/${NAME}/manifests/${image.digest}`;
  const locked = await lockOrDelete(world, onTag({ writeEnabled: false }), path);
  for (const reference of ['v0', 'v1', 'v2', image.digest])
    expect(await target(world.send, reference)).toBe(locked ? image.digest : undefined);
};

/** A manifest is locked while it is deleted. */
export const deleted: Story = async (world) => {
  const image = document('image');
  for (const tag of ['v1', 'v2']) await publish(world.send, NAME, tag, image);
  await publish(world.send, NAME, 'other', document('other'));
  const path = `/v2/${NAME}/manifests/${image.digest}`;
  const locked = await lockOrDelete(world, onManifest(image, { deleteEnabled: false }), path);
  for (const reference of ['v1', 'v2', image.digest])
    expect(await target(world.send, reference)).toBe(locked ? image.digest : undefined);
};

/** A repository is locked while its last manifest is deleted, and itself with that. */
export const emptied: Story = async (world) => {
  const image = document('image');
  await publish(world.send, NAME, 'v1', image);
  const path = `/v2/${NAME}/manifests/${image.digest}`;
  const locked = await lockOrDelete(world, onRepository({ writeEnabled: false }), path);
  expect(await target(world.send, 'v1')).toBe(locked ? image.digest : undefined);
};

/** A tag is locked in one of its ways while it moves. Whether the move was first. */
async function lockOrMove(
  { send, race, breaches }: World,
  lock: Lock,
  move: (next: Document) => Promise<Answer>,
): Promise<void> {
  const [before, after] = [document('before'), document('after')];
  await publish(send, NAME, 'v1', before);
  const [locking, moving] = await race(
    () => set(send, lock),
    () => move(after),
  );
  expect(locking?.status).toBe(200);
  expect([201, 405]).toContain(moving?.status);
  const moved = moving?.status === 201;
  expect(await target(send, 'v1')).toBe(moved ? after.digest : before.digest);
  expect(await breaches()).toEqual([]);
  // Once the lock is set nothing moves.
  expect((await move(document('late'))).status).toBe(405);
}

/** A tag is locked while it is pushed to another manifest; what is refused leaves no manifest. */
export const moved: Story = async (world) => {
  const { send } = world;
  await lockOrMove(world, onTag({ writeEnabled: false }), (next) => publish(send, NAME, 'v1', next));
  expect(await target(send, document('late').digest)).toBeUndefined();
};

/** A tag is locked while it is set to another manifest that is there. */
export const retagged: Story = async (world) => {
  const { send } = world;
  for (const text of ['after', 'late']) await publish(send, NAME, text, document(text));
  await lockOrMove(world, onTag({ writeEnabled: false }), (next) => {
    const body = Buffer.from(JSON.stringify({ digest: next.digest }));
    return send('PUT', `/acr/v1/${NAME}/_tags/v1`, { body });
  });
};

/** A repository is locked while it is pushed to. */
export const pushedTo: Story = async (world) => {
  const { send } = world;
  await lockOrMove(world, onRepository({ writeEnabled: false }), (next) => publish(send, NAME, 'v1', next));
};

/** Tags of a repository become unchangeable while one moves. */
export const writtenOnce: Story = async (world) => {
  const { send } = world;
  await lockOrMove(world, onRepository({ writeOnceTags: true }), (next) => publish(send, NAME, 'v1', next));
};

/** A tag gets two locks at once: it has both. */
export const twoLocks: Story = async ({ send, race, breaches }) => {
  await publish(send, NAME, 'v1', document('image'));
  const answers = await race(
    () => set(send, onTag({ deleteEnabled: false })),
    () => set(send, onTag({ writeEnabled: false })),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  const tag = Buffer.from((await send('GET', `/acr/v1/${NAME}/_tags/v1`)).bytes).toString();
  expect(tag).toContain('"deleteEnabled":false,"writeEnabled":false,"readEnabled":true,"listEnabled":true');
  expect(await breaches()).toEqual([]);
};

/** A repository is hidden and shown by two: the catalog says in the end what the repository's row says. */
export const hiddenAndShown: Story = async ({ send, race, breaches }) => {
  await publish(send, NAME, 'v1', document('image'));
  const answers = await race(
    () => set(send, onRepository({ listEnabled: false })),
    () => set(send, onRepository({ listEnabled: true })),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  expect(await breaches()).toEqual([]);
};

/** A repository is hidden while it goes with its last manifest and is pushed anew, which is then to be seen. */
export const hiddenAndGone: Story = async ({ send, race, breaches }) => {
  const [image, next] = [document('image'), document('next')];
  await publish(send, NAME, 'v1', image);
  const [hiding, again] = await race(
    () => set(send, onRepository({ listEnabled: false })),
    async () => {
      await send('DELETE', `/v2/${NAME}/manifests/${image.digest}`);
      return await publish(send, NAME, 'v1', next);
    },
  );
  expect([200, 404]).toContain(hiding?.status);
  expect(again?.status).toBe(201);
  expect(await breaches()).toEqual([]);
};

/** Two push first, the repository of one of them is hidden at once and may go again. */
export const hiddenAtFirst: Story = async ({ send, race, breaches }) => {
  const goes = document('goes');
  const answers = await race(
    () => publish(send, NAME, 'v1', document('stays')),
    async () => {
      await publish(send, NAME, 'v2', goes);
      await set(send, onRepository({ listEnabled: false }));
      return await send('DELETE', `/v2/${NAME}/manifests/${goes.digest}`);
    },
  );
  expect(answers.map(({ status }) => status)).toEqual([201, 202]);
  expect(await breaches()).toEqual([]);
};

/** An image passes quarantine while one of its tags moves away: events end with what is stored. */
export const passedAndMoved: Story = async ({ send, race, breaches }) => {
  const [image, next] = [document('image'), document('next')];
  for (const tag of ['v1', 'v2']) await publish(send, NAME, tag, image);
  const answers = await race(
    () => set(send, onManifest(image, { quarantineState: 'Passed' })),
    () => publish(send, NAME, 'v1', next),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 201]);
  expect(await breaches()).toEqual([]);
};

/** A repository is hidden while it goes: neither its name stays, nor that it was hidden. */
export const hiddenLast: Story = async ({ send, race, breaches, stores, test }) => {
  const image = document('image');
  await publish(send, NAME, 'v1', image);
  const [hiding, removal] = await race(
    () => set(send, onRepository({ listEnabled: false })),
    () => send('DELETE', `/v2/${NAME}/manifests/${image.digest}`),
  );
  expect([200, 404]).toContain(hiding?.status);
  expect(removal?.status).toBe(202);
  const repository = { registry: test.registry, name: parseRepositoryName(NAME) };
  expect(await stores.records.get(catalogKey(repository))).toBeUndefined();
  await publish(send, NAME, 'v1', image);
  expect(await breaches()).toEqual([]);
};
