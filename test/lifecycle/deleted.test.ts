import { afterEach, describe, expect, test } from 'vitest';
import { updateRegistry } from '../../src/access/registry.ts';
import { runJob, runTimer } from '../../src/app/jobs.ts';
import { purgeDeleted } from '../../src/lifecycle/purge.ts';
import { digestOf } from '../../src/model/digest.ts';
import { deletedPartition } from '../../src/model/record.ts';
import { always } from '../../src/store/records.ts';
import { JOB_QUEUE } from '../../src/store/work.ts';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import { type Document, type Send, clientOf, document, publish, upload } from '../support/client.ts';
import { breaches, strayBlobs } from '../support/invariants.ts';
import { noise } from '../support/sample.ts';
import { descriptor } from '../support/scene.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const FOREVER_MS = 9e15;
const FOREVER = Number.POSITIVE_INFINITY;

describe.each(adapters)('a purge of what was deleted on %s', (adapter) => {
  let app: TestApp;
  let send: Send;
  afterEach(() => app.close());

  async function open(days = 7): Promise<void> {
    const softDelete = { enabled: true, days, updated: 0 };
    app = await openTestApp({ adapter, document: { softDelete } });
    send = clientOf(app.app);
  }

  async function set(softDelete: { enabled: boolean; days: number }): Promise<void> {
    const { context } = app.app;
    await updateRegistry(context, app.registry, (before) => ({
      ...before,
      softDelete: { ...softDelete, updated: context.now() },
    }));
  }

  async function deleted(name: string, manifest: Document, tag = 'v1'): Promise<string> {
    expect((await publish(send, name, tag, manifest)).status).toBe(201);
    expect((await send('DELETE', `/v2/${name}/manifests/${manifest.digest}`)).status).toBe(202);
    return manifest.digest;
  }

  const restore = async (name: string, digest: string) =>
    (await send('POST', `/acr/v1/_deleted/${name}/_manifests/${digest}`)).status;

  /** Names of repositories that may have something to restore. */
  async function listed(): Promise<string[]> {
    const partition = deletedPartition(app.registry);
    const range = { table: 'repos', partition, from: '!', before: '~', limit: 1000 } as const;
    return (await app.stores.records.range<{ name: string }>(range)).rows.map(({ value }) => value.name);
  }

  test('takes it after its days and not before, with the blobs that only it needed', async () => {
    await open();
    const [old, both] = [noise(20), noise(30)];
    for (const bytes of [old, both]) await upload(send, 'team/app', bytes);
    const first = document('x'.repeat(70_000), { layers: [old, both].map(descriptor) });
    await deleted('team/app', first);
    app.clock.advance(5 * DAY_MS);
    const second = await deleted('team/app', document('second', { layers: [descriptor(both)] }));
    app.clock.advance(2 * DAY_MS - HOUR_MS);
    await runTimer(app.app, 'sweep');
    expect(await restore('team/app', first.digest)).toBe(200);
    expect((await send('DELETE', `/v2/team/app/manifests/${first.digest}`)).status).toBe(202);

    app.clock.advance(5 * DAY_MS + 2 * HOUR_MS);
    await runTimer(app.app, 'sweep');
    expect(await restore('team/app', second)).toBe(404);
    app.clock.advance(2 * DAY_MS);
    await runTimer(app.app, 'sweep');
    expect(await restore('team/app', first.digest)).toBe(404);
    for (const bytes of [old, both])
      expect((await send('HEAD', `/v2/team/app/blobs/${digestOf(bytes)}`)).status).toBe(404);
    expect(await listed()).toEqual([]);
    expect(await breaches(app.stores, app.registry)).toEqual([]);
    expect(await strayBlobs(app.stores, app.registry)).toEqual([]);
  });

  test('goes by the days that are set now, also where soft delete was turned off', async () => {
    await open();
    const digest = await deleted('team/app', document('one'));
    await set({ enabled: true, days: 14 });
    app.clock.advance(10 * DAY_MS);
    await runTimer(app.app, 'sweep');
    await set({ enabled: false, days: 14 });
    await runTimer(app.app, 'sweep');
    expect(await restore('team/app', digest)).toBe(200);
    await set({ enabled: true, days: 14 });
    app.clock.advance(11_000);
    expect((await send('DELETE', `/v2/team/app/manifests/${digest}`)).status).toBe(202);
    app.clock.advance(2 * DAY_MS);
    await set({ enabled: true, days: 1 });
    await runTimer(app.app, 'sweep');
    expect(await restore('team/app', digest)).toBe(404);
  });

  test('takes tags that were taken from manifests that are there', async () => {
    await open();
    const manifest = document('one');
    for (const tag of ['v1', 'v2']) await publish(send, 'team/app', tag, manifest);
    await send('DELETE', '/v2/team/app/manifests/v1');
    app.clock.advance(8 * DAY_MS);
    await runTimer(app.app, 'sweep');
    const list = await send('GET', '/acr/v1/_deleted/team/app/_tags');
    expect(JSON.parse(Buffer.from(list.bytes).toString())).toMatchObject({ tags: [] });
    expect((await send('HEAD', '/v2/team/app/manifests/v2')).status).toBe(200);
  });

  test('goes on where it stopped for want of time, and comes to its end', async () => {
    await open();
    const names = ['a', 'b', 'b/c', 'd'];
    const digests: string[] = [];
    for (const name of names) digests.push(await deleted(name, document(name)));
    app.clock.advance(8 * DAY_MS);
    const { context } = app.app;
    let purged = 0;
    let runs = 0;
    let next: Awaited<ReturnType<typeof purgeDeleted>>['next'];
    do {
      const done = await purgeDeleted(context, app.registry, 7, context.now(), next);
      purged += done.purged;
      next = done.next;
      runs++;
    } while (next && runs < 20);
    // A manifest and a tag of each; then it looks whether there are more.
    expect([purged, runs]).toEqual([8, 5]);
    expect(await listed()).toEqual([]);
    for (const [i, name] of names.entries()) expect(await restore(name, digests[i] ?? '')).toBe(404);
    expect(await purgeDeleted(context, app.registry, 7, FOREVER)).toEqual({ purged: 0 });
  });

  test('goes on inside a repository that has very much of it', async () => {
    await open();
    const digest = await deleted('team/app', document('one'));
    const partition = `${app.registry}!team.app`;
    for (let part = 0; part < 11; part++) {
      const writes = Array.from({ length: 100 }, (_, i) => ({
        op: 'put' as const,
        row: `z!t!t${part}-${i}!${app.app.context.stamp()}!${digest}`,
        value: { digest, created: 0, deleted: i === 99 ? FOREVER_MS : 0 },
        condition: always,
      }));
      await app.stores.records.batch('repos', partition, writes);
    }
    app.clock.advance(8 * DAY_MS);
    const { context } = app.app;
    const first = await purgeDeleted(context, app.registry, 7, context.now());
    expect(first.next?.repository).toBe('team.app');
    const second = await purgeDeleted(context, app.registry, 7, FOREVER, first.next);
    // All but eleven, and the two of the manifest itself.
    expect([first.purged + second.purged, second.next]).toEqual([1091, undefined]);
    expect(await purgeDeleted(context, app.registry, 7, FOREVER)).toEqual({ purged: 0 });
    expect(await listed()).toEqual(['team/app']);
  });

  test('goes on as a job', async () => {
    await open();
    const digest = await deleted('team/app', document('one'));
    app.clock.advance(8 * DAY_MS);
    const job = { kind: 'forget', registry: app.registry, place: { repository: 'team.b', row: 'z!' } };
    await runJob(app.app, JOB_QUEUE, job);
    expect(await restore('team/app', digest)).toBe(200);
    expect((await send('DELETE', `/v2/team/app/manifests/${digest}`)).status).toBe(202);
    app.clock.advance(8 * DAY_MS);
    await runJob(app.app, JOB_QUEUE, { ...job, place: { repository: '!', row: 'z!' } });
    expect(await restore('team/app', digest)).toBe(404);
    await runJob(app.app, JOB_QUEUE, { ...job, place: 'z!' });
    expect(app.logs.filter(({ message }) => message === 'a message is no job').length).toBe(1);
  });
});
