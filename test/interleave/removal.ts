import { expect } from 'vitest';
import { type Answer, type Send, document, header, publish } from '../support/client.ts';
import type { Story } from './world.ts';

/** A repository deleted while others change it. What came after stays, with all that it needs; all else goes. */
const NAME = 'team/app';
const INDEX = 'application/vnd.oci.image.index.v1+json';

async function remove(send: Send): Promise<Answer> {
  return await send('DELETE', `/acr/v1/${NAME}`);
}

/** The digest behind a reference; undefined when there is none. */
async function target(send: Send, reference: string): Promise<string | undefined> {
  const answer = await send('HEAD', `/v2/${NAME}/manifests/${reference}`);
  return answer.status === 200 ? header(answer, 'docker-content-digest') : undefined;
}

function told({ bytes }: Answer): { manifestsDeleted: string[]; tagsDeleted: string[] } {
  return JSON.parse(Buffer.from(bytes).toString());
}

/** A new tag for a manifest that was there, under a tag that goes. */
export const newTag: Story = async ({ send, race, breaches }) => {
  const manifest = document('one');
  await publish(send, NAME, 'old', manifest);
  const [put, removal] = await race(
    () => publish(send, NAME, 'new', manifest),
    () => remove(send),
  );
  expect([put?.status, removal?.status]).toEqual([201, 202]);
  expect(await target(send, 'old')).toBeUndefined();
  expect(await target(send, 'new')).toBe(await target(send, manifest.digest));
  expect(await breaches()).toEqual([]);
};

/** Other manifests, pushed while the only one goes: the first of a new repository or the second of the old one. */
export const pushesAnew: Story = async ({ send, race, breaches }) => {
  const [last, next, other] = [document('last'), document('next'), document('other')];
  await publish(send, NAME, 'v1', last);
  const [removal, ...puts] = await race(
    () => remove(send),
    () => publish(send, NAME, 'v1', next),
    () => publish(send, NAME, 'v2', other),
  );
  expect([removal?.status, ...puts.map(({ status }) => status)]).toEqual([202, 201, 201]);
  expect(await target(send, last.digest)).toBeUndefined();
  expect(await target(send, 'v1')).toBe(await target(send, next.digest));
  expect(await target(send, 'v2')).toBe(await target(send, other.digest));
  expect(await breaches()).toEqual([]);
};

/** What was pushed after the answer is there, whatever another deletion does. */
export const pushAfter: Story = async ({ send, race, breaches }) => {
  const [last, next] = [document('last'), document('next')];
  await publish(send, NAME, 'v1', last);
  await race(
    async () => {
      await remove(send);
      return await publish(send, NAME, 'v2', next);
    },
    () => publish(send, NAME, 'v3', last),
  );
  expect(await target(send, 'v2')).toBe(next.digest);
  expect(await target(send, 'v1')).toBeUndefined();
  expect(await breaches()).toEqual([]);
};

/** A tag that is taken away, and a manifest that is, while all goes. */
export const deletions: Story = async ({ send, race, breaches }) => {
  const [one, two] = [document('one'), document('two')];
  await publish(send, NAME, 'a', one);
  await publish(send, NAME, 'b', two);
  const [removal, again, untag, single] = await race(
    () => remove(send),
    () => remove(send),
    () => send('DELETE', `/acr/v1/${NAME}/_tags/a`),
    () => send('DELETE', `/v2/${NAME}/manifests/${two.digest}`),
  );
  for (const answer of [removal, again, untag, single]) expect([202, 404]).toContain(answer?.status);
  expect([removal?.status, again?.status, single?.status]).toContain(202);
  expect((await send('GET', `/acr/v1/${NAME}`)).status).toBe(404);
  expect(await breaches()).toEqual([]);
};

/** A lock on a tag, and one on a manifest: what is locked when a removal comes to it stays. */
export const locks: Story = async ({ send, race, breaches }) => {
  const [one, two] = [document('one'), document('two')];
  await publish(send, NAME, 'a', one);
  await publish(send, NAME, 'b', two);
  const [removal, locked] = await race(
    () => remove(send),
    () => lock(send, 'a'),
  );
  const stays = locked?.status === 200;
  expect(removal?.status).toBe(stays ? 405 : 202);
  expect(await target(send, 'a')).toBe(stays ? one.digest : undefined);
  expect(await breaches()).toEqual([]);
};

/** A lock in the midst of a removal that takes several transactions. */
export const lateLock: Story = async ({ send, race, breaches }) => {
  const manifests = Array.from({ length: 40 }, (_, i) => document(`${i}`));
  for (const [i, manifest] of manifests.entries()) await publish(send, NAME, `t${i}`, manifest);
  // The last one in the order of removal.
  const [chosen = document('none')] = manifests.toSorted((a, b) => (a.digest < b.digest ? 1 : -1));
  const tag = `t${manifests.indexOf(chosen)}`;
  const [removal, locked] = await race(
    () => remove(send),
    () => lock(send, tag),
  );
  const stays = locked?.status === 200;
  expect(removal?.status).toBe(stays ? 405 : 202);
  expect(await target(send, tag)).toBe(stays ? chosen.digest : undefined);
  expect(await breaches()).toEqual([]);
};

/** An index of old manifests pushed while they go: it is refused, goes with them, or stays with them. */
export const indexOfOld: Story = async ({ send, race, breaches }) => {
  const children = Array.from({ length: 3 }, (_, i) => document(`${i}`));
  for (const [i, child] of children.entries()) await publish(send, NAME, `t${i}`, child);
  for (let i = 0; i < 30; i++) await publish(send, NAME, `u${i}`, document(`other ${i}`));
  const manifests = children.map(({ digest, bytes }) => ({ mediaType: 'x/y', digest, size: bytes.length }));
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }));
  const [removal, put] = await race(
    () => remove(send),
    () => send('PUT', `/v2/${NAME}/manifests/latest`, { headers: { 'content-type': INDEX }, body: bytes }),
  );
  expect(removal?.status).toBe(202);
  expect([201, 400]).toContain(put?.status);
  const there = (await target(send, 'latest')) !== undefined;
  if (removal) expect(told(removal).tagsDeleted.includes('latest')).toBe(put?.status === 201 && !there);
  const left = await Promise.all(children.map(({ digest }) => target(send, digest)));
  expect(left.filter((digest) => digest !== undefined).length).toBe(there ? 3 : 0);
  expect(await breaches()).toEqual([]);
};

async function lock(send: Send, tag: string): Promise<Answer> {
  return await send('PATCH', `/acr/v1/${NAME}/_tags/${tag}`, {
    body: Buffer.from('{"deleteEnabled":false}'),
  });
}
