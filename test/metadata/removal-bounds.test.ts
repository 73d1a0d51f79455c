import { expect, test } from 'vitest';
import { queues, runJob } from '../../src/app/jobs.ts';
import { jsonOf, problemOf } from '../support/answer.ts';
import { type TestApp, openTestApp } from '../support/app.ts';
import { IMAGE, clientOf, document, publish } from '../support/client.ts';
import { countCalls, intercept } from '../support/intercept.ts';
import { breaches } from '../support/invariants.ts';

const NAME = 'team/app';
const PATH = `/acr/v1/${NAME}`;
const INDEX = 'application/vnd.oci.image.index.v1+json';

/** Manifests without blobs, tagged and untagged ones by turns. */
async function fill(app: TestApp, count: number): Promise<void> {
  const send = clientOf(app.app);
  for (let i = 0; i < count; i++) {
    const manifest = document(`${i}`);
    await publish(send, NAME, i % 2 === 0 ? `t${i}` : manifest.digest, manifest);
  }
}

/** A registry in which each storage call takes `pace` milliseconds, once that is set. */
async function openSlow() {
  const state = { pace: 0, calls: 0 };
  const app: TestApp = await openTestApp({
    wrap: (stores) =>
      intercept(stores, {
        hook: async (_, run) => {
          state.calls++;
          app.clock.advance(state.pace);
          return await run();
        },
      }),
  });
  return { app, state };
}

/** Runs one waiting job, as a queue trigger does; false when there is none. */
async function runOne(app: TestApp): Promise<boolean> {
  const [delivery] = await app.stores.work.receive(1, 300);
  if (!delivery) return false;
  await runJob(app.app, queues[0] ?? '', delivery.body);
  await delivery.done();
  return true;
}

interface Told {
  readonly manifestsDeleted: readonly string[];
  readonly tagsDeleted: readonly string[];
}

test('a repository of 10,000 manifests goes by steps of a transaction each, two calls apiece', async () => {
  const count = countCalls();
  const app = await openTestApp({ wrap: (stores) => intercept(stores, count) });
  await fill(app, 10_000);
  count.reset();
  const answer = await app.fetch('DELETE', PATH);
  const told: Told = JSON.parse(await answer.text());
  expect([answer.status, told.manifestsDeleted.length, told.tagsDeleted.length]).toEqual([202, 10_000, 5000]);
  // Half of them with 4 rows and half with 2: 33 to a transaction of 100.
  const batches = count.calls.filter(({ name }) => name === 'records.batch').length;
  expect(batches).toBeLessThan(320);
  expect(count.calls.length).toBeLessThan(2 * batches + 60);
  expect(await problemOf(await app.fetch('GET', PATH))).toBe('404 NAME_UNKNOWN');
  expect(await breaches(app.stores, app.registry)).toEqual([]);
  await app.close();
}, 120_000);

test('a deletion that takes longer than a minute is finished by jobs, each of which ends in time', async () => {
  const { app, state } = await openSlow();
  await fill(app, 400);
  state.pace = 5000;
  const started = app.clock.now();
  const answer = await app.fetch('DELETE', PATH);
  expect(answer.status).toBe(202);
  expect(app.clock.now() - started).toBeLessThan(90_000);
  const { manifestsDeleted }: Told = JSON.parse(await answer.text());
  expect(manifestsDeleted.length).toBeGreaterThan(100);
  expect(await jsonOf(await app.fetch('GET', PATH))).toMatchObject({
    manifestCount: 400 - manifestsDeleted.length,
  });
  let jobs = 0;
  for (let start = app.clock.now(); await runOne(app); start = app.clock.now()) {
    expect(app.clock.now() - start).toBeLessThan(90_000);
    jobs++;
  }
  expect(jobs).toBeGreaterThan(1);
  expect(await problemOf(await app.fetch('GET', PATH))).toBe('404 NAME_UNKNOWN');
  expect(await breaches(app.stores, app.registry)).toEqual([]);
  await app.close();
});

test('a job takes nothing that was pushed after the request, nor the children of an index that was', async () => {
  const { app, state } = await openSlow();
  await fill(app, 400);
  state.pace = 5000;
  const { manifestsDeleted }: Told = JSON.parse(await (await app.fetch('DELETE', PATH)).text());
  state.pace = 0;
  const send = clientOf(app.app);
  const gone = new Set(manifestsDeleted);
  const [child, again] = Array.from({ length: 400 }, (_, i) => document(`${i}`)).filter(
    ({ digest }) => !gone.has(digest),
  );
  if (!child || !again) throw new Error('nothing was left to the job');
  const manifests = [{ mediaType: IMAGE, digest: child.digest, size: child.bytes.length }];
  const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }));
  const index = await send('PUT', `/v2/${NAME}/manifests/index`, {
    headers: { 'content-type': INDEX },
    body,
  });
  expect(index.status).toBe(201);
  expect((await publish(send, NAME, 'again', again)).status).toBe(201);
  expect((await publish(send, NAME, 'fresh', document('fresh'))).status).toBe(201);

  while (await runOne(app));
  const { manifestCount, tagCount }: { manifestCount: number; tagCount: number } = JSON.parse(
    await (await app.fetch('GET', PATH)).text(),
  );
  expect([manifestCount, tagCount]).toEqual([4, 3]);
  expect((await app.fetch('HEAD', `/v2/${NAME}/manifests/${child.digest}`)).status).toBe(200);
  expect(await jsonOf(await app.fetch('GET', `/v2/${NAME}/tags/list`))).toEqual({
    name: NAME,
    tags: ['again', 'fresh', 'index'],
  });
  expect(await breaches(app.stores, app.registry)).toEqual([]);
  await app.close();
});

test('a job leaves a repository alone that was made anew under the name', async () => {
  const { app, state } = await openSlow();
  await fill(app, 400);
  state.pace = 5000;
  await app.fetch('DELETE', PATH);
  state.pace = 0;
  expect((await app.fetch('DELETE', PATH)).status).toBe(202);
  app.clock.advance(-3_600_000);
  await fill(app, 3);
  while (await runOne(app));
  expect(await jsonOf(await app.fetch('GET', PATH))).toMatchObject({ manifestCount: 3, tagCount: 2 });
  expect(await breaches(app.stores, app.registry)).toEqual([]);
  await app.close();
});

test('a job stops at a lock that was set after the request, and says so in the log', async () => {
  const { app, state } = await openSlow();
  await fill(app, 400);
  state.pace = 5000;
  await app.fetch('DELETE', PATH);
  state.pace = 0;
  const before = await jsonOf(await app.fetch('GET', PATH));
  const lock = await app.fetch('PATCH', PATH, { body: '{"deleteEnabled":false}' });
  expect(lock.status).toBe(200);
  while (await runOne(app));
  expect(await jsonOf(await app.fetch('GET', PATH))).toMatchObject({
    manifestCount: Object(before).manifestCount,
  });
  expect(app.logs.map(({ message }) => message)).toContain('the deletion of a repository was stopped');
  await app.close();
});
