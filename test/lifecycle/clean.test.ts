import { describe, expect, test } from 'vitest';
import { cleanRegistry } from '../../src/lifecycle/rules/registry.ts';
import { readPurge } from '../../src/lifecycle/rules/select/purge.ts';
import { selectRetained } from '../../src/lifecycle/rules/select/retention.ts';
import { type Lab, CAUSE, DAY_MS, indexOf, openLab, referrerOf } from './lab.ts';
import { NO_POLICY } from '../../src/model/policy/policy.ts';
import { Unavailable } from '../../src/store/records.ts';
import { adapters } from '../support/app.ts';
import { type Document, document } from '../support/client.ts';
import { type Hook, type Mishap, countCalls, intercept, mishaps } from '../support/intercept.ts';

const NAME = 'team/app';
const PURGE = {
  filters: ['.*:.*'],
  ago: '1h',
  keep: 0,
  untagged: true,
  untaggedOnly: false,
  includeLocked: false,
};

describe.each(adapters)('on %s', (adapter) => {
  test('what is more than a transaction holds goes in several, exactly counted', async () => {
    const lab = await openLab({ adapter });
    await fill(lab, 150);
    const keeper = document('keeper');
    lab.app.clock.advance(DAY_MS);
    await lab.push(NAME, keeper, 'kept');
    const { gone, left } = await lab.purge(NAME, { ago: '1h' });
    expect(left).toBeUndefined();
    expect(gone.filter(({ tag }) => tag !== undefined)).toHaveLength(75);
    expect(gone.filter(({ tag }) => tag === undefined)).toHaveLength(150);
    expect(await lab.tags(NAME)).toEqual(['kept']);
    expect(await lab.breaches()).toEqual([]);
    await lab.app.close();
  });

  test('what soft delete keeps goes in smaller ones', async () => {
    const lab = await openLab({ adapter, document: { softDelete: { enabled: true, days: 7, updated: 0 } } });
    await fill(lab, 50);
    lab.app.clock.advance(DAY_MS);
    const select = (await readPurge(PURGE, lab.app.clock.now()))(NAME);
    const policy = { ...NO_POLICY, softDeleteDays: 7 };
    const { gone } = await lab.clean(NAME, select ?? fail(), { policy });
    expect(gone).toHaveLength(75);
    const answer = await lab.send('GET', `/acr/v1/_deleted/${NAME}/_manifests?n=1000`);
    const { manifests }: { manifests: unknown[] } = JSON.parse(Buffer.from(answer.bytes).toString());
    expect(manifests).toHaveLength(50);
    expect(await lab.breaches()).toEqual([]);
    await lab.app.close();
  });
});

