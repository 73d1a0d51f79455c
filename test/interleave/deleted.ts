import { expect } from 'vitest';
import { purgeDeleted } from '../../src/lifecycle/purge.ts';
import { digestOf } from '../../src/model/digest.ts';
import {
  type Answer,
  type Document,
  type Send,
  document,
  header,
  publish,
  upload,
} from '../support/client.ts';
import { noise } from '../support/sample.ts';
import { descriptor } from '../support/scene.ts';
import type { Story, World, WorldOptions } from './world.ts';

/** What was deleted comes back, or not, while others push, delete and purge. */
const NAME = 'team/app';
const DELETED = `/acr/v1/_deleted/${NAME}`;
const DAY_MS = 86_400_000;
const DAYS = 7;
const NOTHING: Answer = { status: 200, headers: {}, bytes: new Uint8Array(0) };

/** For worlds in which what is deleted is kept. */
export const KEPT: WorldOptions = {
  document: { softDelete: { enabled: true, days: DAYS, updated: 0 } },
};

/** The digest that a reference leads to; undefined when there is none. */
async function target(send: Send, reference: string): Promise<string | undefined> {
  const answer = await send('HEAD', `/v2/${NAME}/manifests/${reference}`);
  return answer.status === 200 ? header(answer, 'docker-content-digest') : undefined;
}

function push(send: Send, reference: string, manifest: Document) {
  return async () => await publish(send, NAME, reference, manifest);
}

function remove(send: Send, reference: string) {
  return async () => await send('DELETE', `/v2/${NAME}/manifests/${reference}`);
}

function restore(send: Send, { digest }: Document, tag?: string, force = false) {
  const body = Buffer.from(JSON.stringify({ tag }));
  return async () => await send('POST', `${DELETED}/_manifests/${digest}?force=${force}`, { body });
}

/** Forgets what was deleted DAYS days ago. */
function purge({ test }: World) {
  return async (): Promise<Answer> => {
    await purgeDeleted(test.app.context, test.registry, DAYS, Number.POSITIVE_INFINITY);
    return NOTHING;
  };
}

/** A manifest that was pushed under a tag and deleted. */
async function deleted(send: Send, tag: string, manifest: Document): Promise<Document> {
  expect((await publish(send, NAME, tag, manifest)).status).toBe(201);
  expect((await remove(send, manifest.digest)()).status).toBe(202);
  return manifest;
}

/** Deleted manifests, and tags with what they were taken from. */
async function bin(send: Send): Promise<readonly string[]> {
  const pages = await Promise.all([send('GET', `${DELETED}/_manifests`), send('GET', `${DELETED}/_tags`)]);
  const texts = pages.map(({ bytes }) => Buffer.from(bytes).toString());
  return texts.flatMap((text) =>
    Array.from(text.matchAll(/"digest":"([^"]+)"(?:,"tag":"([^"]+)")?/g), ([, digest, tag]) =>
      tag === undefined ? `${digest}` : `${tag} ${digest}`,
    ),
  );
}

/** A manifest restored while it is deleted once more: it is there, or can be restored again. */
export const restoreAndDelete: Story = async ({ send, race, breaches }) => {
  await publish(send, NAME, 'other', document('other'));
  const manifest = await deleted(send, 'v1', document('one'));
  const [back, removal] = await race(restore(send, manifest, 'v1'), remove(send, manifest.digest));
  expect(back?.status).toBe(200);
  expect([202, 404]).toContain(removal?.status);
  const there = removal?.status === 404 ? manifest.digest : undefined;
  expect([await target(send, 'v1'), await target(send, manifest.digest)]).toEqual([there, there]);
  expect(await breaches()).toEqual([]);
  expect((await restore(send, manifest, 'v1')()).status).toBe(200);
  expect(await target(send, 'v1')).toBe(manifest.digest);
  expect(await bin(send)).toEqual([]);
  expect(await breaches()).toEqual([]);
};

/** The last manifest of a repository deleted while another is restored: the repository is there with that one. */
export const restoreAndDeleteLast: Story = async ({ send, race, breaches }) => {
  const manifest = await deleted(send, 'v1', document('one'));
  const last = document('last');
  await publish(send, NAME, 'v2', last);
  const [back, removal] = await race(restore(send, manifest, 'v1'), remove(send, last.digest));
  expect([back?.status, removal?.status]).toEqual([200, 202]);
  expect([await target(send, 'v1'), await target(send, 'v2')]).toEqual([manifest.digest, undefined]);
  expect(await bin(send)).toEqual([last.digest, `v2 ${last.digest}`]);
  expect(await breaches()).toEqual([]);
};

/** A manifest restored while its repository is deleted as a whole: all is there, or can be restored. */
export const restoreAndDeleteAll: Story = async ({ send, race, breaches }) => {
  const [manifest, other] = [await deleted(send, 'v1', document('one')), document('other')];
  await publish(send, NAME, 'v2', other);
  const [back, removal] = await race(restore(send, manifest, 'v1'), () => send('DELETE', `/acr/v1/${NAME}`));
  expect([back?.status, removal?.status]).toEqual([200, 202]);
  expect(await target(send, 'v2')).toBeUndefined();
  expect(await breaches()).toEqual([]);
  for (const [tag, one] of [['v1', manifest] as const, ['v2', other] as const]) {
    expect((await restore(send, one, tag)()).status).toBe(200);
    expect(await target(send, tag)).toBe(one.digest);
  }
  expect(await bin(send)).toEqual([]);
  expect(await breaches()).toEqual([]);
};

