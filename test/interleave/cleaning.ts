import { expect } from 'vitest';
import { type Cleaned, cleanRepository } from '../../src/lifecycle/rules/clean.ts';
import { readPurge } from '../../src/lifecycle/rules/select/purge.ts';
import { selectRetained } from '../../src/lifecycle/rules/select/retention.ts';
import type { Select } from '../../src/lifecycle/rules/state.ts';
import { type RepositoryName, parseRepositoryName } from '../../src/model/names.ts';
import type { PurgeOptions } from '../../src/model/policy/lifecycle.ts';
import { type Policy, NO_POLICY } from '../../src/model/policy/policy.ts';
import { type Answer, type Document, document, header, publish } from '../support/client.ts';
import type { Story, World } from './world.ts';

/** Deletions by policies against clients who give new names to what is about to go. */
const NAME = 'team/app';
const DAY_MS = 86_400_000;

const PURGE: PurgeOptions = {
  filters: [`${NAME}:.*`],
  ago: '1h',
  keep: 0,
  untagged: true,
  untaggedOnly: false,
  includeLocked: false,
};

/** Cleans the repository, as one of the clients; what it says it did is added to `told`. */
function clean(world: World, select: Select, told: Cleaned[] = [], policy: Policy = NO_POLICY) {
  return async (): Promise<Answer> => {
    const { test } = world;
    const name: RepositoryName = parseRepositoryName(NAME);
    const cause = { id: 'c', host: '', method: '', userAgent: '', actor: 'test' };
    const limits = { dryRun: false, until: Infinity, most: Infinity };
    const repository = { registry: test.registry, name };
    const shared = { repository, select, tagsAlone: false, policy, cause };
    told.push(await cleanRepository(test.app.context, { ...shared, ...limits }));
    return { status: 200, headers: {}, bytes: new Uint8Array(0) };
  };
}

/** All that has no tag and once had one. */
function retention({ test }: World): Select {
  return selectRetained({ days: 0, updated: 0 }, test.clock.now());
}

/** Whatever is older than an hour. */
async function purge({ test }: World, options: Partial<PurgeOptions> = {}): Promise<Select> {
  const select = (await readPurge({ ...PURGE, ...options }, test.clock.now()))(NAME);
  if (!select) throw new Error('the filter names another repository');
  return select;
}

function indexOf(text: string, children: readonly Document[]): Document {
  const manifests = children.map(({ digest, bytes }) => ({ mediaType: 'x/y', digest, size: bytes.length }));
  return document(text, { manifests });
}

/** Pushes a manifest and takes its tag away again, a day ago. */
async function pushUntagged(world: World, manifest: Document): Promise<void> {
  await publish(world.send, NAME, 'passing', manifest);
  await world.send('DELETE', `/v2/${NAME}/manifests/passing`);
  await passDay(world);
}

/** The registry's settings are fresh afterwards: those who race would wait for each other's reading of them. */
async function passDay(world: World): Promise<void> {
  world.test.clock.advance(DAY_MS);
  await target(world, 'passing');
}

async function target({ send }: World, reference: string): Promise<string | undefined> {
  const answer = await send('HEAD', `/v2/${NAME}/manifests/${reference}`);
  return answer.status === 200 ? header(answer, 'docker-content-digest') : undefined;
}

/** A manifest that retention is about to delete gets a tag. */
export const retag: Story = async (world) => {
  const [old, other] = [document('old'), document('other')];
  await pushUntagged(world, old);
  await publish(world.send, NAME, 'other', other);
  const [, push] = await world.race(clean(world, retention(world)), () =>
    publish(world.send, NAME, 'new', old),
  );
  expect(push?.status).toBe(201);
  expect(await target(world, 'new')).toBe(old.digest);
  expect(await target(world, old.digest)).toBe(old.digest);
  expect(await world.breaches()).toEqual([]);
};