describe('a cleaning', () => {
  test('costs three calls where there is nothing to do, and two for each transaction', async () => {
    const count = countCalls();
    const lab = await openLab({ wrap: (stores) => intercept(stores, count) });
    await lab.push(NAME, document('tagged'), 'v1');
    const select = selectRetained({ days: 0, updated: 0 }, lab.app.clock.now());
    count.reset();
    await lab.clean(NAME, select);
    expect([count.calls.length, count.waves]).toEqual([3, 2]);
    await lab.pushUntagged(NAME, document('untagged'));
    count.reset();
    await lab.clean(NAME, select);
    expect([count.calls.length, count.waves]).toEqual([5, 4]);
    count.reset();
    await lab.clean('none', select);
    expect(count.calls).toHaveLength(1);
    await lab.app.close();
  });

  test('of tags alone reads no manifests', async () => {
    const count = countCalls();
    const lab = await openLab({ wrap: (stores) => intercept(stores, count) });
    const image = document('image');
    await lab.push(NAME, image, 'v1');
    lab.app.clock.advance(DAY_MS);
    const select = (await readPurge({ ...PURGE, untagged: false }, lab.app.clock.now()))(NAME);
    count.reset();
    await lab.clean(NAME, select ?? fail(), { tagsAlone: true });
    expect(count.calls.map(({ name }) => name)).toEqual([
      'records.get',
      'records.range',
      'records.get',
      'records.batch',
    ]);
    expect([await lab.tags(NAME), await lab.has(NAME, image.digest)]).toEqual([[], true]);
    expect(await lab.breaches()).toEqual([]);
    await lab.app.close();
  });

  test('that lost its index to a deletion in parts still finds the children', async () => {
    const lab = await openLab();
    const children = Array.from({ length: 60 }, (_, i) => document(`child ${i}`));
    for (const child of children) await lab.push(NAME, child);
    const index = indexOf('index', children);
    await lab.pushUntagged(NAME, index);
    await lab.push(NAME, document('kept'), 'kept');
    const select = selectRetained({ days: 0, updated: 0 }, lab.app.clock.now());
    const first = await lab.clean(NAME, select, { most: 1 });
    expect(first.left).toBe('more');
    expect(await lab.has(NAME, index.digest)).toBe(false);
    expect(await lab.breaches()).toEqual([]);
    const second = await lab.clean(NAME, select);
    expect(first.gone.length + second.gone.length).toBe(61);
    expect(await Promise.all(children.map(({ digest }) => lab.has(NAME, digest)))).not.toContain(true);
    expect(await lab.breaches()).toEqual([]);
    await lab.app.close();
  });

  test('reads what a manifest names where that is too much for its row', async () => {
    const lab = await openLab({ settings: { sparseIndexes: true } });
    const child = document('child');
    const absent = Array.from({ length: 2000 }, (_, i) => document(`absent ${i}`));
    await lab.push(NAME, child);
    await lab.push(NAME, indexOf('index', [child, ...absent]), 'v1');
    lab.app.clock.advance(DAY_MS);
    const { gone } = await lab.purge(NAME, { untaggedOnly: true, untagged: false, filters: [] });
    expect([gone, await lab.has(NAME, child.digest)]).toEqual([[], true]);
    await lab.app.close();
  });

  test('deletes what is locked when it is told to, but nothing in a locked repository', async () => {
    const lab = await openLab();
    const image = document('image');
    await lab.push(NAME, image, 'v1');
    const lock = async (path: string) => {
      const body = Buffer.from(JSON.stringify({ writeEnabled: false, deleteEnabled: false }));
      expect(await lab.send('PATCH', `/acr/v1/${NAME}${path}`, { body })).toMatchObject({ status: 200 });
    };
    await lock('/_tags/v1');
    await lock(`/_manifests/${image.digest}`);
    lab.app.clock.advance(DAY_MS);
    expect((await lab.purge(NAME)).gone).toEqual([]);
    await lab.push('frozen', image, 'v1');
    await lab.send('PATCH', '/acr/v1/frozen', { body: Buffer.from('{"writeEnabled":false}') });
    lab.app.clock.advance(DAY_MS);
    expect((await lab.purge(NAME, { includeLocked: true })).gone).toHaveLength(2);
    expect(await lab.purge('frozen', { includeLocked: true })).toMatchObject({ gone: [], left: 'locked' });
    expect(await lab.breaches()).toEqual([]);
    await lab.app.close();
  });

  test('tells each deletion as an event, as a request would', async () => {
    const lab = await openLab();
    const image = document('image');
    await lab.push(NAME, image, 'v1');
    await lab.push(NAME, document('kept'), 'kept');
    lab.app.clock.advance(DAY_MS);
    await lab.purge(NAME, { filters: ['.*:^v1$'] });
    const { rows } = await lab.app.stores.records.scan<{ event: string }>({
      table: 'repos',
      partitions: { from: `${lab.app.registry}!`, before: `${lab.app.registry}!~` },
      from: 'o!',
      before: 'o~',
      limit: 100,
    });
    const events = rows.map(({ value }): unknown => JSON.parse(value.event));
    expect(events).toContainEqual(
      expect.objectContaining({ action: 'untag', digest: image.digest, tags: ['v1'], cause: CAUSE }),
    );
    expect(events).toContainEqual(
      expect.objectContaining({ action: 'delete', digest: image.digest, tags: [], size: image.bytes.length }),
    );
    await lab.app.close();
  });
});

