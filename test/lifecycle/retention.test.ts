import { afterEach, describe, expect, test } from 'vitest';
import { updateRegistry } from '../../src/access/registry.ts';
import { replaceLifecyclePolicy } from '../../src/access/settings/lifecycle.ts';
import { runTimer } from '../../src/app/jobs.ts';
import type { RetentionDocument } from '../../src/model/access.ts';
import { document } from '../support/client.ts';
import { DAY_MS, type Lab, indexOf, openLab, referrerOf } from './lab.ts';

const NAME = 'team/app';

let lab: Lab;
afterEach(async () => {
  const [breach] = await lab.breaches();
  if (breach !== undefined) throw new Error(breach);
  await lab.app.close();
});

async function openWith(retention: Partial<RetentionDocument>): Promise<void> {
  lab = await openLab({ document: { retention: { enabled: true, days: 7, updated: 0, ...retention } } });
}

async function setRetention(retention: Partial<RetentionDocument>): Promise<void> {
  await updateRegistry(lab.app.app.context, lab.app.registry, (before) => ({
    ...before,
    retention: { enabled: true, days: 7, updated: 0, ...before.retention, ...retention },
  }));
}

async function passDays(days: number): Promise<void> {
  lab.app.clock.advance(days * DAY_MS);
  await runTimer(lab.app.app, 'clean');
  await lab.runJobs();
}

describe('the retention policy', () => {
  test('deletes a manifest some days after its last tag, and its repository with the last of them', async () => {
    await openWith({});
    const [old, kept] = [document('old'), document('kept')];
    await lab.push(NAME, old, 'v1');
    await lab.push(NAME, kept, 'v1');
    await lab.pushUntagged('other', old);
    await passDays(6.9);
    expect([await lab.has(NAME, old.digest), await lab.has('other', old.digest)]).toEqual([true, true]);
    await passDays(0.2);
    expect([await lab.has(NAME, old.digest), await lab.has('other', old.digest)]).toEqual([false, false]);
    expect(await lab.has(NAME, 'v1')).toBe(true);
    expect(await lab.send('GET', '/v2/other/tags/list')).toMatchObject({ status: 404 });
  });

  test('spares what gets a tag again', async () => {
    await openWith({});
    const image = document('image');
    await lab.pushUntagged(NAME, image);
    lab.app.clock.advance(6 * DAY_MS);
    await lab.push(NAME, image, 'again');
    await passDays(10);
    expect(await lab.has(NAME, 'again')).toBe(true);
  });

  test('counts from the last tag, when there were several', async () => {
    await openWith({});
    const image = document('image');
    await lab.push(NAME, image, 'v1');
    await lab.push(NAME, image, 'v2');
    await lab.send('DELETE', `/v2/${NAME}/manifests/v1`);
    await passDays(8);
    expect(await lab.has(NAME, 'v2')).toBe(true);
    await lab.send('DELETE', `/v2/${NAME}/manifests/v2`);
    await passDays(6);
    expect(await lab.has(NAME, image.digest)).toBe(true);
    await passDays(2);
    expect(await lab.has(NAME, image.digest)).toBe(false);
  });

  test('takes an index with its children and signatures, but no child of another', async () => {
    await openWith({});
    const [own, shared] = [document('own'), document('shared')];
    const [index, other] = [indexOf('index', [own, shared]), indexOf('other', [shared])];
    const signature = referrerOf('signature', index);
    for (const manifest of [own, shared]) await lab.push(NAME, manifest);
    await lab.push(NAME, other, 'other');
    await lab.pushUntagged(NAME, index);
    await lab.push(NAME, signature);
    await passDays(8);
    const left = [index, own, signature, shared, other].map(({ digest }) => lab.has(NAME, digest));
    expect(await Promise.all(left)).toEqual([false, false, false, true, true]);
  });

  test('leaves what lost its tag before it was set, and what lost it after it was lifted, alone', async () => {
    lab = await openLab();
    const [before, during, after] = [document('before'), document('during'), document('after')];
    await lab.pushUntagged(NAME, before);
    lab.app.clock.advance(DAY_MS);
    await setRetention({ updated: lab.app.clock.now() });
    await lab.pushUntagged(NAME, during);
    await passDays(8);
    expect([await lab.has(NAME, before.digest), await lab.has(NAME, during.digest)]).toEqual([true, false]);
    await lab.pushUntagged(NAME, after);
    await setRetention({ enabled: false });
    await passDays(30);
    expect(await lab.has(NAME, after.digest)).toBe(true);
  });

  test('spares what is locked, and all of a repository that is', async () => {
    await openWith({});
    const [locked, written] = [document('locked'), document('written')];
    await lab.pushUntagged(NAME, locked);
    await lab.pushUntagged('frozen', written);
    const lock = async (path: string, attribute: string) => {
      const body = Buffer.from(JSON.stringify({ [attribute]: false }));
      expect(await lab.send('PATCH', `/acr/v1/${path}`, { body })).toMatchObject({ status: 200 });
    };
    await lock(`${NAME}/_manifests/${locked.digest}`, 'deleteEnabled');
    await lock('frozen', 'writeEnabled');
    await passDays(8);
    expect([await lab.has(NAME, locked.digest), await lab.has('frozen', written.digest)]).toEqual([
      true,
      true,
    ]);
    expect(lab.app.logs.filter(({ message }) => message === 'cleaned').at(-1)?.fields).toMatchObject({
      what: 'lifecycle',
      left: ['frozen: locked'],
    });
  });

  test('reaches repositories that are hidden from lists', async () => {
    await openWith({});
    const image = document('image');
    await lab.pushUntagged(NAME, image);
    await lab.push(NAME, document('other'), 'other');
    const body = Buffer.from(JSON.stringify({ listEnabled: false }));
    expect(await lab.send('PATCH', `/acr/v1/${NAME}`, { body })).toMatchObject({ status: 200 });
    await passDays(8);
    expect(await lab.has(NAME, image.digest)).toBe(false);
  });
});

