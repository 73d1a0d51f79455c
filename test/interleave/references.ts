import { expect } from 'vitest';
import { type Document, type Send, document, header, publish } from '../support/client.ts';
import type { Story } from './world.ts';

/** Tags and manifests of one repository, changed by several at once. */
const NAME = 'team/app';

async function statusOf(send: Send, reference: string): Promise<number> {
  return (await send('HEAD', `/v2/${NAME}/manifests/${reference}`)).status;
}

/** The digest a tag points to; undefined when there is no such tag. */
async function target(send: Send, tag: string): Promise<string | undefined> {
  const answer = await send('HEAD', `/v2/${NAME}/manifests/${tag}`);
  return answer.status === 200 ? header(answer, 'docker-content-digest') : undefined;
}

function remove(send: Send, reference: string) {
  return async () => await send('DELETE', `/v2/${NAME}/manifests/${reference}`);
}

function push(send: Send, reference: string, manifest: Document, name = NAME) {
  return async () => await publish(send, name, reference, manifest);
}

/** Six manifests under one tag: all are there, the tag is one of them, and its events end with that one. */
export const sameTag: Story = async ({ send, race, breaches }) => {
  const manifests = Array.from({ length: 6 }, (_, i) => document(`${i}`));
  const answers = await race(...manifests.map((manifest) => push(send, 'latest', manifest)));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
  const stored = await Promise.all(manifests.map(({ digest }) => statusOf(send, digest)));
  expect(stored).toEqual(manifests.map(() => 200));
  expect(manifests.map(({ digest }) => String(digest))).toContain(await target(send, 'latest'));
  expect(await breaches()).toEqual([]);
};

/** One manifest, beyond what a row holds, under one tag. */
export const sameLarge: Story = async ({ send, race, breaches }) => {
  const manifest = document('x'.repeat(70_000));
  const answers = await race(
    push(send, 'latest', manifest),
    push(send, 'latest', manifest),
    push(send, manifest.digest, manifest),
  );
  expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
  expect(await target(send, 'latest')).toBe(manifest.digest);
  expect(await breaches()).toEqual([]);
};

/** A new tag for a manifest that is deleted meanwhile. */
export const tagAndDelete: Story = async ({ send, race, breaches }) => {
  const manifest = document('one');
  await publish(send, NAME, 'old', manifest);
  const [put, removal] = await race(push(send, 'new', manifest), remove(send, manifest.digest));
  expect([put?.status, removal?.status]).toEqual([201, 202]);
  const [exists, old, fresh] = await Promise.all([
    statusOf(send, manifest.digest),
    target(send, 'old'),
    target(send, 'new'),
  ]);
  expect(old).toBeUndefined();
  expect(fresh).toBe(exists === 200 ? manifest.digest : undefined);
  expect(await breaches()).toEqual([]);
};

/** A tag leaves a manifest that is deleted meanwhile: the tag stays, since it points elsewhere. */
export const moveAndDelete: Story = async ({ send, race, breaches }) => {
  const [before, after] = [document('before'), document('after')];
  await publish(send, NAME, 'tag', before);
  const [put, removal] = await race(push(send, 'tag', after), remove(send, before.digest));
  expect([put?.status, removal?.status]).toEqual([201, 202]);
  expect(await target(send, 'tag')).toBe(after.digest);
  expect(await statusOf(send, before.digest)).toBe(404);
  expect(await breaches()).toEqual([]);
};

/** A tag moved and deleted: whoever is last has its way. */
export const moveAndUntag: Story = async ({ send, race, breaches }) => {
  const [before, after] = [document('before'), document('after')];
  await publish(send, NAME, 'tag', before);
  const [put, removal] = await race(push(send, 'tag', after), remove(send, 'tag'));
  expect([put?.status, removal?.status]).toEqual([201, 202]);
  expect([undefined, after.digest]).toContain(await target(send, 'tag'));
  expect(await statusOf(send, before.digest)).toBe(200);
  expect(await statusOf(send, after.digest)).toBe(200);
  expect(await breaches()).toEqual([]);
};