describe('a registry', () => {
  test('is cleaned from name to name, and goes on where it stopped', async () => {
    const lab = await openThree();
    expect(await cleanAll(lab, { dryRun: true })).toEqual({
      names: ['a 2', 'a-b 2', 'a/b 2'],
      next: undefined,
    });
    expect(await cleanAll(lab, { most: 2 })).toEqual({ names: ['a 2'], next: 'a' });
    // The first is gone: its name is still a place.
    expect(await cleanAll(lab, { most: 1, after: 'a' })).toEqual({ names: ['a-b 1'], next: 'a' });
    expect(await cleanAll(lab, { after: 'a' })).toEqual({ names: ['a-b 1', 'a/b 2'], next: undefined });
    expect(await cleanAll(lab, {})).toEqual({ names: [], next: undefined });
    expect(await lab.breaches()).toEqual([]);
    await lab.app.close();
  });

  test('is left when time is up, but never without some progress', async () => {
    const lab = await openThree();
    const until = lab.app.clock.now();
    expect(await cleanAll(lab, { until })).toEqual({ names: ['a 1'], next: '' });
    expect(await cleanAll(lab, { until })).toEqual({ names: ['a 1'], next: 'a' });
    await lab.app.close();
  });

  test('tells what was done before storage stopped answering, and the first failure at once', async () => {
    let broken = '';
    const lab = await openLab({
      wrap: (stores) =>
        intercept(stores, {
          hook: async ({ args }, run) => {
            if (broken !== '' && JSON.stringify(args).includes(broken)) throw new Unavailable('no answer');
            return await run();
          },
        }),
    });
    for (const name of ['a', 'a-b', 'a/b']) await lab.push(name, document(name), 'v1');
    lab.app.clock.advance(DAY_MS);
    broken = '!a,b"';
    expect(await cleanAll(lab, {})).toEqual({ names: ['a 2'], next: 'a' });
    await expect(cleanAll(lab, { after: 'a' })).rejects.toThrow(Unavailable);
    broken = '';
    expect(await cleanAll(lab, { after: 'a' })).toEqual({ names: ['a-b 2', 'a/b 2'], next: undefined });
    await lab.app.close();
  });
});

describe('one storage call of a cleaning fails, and another one follows', () => {
  const MISHAPS: readonly Mishap[] = ['fails', 'loses its answer', 'happens twice'];
  test.each(MISHAPS)('any one call %s', async (mishap) => {
    const complaints: string[] = [];
    for (let at = 0, met = true; met; at++) {
      let hook: Hook | undefined;
      const lab = await openLab({
        wrap: (stores) =>
          intercept(stores, { hook: async (call, run) => await (hook ? hook(call, run) : run()) }),
      });
      const kept = await fill(lab, 40);
      lab.app.clock.advance(DAY_MS);
      await lab.push(NAME, kept, 'kept');
      const trouble = mishaps(mishap, at);
      ({ hook } = trouble);
      try {
        await lab.purge(NAME, { ago: '1h' });
      } catch (error) {
        if (!(error instanceof Unavailable)) complaints.push(`call ${at}: ${String(error)}`);
      }
      hook = undefined;
      complaints.push(...(await lab.breaches()).map((breach) => `call ${at}: ${breach}`));
      const { left } = await lab.purge(NAME, { ago: '1h' });
      const tags = await lab.tags(NAME);
      if (left !== undefined || tags.join(' ') !== 'kept')
        complaints.push(`call ${at} leaves ${tags.join(' ')}`);
      complaints.push(...(await lab.breaches()).map((breach) => `call ${at}, at the end: ${breach}`));
      met = trouble.calls.length > at;
      await lab.app.close();
    }
    expect(complaints).toEqual([]);
  });
});

/** Manifests, every other one with a tag, among them an index with children and a signature; gives one that has no tag. */
async function fill(lab: Lab, count: number): Promise<Document> {
  const manifests = Array.from({ length: count - 2 }, (_, i) => document(`manifest ${i}`));
  for (const [i, manifest] of manifests.entries()) {
    await lab.push(NAME, manifest, i % 2 === 0 ? `tag-${i}` : undefined);
  }
  const index = indexOf('index', manifests.slice(0, 6));
  await lab.push(NAME, index, 'index');
  await lab.push(NAME, referrerOf('signature', index));
  return document('kept');
}

async function cleanAll(lab: Lab, more: { after?: string; until?: number; most?: number; dryRun?: boolean }) {
  const { repositories, next } = await cleanRegistry(lab.app.app.context, {
    registry: lab.app.registry,
    selectFor: await readPurge(PURGE, lab.app.clock.now()),
    tagsAlone: false,
    policy: NO_POLICY,
    cause: CAUSE,
    dryRun: false,
    after: '',
    until: Infinity,
    most: Infinity,
    ...more,
  });
  return { names: repositories.map(({ repository, gone }) => `${repository.name} ${gone.length}`), next };
}

async function openThree(): Promise<Lab> {
  const lab = await openLab();
  for (const name of ['a', 'a-b', 'a/b']) await lab.push(name, document(name), 'v1');
  lab.app.clock.advance(DAY_MS);
  return lab;
}

function fail(): never {
  throw new Error('the filter names another repository');
}