describe('the retention policy without days', () => {
  test('deletes within seconds what loses its last tag, by a push or by a deletion', async () => {
    await openWith({ days: 0 });
    const [first, second, third] = ['first', 'second', 'third'].map((text) => document(text));
    if (!first || !second || !third) throw new Error('three were made');
    await lab.push(NAME, first, 'v1');
    expect(await lab.runJobs()).toBe(0);
    await lab.push(NAME, second, 'v1');
    expect(await lab.runJobs()).toBe(1);
    expect([await lab.has(NAME, first.digest), await lab.has(NAME, 'v1')]).toEqual([false, true]);
    await lab.push(NAME, third, 'v2');
    await lab.send('DELETE', `/acr/v1/${NAME}/_tags/v1`);
    expect(await lab.runJobs()).toBe(1);
    expect([await lab.has(NAME, second.digest), await lab.has(NAME, 'v2')]).toEqual([false, true]);
  });

  test('does so for tags that a purge or a rule deletes', async () => {
    await openWith({ days: 0 });
    const image = document('image');
    await lab.push(NAME, image, 'v1');
    const rule = { name: 'rule', repositories: ['*'], tags: ['*'], exceptTags: [] };
    await replaceLifecyclePolicy(lab.app.app.context, lab.app.registry, [
      { ...rule, state: 'tagged', olderThanDays: 1 },
    ]);
    await passDays(2);
    expect(await lab.has(NAME, image.digest)).toBe(false);
  });

  test('deletes nothing when it was lifted before the job came', async () => {
    await openWith({ days: 0 });
    await lab.push(NAME, document('first'), 'v1');
    await lab.push(NAME, document('second'), 'v1');
    await setRetention({ enabled: false });
    expect(await lab.runJobs()).toBe(1);
    expect(await lab.has(NAME, document('first').digest)).toBe(true);
  });

  test('refuses no push and no deletion because its queue does not answer; the daily run finds what is left', async () => {
    lab = await openLab({
      document: { retention: { enabled: true, days: 0, updated: 0 } },
      wrap: (stores) => ({
        ...stores,
        work: {
          receive: (max, hide) => stores.work.receive(max, hide),
          send: async (job, delay) => {
            if (job.kind === 'retain') throw new Error('no queue');
            await stores.work.send(job, delay);
          },
        },
      }),
    });
    await lab.push(NAME, document('first'), 'v1');
    await lab.push(NAME, document('second'), 'v1');
    expect(await lab.runJobs()).toBe(0);
    await passDays(0);
    expect(await lab.has(NAME, document('first').digest)).toBe(false);
  });
});
