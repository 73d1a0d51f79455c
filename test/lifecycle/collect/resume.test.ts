import { describe, expect, test } from 'vitest';
import { runJob, runTimer } from '../../../src/app/jobs.ts';
import { JOB_QUEUE } from '../../../src/store/work.ts';
import { Unavailable } from '../../../src/store/records.ts';
import { createChance } from '../../support/chance.ts';
import { type Document, type Send, begin, document, patch, publish } from '../../support/client.ts';
import { type Hook, intercept } from '../../support/intercept.ts';
import { breaches } from '../../support/invariants.ts';
import { orphans } from '../../support/orphans.ts';
import { LONG_MS, openLab, put } from './lab.ts';

const IMAGES = 40;

interface Stock {
  readonly manifests: readonly Document[];
  readonly digests: readonly string[];
}

/** Forty images in four repositories, as many blobs that nobody needs, uploads that nobody ended. */
async function stock(send: Send): Promise<Stock> {
  const manifests: Document[] = [];
  const digests: string[] = [];
  for (let i = 0; i < IMAGES; i++) {
    const name = `team/app${i % 4}`;
    await put(send, name, `garbage ${i}`);
    const digest = await put(send, name, `layer ${i}`);
    const manifest = document(`${i}`, { layers: [{ mediaType: 'application/x', digest, size: 1 }] });
    expect((await publish(send, name, `v${i}`, manifest)).status).toBe(201);
    manifests.push(manifest);
    digests.push(digest);
    if (i % 10 === 0) await patch(send, await begin(send, name), Buffer.from('never ended'));
  }
  return { manifests, digests };
}

async function missing(send: Send, { manifests, digests }: Stock): Promise<string[]> {
  const found: string[] = [];
  for (const [i, { digest }] of manifests.entries()) {
    const name = `team/app${i % 4}`;
    const answers = [
      await send('GET', `/v2/${name}/manifests/${digest}`),
      await send('GET', `/v2/${name}/blobs/${digests[i]}`),
    ];
    if (answers.some(({ status }) => status !== 200)) found.push(`image ${i}`);
  }
  return found;
}

/** Two instances over one storage: one whose calls fail from some moment on, as if it was killed, and a whole one. */
async function openMortal() {
  const state = { left: Infinity };
  const hook: Hook = async (_, run) => {
    if (state.left-- <= 0) throw new Unavailable('killed');
    return await run();
  };
  const whole = await openLab();
  const { stores, registry, clock } = whole.app;
  const mortal = await openLab({ stores: intercept(stores, { hook }), registry, clock, seed: 3 });
  return { ...whole, state, mortal };
}

describe('a collection that is cut short', () => {
  test.each([
    ['after some storage calls', { calls: 3 }, 1024],
    ['at once, each time', { calls: 0 }, 1024],
    ['at once, while its digests are cut into eight', { calls: 0 }, 8],
    ['never, while they are cut into sixteen', {}, 4],
  ] as const)('%s, comes to its end by and by', async (_, budget, memory) => {
    const { app, send, registry, pass, collect } = await openLab();
    const kept = await stock(send);
    pass(LONG_MS);
    const freed = { links: 0, blobs: 0 };
    let runs = 0;
    for (let finished = false; !finished; runs++) {
      expect(runs).toBeLessThan(500);
      const one = await collect({ ...budget, memory });
      freed.links += one.totals.links;
      freed.blobs += one.totals.blobs;
      ({ finished } = one);
    }
    expect(runs > 1).toBe('calls' in budget);
    expect(await missing(send, kept)).toEqual([]);
    // A filter that is nearly full spares some by chance; the next run has another chance.
    for (let run = 0; run < 20; run++) await collect({ memory });
    expect(await breaches(app.stores, registry)).toEqual([]);
    expect(await orphans(app.stores, registry)).toEqual([]);
    expect(freed.links).toBe(freed.blobs);
  });

  test('measures only what one run saw whole', async () => {
    const { send, pass, collect } = await openLab();
    await stock(send);
    pass(LONG_MS);
    expect((await collect()).measured?.registry.blobs).toBe(IMAGES);
    expect((await collect({ memory: 8 })).measured?.registry.blobs).toBe(IMAGES);
    const first = await collect({ calls: 0 });
    expect([first.finished, first.measured]).toEqual([false, undefined]);
    const second = await collect();
    expect([second.finished, second.measured]).toEqual([true, undefined]);
  });
});

test('a collection that is killed anywhere, and begun again, loses nothing and leaves nothing', async () => {
  for (let at = 0; ; at += at < 20 ? 1 : 17) {
    const { app, send, registry, pass, collect, state, mortal } = await openMortal();
    const kept = await stock(send);
    pass(LONG_MS);
    state.left = at;
    const ended = await mortal.collect().then(
      () => true,
      () => false,
    );
    expect(await breaches(app.stores, registry)).toEqual([]);
    expect(await missing(send, kept)).toEqual([]);
    for (let finished = false; !finished;) ({ finished } = await collect({ calls: 20 }));
    expect(await missing(send, kept)).toEqual([]);
    expect(await orphans(app.stores, registry)).toEqual([]);
    if (ended) break;
  }
});

test('collections killed at random, day after day, lose nothing while images come and go', async () => {
  const chance = createChance(7);
  const { app, send, registry, pass, collect, state, mortal } = await openMortal();
  const kept = await stock(send);
  for (let day = 0; day < 30; day++) {
    const name = `team/app${day % 4}`;
    const digest = await put(send, name, `of day ${day}`);
    const manifest = document(`day ${day}`, { layers: [{ mediaType: 'application/x', digest, size: 1 }] });
    expect((await publish(send, name, 'day', manifest)).status).toBe(201);
    pass(LONG_MS / 2);
    state.left = chance.integer(60);
    await mortal.collect({ calls: chance.integer(40), memory: 64 }).catch(() => undefined);
    expect(await missing(send, kept)).toEqual([]);
    expect((await send('GET', `/v2/${name}/blobs/${digest}`)).status).toBe(200);
    if (day % 3 === 0) await send('DELETE', `/v2/${name}/manifests/${manifest.digest}`);
  }
  pass(LONG_MS);
  for (let run = 0; run < 10; run++) await collect();
  expect(await missing(send, kept)).toEqual([]);
  expect(await breaches(app.stores, registry)).toEqual([]);
  expect(await orphans(app.stores, registry)).toEqual([]);
});

test('the timer leaves to a job what it has no time for', async () => {
  let slow = false;
  const lab = await openLab({
    wrap: (stores) =>
      intercept(stores, {
        async hook(call, run) {
          if (slow && call.name === 'records.scan') lab.app.clock.advance(3_600_000);
          return await run();
        },
      }),
  });
  const { app, send, registry, pass } = lab;
  const kept = await stock(send);
  pass(LONG_MS);
  slow = true;
  await runTimer(app.app, 'sweep');
  slow = false;
  const collected = () =>
    app.logs.filter(({ message }) => message === 'collected').map(({ fields }) => fields['finished']);
  expect(collected()).toEqual([false]);
  const [job] = await app.stores.work.receive(10, 60);
  expect(job?.body).toEqual({ kind: 'collect', registry });
  await runJob(app.app, JOB_QUEUE, job?.body);
  await job?.done();
  expect(collected()).toEqual([false, true]);
  expect(await missing(send, kept)).toEqual([]);
  expect(await orphans(app.stores, registry)).toEqual([]);
});