/** The same, with manifests too large for a row, whose bytes lie elsewhere. */
export const retagLarge: Story = async (world) => {
  const old = document('x'.repeat(70_000));
  await pushUntagged(world, old);
  const [, push] = await world.race(clean(world, retention(world)), () =>
    publish(world.send, NAME, 'new', old),
  );
  expect(push?.status).toBe(201);
  const answer = await world.send('GET', `/v2/${NAME}/manifests/new`);
  expect([answer.status, Buffer.compare(answer.bytes, old.bytes)]).toEqual([200, 0]);
  expect(await world.breaches()).toEqual([]);
};

/** An index is pushed over a child that is about to go: it is refused, or has its child. */
export const adopt: Story = async (world) => {
  const [child, other] = [document('child'), document('other')];
  await pushUntagged(world, child);
  await publish(world.send, NAME, other.digest, other);
  const index = indexOf('index', [child, other]);
  const [, push] = await world.race(clean(world, await purge(world)), () =>
    publish(world.send, NAME, 'multi', index),
  );
  expect([201, 400]).toContain(push?.status);
  const found = await Promise.all([index, child].map(({ digest }) => target(world, digest)));
  if (push?.status === 201) expect(found).toEqual([index.digest, child.digest]);
  else expect(found).toEqual([undefined, undefined]);
  expect(await target(world, other.digest)).toBe(other.digest);
  expect(await world.breaches()).toEqual([]);
};

/** An index that is about to go with its child gets a tag: both stay, or it is pushed as a new one, and refused. */
export const revive: Story = async (world) => {
  const child = document('child');
  const index = indexOf('index', [child]);
  await publish(world.send, NAME, child.digest, child);
  await pushUntagged(world, index);
  const [, push] = await world.race(clean(world, retention(world)), () =>
    publish(world.send, NAME, 'multi', index),
  );
  expect([201, 400]).toContain(push?.status);
  const stays = push?.status === 201;
  expect(await target(world, 'multi')).toBe(stays ? index.digest : undefined);
  expect(await target(world, child.digest)).toBe(stays ? child.digest : undefined);
  expect(await world.breaches()).toEqual([]);
};

/** A manifest that is about to go is signed: a signature with a tag stays in any case, one without stays with it. */
export const sign: Story = async (world) => {
  const subject = document('subject');
  const signed = (text: string) =>
    document(text, {
      subject: { mediaType: 'x/y', digest: subject.digest, size: subject.bytes.length },
    });
  await pushUntagged(world, subject);
  const [tagged, loose] = [signed('tagged'), signed('loose')];
  const answers = await world.race(
    clean(world, retention(world)),
    () => publish(world.send, NAME, 'signature', tagged),
    () => publish(world.send, NAME, loose.digest, loose),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 201, 201]);
  expect(await target(world, 'signature')).toBe(tagged.digest);
  if (await target(world, subject.digest)) {
    expect(await target(world, loose.digest)).toBe(loose.digest);
  }
  expect(await world.breaches()).toEqual([]);
};

/** What is about to go is locked: the lock is refused for want of anything to lock, or it holds. */
export const lock: Story = async (world) => {
  const [old, tagged] = [document('old'), document('tagged')];
  await publish(world.send, NAME, 'v1', tagged);
  await pushUntagged(world, old);
  const body = Buffer.from(JSON.stringify({ deleteEnabled: false }));
  const [, manifest, tag] = await world.race(
    clean(world, await purge(world)),
    () => world.send('PATCH', `/acr/v1/${NAME}/_manifests/${old.digest}`, { body }),
    () => world.send('PATCH', `/acr/v1/${NAME}/_tags/v1`, { body }),
  );
  expect([manifest?.status, tag?.status].every((status) => status === 200 || status === 404)).toBe(true);
  expect(await target(world, old.digest)).toBe(manifest?.status === 200 ? old.digest : undefined);
  expect(await target(world, 'v1')).toBe(tag?.status === 200 ? tagged.digest : undefined);
  expect(await world.breaches()).toEqual([]);
};

/** The repository is locked against writing while it is cleaned: nothing goes after that. */
export const lockAll: Story = async (world) => {
  await pushUntagged(world, document('old'));
  const body = Buffer.from(JSON.stringify({ writeEnabled: false }));
  const [, locked] = await world.race(clean(world, retention(world)), () =>
    world.send('PATCH', `/acr/v1/${NAME}`, { body }),
  );
  expect([200, 404]).toContain(locked?.status);
  const left = await target(world, document('old').digest);
  expect(left).toBe(locked?.status === 200 ? document('old').digest : undefined);
  expect(await world.breaches()).toEqual([]);
};