/** Several deletions of one tag and one manifest: each thing is deleted once. */
export const deletions: Story = async ({ send, race, breaches }) => {
  const manifest = document('one');
  for (const tag of ['a', 'b']) await publish(send, NAME, tag, manifest);
  const [tag, again, whole, twice] = await race(
    remove(send, 'a'),
    remove(send, 'a'),
    remove(send, manifest.digest),
    remove(send, manifest.digest),
  );
  expect([tag, again].filter((answer) => answer?.status === 202).length).toBeLessThanOrEqual(1);
  expect(whole?.status === 202 ? twice?.status : whole?.status).toBe(404);
  expect(whole?.status === 202 ? whole.status : twice?.status).toBe(202);
  expect(await target(send, 'a')).toBeUndefined();
  expect(await target(send, 'b')).toBeUndefined();
  expect(await breaches()).toEqual([]);
};

/** The first pushes into a repository: nothing of them is lost, and the repository is listed. */
export const firstPushes: Story = async ({ send, race, breaches }) => {
  const answers = await race(push(send, 'one', document('1')), push(send, 'two', document('2')));
  expect(answers.map(({ status }) => status)).toEqual([201, 201]);
  const tags = await send('GET', `/v2/${NAME}/tags/list`);
  expect(JSON.parse(Buffer.from(tags.bytes).toString())).toEqual({ name: NAME, tags: ['one', 'two'] });
  const catalog = await send('GET', '/v2/_catalog');
  expect(JSON.parse(Buffer.from(catalog.bytes).toString())).toEqual({ repositories: [NAME] });
  expect(await breaches()).toEqual([]);
};

/** More tags than one transaction deletes, one of them moved and one added meanwhile. */
export const manyTags: Story = async ({ send, race, breaches }) => {
  const [manifest, other] = [document('many'), document('other')];
  const tags = Array.from({ length: 40 }, (_, i) => `t${i}`);
  for (const start of [0, 20]) {
    const query = tags
      .slice(start, start + 20)
      .map((tag) => `tag=${tag}`)
      .join('&');
    await publish(send, NAME, `${manifest.digest}?${query}`, manifest);
  }
  const [removal, moved, added] = await race(
    remove(send, manifest.digest),
    push(send, 't7', other),
    push(send, 'z', manifest),
  );
  expect([removal?.status, moved?.status, added?.status]).toEqual([202, 201, 201]);
  expect(await target(send, 't7')).toBe(other.digest);
  expect(await target(send, 't39')).toBeUndefined();
  expect(await breaches()).toEqual([]);
};

/** The last manifest of a repository goes while others are pushed: it stays listed, or is made anew. */
export const lastAndFirst: Story = async ({ send, race, breaches }) => {
  const [last, next, other] = [document('last'), document('next'), document('other')];
  await publish(send, NAME, 'v1', last);
  const answers = await race(remove(send, last.digest), push(send, 'v2', next), async () => {
    await remove(send, next.digest)();
    return await push(send, 'v3', other)();
  });
  expect(answers.map(({ status }) => status)).toEqual([202, 201, 201]);
  expect(await target(send, 'v3')).toBe(other.digest);
  expect(await breaches()).toEqual([]);
};

/** Two push first, and what one of them pushed goes again: the other's repository is listed. */
export const firstAndGone: Story = async ({ send, race, breaches }) => {
  const [stays, goes] = [document('stays'), document('goes')];
  const answers = await race(push(send, 'v1', stays), async () => {
    await push(send, 'v2', goes)();
    return await remove(send, goes.digest)();
  });
  expect(answers.map(({ status }) => status)).toEqual([201, 202]);
  expect(await target(send, 'v1')).toBe(stays.digest);
  expect(await breaches()).toEqual([]);
};

/** Signatures of a subject pushed and deleted, and a referrers tag moved and deleted. */
export const referrers: Story = async ({ send, race, breaches }) => {
  const subject = document('subject');
  const descriptor = { mediaType: 'application/x', digest: subject.digest, size: subject.bytes.length };
  const signed = (text: string) => document(text, { subject: descriptor });
  const [old, fresh] = [signed('old'), signed('new')];
  const fallback = subject.digest.replace(':', '-');
  await publish(send, NAME, old.digest, old);
  await publish(send, NAME, fallback, document('list 1'));
  const answers = await race(
    push(send, fresh.digest, fresh),
    remove(send, old.digest),
    push(send, fallback, document('list 2')),
    remove(send, fallback),
  );
  expect(answers.map(({ status }) => status)).toEqual([201, 202, 201, 202]);
  const list = await send('GET', `/v2/${NAME}/referrers/${subject.digest}`);
  const { manifests }: { manifests: { digest: string }[] } = JSON.parse(Buffer.from(list.bytes).toString());
  expect(manifests.map(({ digest }) => digest)).toEqual([fresh.digest]);
  expect(await breaches()).toEqual([]);
};