/** A tag restored while it is pushed: the push has it, and no force was used. */
export const restoreAndPush: Story = async ({ send, race, breaches }) => {
  await publish(send, NAME, 'other', document('other'));
  const [old, fresh] = [await deleted(send, 'v1', document('old')), document('new')];
  const [back, put] = await race(restore(send, old, 'v1'), push(send, 'v1', fresh));
  expect(put?.status).toBe(201);
  expect([200, 409]).toContain(back?.status);
  expect(await target(send, 'v1')).toBe(fresh.digest);
  expect(await target(send, old.digest)).toBe(back?.status === 200 ? old.digest : undefined);
  expect(await breaches()).toEqual([]);
};

/** The same by force: the later of the two has the tag, and what lost it by force can have it back. */
export const forceAndPush: Story = async ({ send, race, breaches }) => {
  const [old, fresh] = [await deleted(send, 'v1', document('old')), document('new')];
  const [back, put] = await race(restore(send, old, 'v1', true), push(send, 'v1', fresh));
  expect([back?.status, put?.status]).toEqual([200, 201]);
  const digest = await target(send, 'v1');
  expect([String(old.digest), String(fresh.digest)]).toContain(digest);
  expect(await bin(send)).toEqual(digest === old.digest ? [`v1 ${fresh.digest}`] : []);
  expect(await breaches()).toEqual([]);
};

/** The digest of a manifest pushed while it is deleted: it is there, or was refused and can be restored. */
export const pushAndDelete: Story = async ({ send, race, breaches }) => {
  const manifest = document('one');
  await publish(send, NAME, 'v1', manifest);
  const [put, removal] = await race(push(send, 'v2', manifest), remove(send, manifest.digest));
  expect([201, 405]).toContain(put?.status);
  expect(removal?.status).toBe(202);
  expect((await restore(send, manifest)()).status).toBe(200);
  expect(await target(send, manifest.digest)).toBe(manifest.digest);
  expect(await breaches()).toEqual([]);
};

/** Two restorations of one manifest, large and with a tag each: both tags are there, and it counts once. */
export const restoreTwice: Story = async ({ send, race, breaches }) => {
  const manifest = document('x'.repeat(70_000));
  await publish(send, NAME, 'v2', manifest);
  await deleted(send, 'v1', manifest);
  const [one, two] = await race(restore(send, manifest, 'v1'), restore(send, manifest, 'v2'));
  expect([one?.status, two?.status]).toEqual([200, 200]);
  expect([await target(send, 'v1'), await target(send, 'v2')]).toEqual([manifest.digest, manifest.digest]);
  expect(await bin(send)).toEqual([]);
  expect(await breaches()).toEqual([]);
};

/** A restoration of the last day against the purge: all of it comes back, or nothing. */
export const restoreAndPurge: Story = async (world) => {
  const { send, pass, race, breaches } = world;
  await publish(send, NAME, 'other', document('other'));
  const manifest = await deleted(send, 'v1', document('one'));
  await pass((DAYS + 1) * DAY_MS);
  const [back] = await race(restore(send, manifest, 'v1'), purge(world));
  expect([200, 404]).toContain(back?.status);
  const there = back?.status === 200 ? manifest.digest : undefined;
  expect([await target(send, 'v1'), await target(send, manifest.digest)]).toEqual([there, there]);
  expect(await breaches()).toEqual([]);
};

/** Restorations while garbage is collected that they need: blobs long untouched, and bytes outside of rows. */
export const restoreAndCollect: Story = async (world) => {
  const { send, pass, race, breaches, serves } = world;
  const [one, two] = [noise(20), noise(30)];
  for (const bytes of [one, two]) await upload(send, NAME, bytes);
  const small = await deleted(send, 'v1', document('one', { layers: [descriptor(one)] }));
  const large = await deleted(send, 'v2', document('x'.repeat(70_000), { layers: [descriptor(two)] }));
  await pass(2 * DAY_MS);
  const answers = await race(restore(send, small, 'v1'), restore(send, large, 'v2'), world.collect);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  await world.collect();
  for (const bytes of [one, two]) expect(await serves(NAME, digestOf(bytes), bytes)).toBe(true);
  expect([await target(send, 'v1'), await target(send, 'v2')]).toEqual([small.digest, large.digest]);
  expect(await breaches()).toEqual([]);
};

/** Something deleted while a purge empties the repository's bin: it can be restored, and is found again. */
export const deleteAndPurge: Story = async (world) => {
  const { send, pass, race, breaches } = world;
  await deleted(send, 'v1', document('old'));
  await publish(send, NAME, 'other', document('other'));
  const fresh = document('new');
  await publish(send, NAME, 'v1', fresh);
  await pass((DAYS + 1) * DAY_MS);
  const [removal] = await race(remove(send, fresh.digest), purge(world));
  expect(removal?.status).toBe(202);
  expect(await breaches()).toEqual([]);
  expect(await bin(send)).toEqual([fresh.digest, `v1 ${fresh.digest}`]);
  expect((await restore(send, fresh, 'v1')()).status).toBe(200);
};

/** Restored and deleted again while a purge runs that had seen the first deletion: it has its days again. */
export const deleteAgainAndPurge: Story = async (world) => {
  const { send, pass, race, breaches } = world;
  const manifest = await deleted(send, 'v1', document('one'));
  await pass((DAYS + 1) * DAY_MS);
  const [, removal] = await race(purge(world), async () => {
    const back = await restore(send, manifest)();
    return back.status === 200 ? await remove(send, manifest.digest)() : back;
  });
  expect([202, 404]).toContain(removal?.status);
  expect((await bin(send)).includes(manifest.digest)).toBe(removal?.status === 202);
  expect(await breaches()).toEqual([]);
};