/** A tag that is old enough to go is pushed anew: it is young then. */
export const renew: Story = async (world) => {
  const [old, fresh] = [document('old'), document('fresh')];
  await publish(world.send, NAME, 'v1', old);
  await passDay(world);
  const [, push] = await world.race(clean(world, await purge(world)), () =>
    publish(world.send, NAME, 'v1', fresh),
  );
  expect(push?.status).toBe(201);
  expect(await target(world, 'v1')).toBe(fresh.digest);
  expect(await world.breaches()).toEqual([]);
};

/** A tag leaves one manifest for another, both of which are about to go. */
export const move: Story = async (world) => {
  const [from, to] = [document('from'), document('to')];
  await publish(world.send, NAME, 'v1', from);
  await pushUntagged(world, to);
  const [, push] = await world.race(clean(world, retention(world)), () =>
    publish(world.send, NAME, 'v1', to),
  );
  expect(push?.status).toBe(201);
  expect(await target(world, 'v1')).toBe(to.digest);
  expect(await world.breaches()).toEqual([]);
};

/** Two purges and a deletion of the same: each thing is told once by those who clean, and nothing is left. */
export const twice: Story = async (world) => {
  const manifests = ['a', 'b', 'c'].map((text) => document(text));
  for (const manifest of manifests) await publish(world.send, NAME, 'moving', manifest);
  await passDay(world);
  const told: Cleaned[] = [];
  await world.race(clean(world, await purge(world), told), clean(world, await purge(world), told), () =>
    world.send('DELETE', `/v2/${NAME}/manifests/moving`),
  );
  const gone = told.flatMap((one) => one.gone).filter(({ tag }) => tag === undefined);
  expect(gone.map(({ digest }) => digest).toSorted()).toEqual(
    manifests.map(({ digest }) => digest).toSorted(),
  );
  expect(await world.send('GET', `/v2/${NAME}/tags/list`)).toMatchObject({ status: 404 });
  expect(await world.breaches()).toEqual([]);
};

/** Many go, in several transactions, while others are pushed and one is tagged again. */
export const many: Story = async (world) => {
  const old = Array.from({ length: 60 }, (_, i) => document(`old ${i}`));
  for (const manifest of old) await publish(world.send, NAME, manifest.digest, manifest);
  await passDay(world);
  const [rescued, late] = [old[50], document('late')];
  if (!rescued) throw new Error('there is no such manifest');
  const told: Cleaned[] = [];
  await world.race(
    clean(world, await purge(world), told),
    () => publish(world.send, NAME, 'rescued', rescued),
    () => publish(world.send, NAME, 'late', late),
  );
  expect(await target(world, 'rescued')).toBe(rescued.digest);
  expect(await target(world, 'late')).toBe(late.digest);
  const left = await Promise.all(old.map(({ digest }) => target(world, digest)));
  expect(left.filter((digest) => digest !== undefined)).toEqual([rescued.digest]);
  expect(told.map((one) => one.left)).toEqual([undefined]);
  expect(await world.breaches()).toEqual([]);
};

/** What retention deletes can be restored while soft delete is on, whatever happens meanwhile. */
export const binned: Story = async (world) => {
  const old = document('old');
  await pushUntagged(world, old);
  const policy = { ...NO_POLICY, softDeleteDays: 7 };
  await publish(world.send, NAME, 'other', document('other'));
  await world.race(clean(world, retention(world), [], policy), () =>
    publish(world.send, NAME, 'another', document('another')),
  );
  expect(await target(world, old.digest)).toBeUndefined();
  const kept = await world.stores.records.scan<{ digest: string }>({
    table: 'repos',
    partitions: { from: `${world.test.registry}!`, before: `${world.test.registry}!~` },
    from: 'z!m!',
    before: 'z!m~',
    limit: 10,
  });
  expect(kept.rows.map(({ value }) => value.digest)).toEqual([old.digest]);
  expect(await world.breaches()).toEqual([]);
};
