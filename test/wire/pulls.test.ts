import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import { countCalls, intercept, mishaps } from '../support/intercept.ts';
import { noise } from '../support/sample.ts';
import { imageManifest, pushImage, pushManifest } from '../support/push.ts';

const HOUR_MS = 3_600_000;

/** `lastPullTime` of a tag (`_tags/v1`) or manifest (`_manifests/<digest>`). */
async function lastPull(app: TestApp, path: string): Promise<unknown> {
  const answer = await app.fetch('GET', `/acr/v1/app/${path}`);
  expect(answer.status).toBe(200);
  return /"lastPullTime":"([^"]*)"/.exec(await answer.text())?.[1];
}

async function pull(app: TestApp, reference: string, method = 'GET'): Promise<void> {
  expect((await app.fetch(method, `/v2/app/manifests/${reference}`)).status).toBe(200);
  await app.settle();
}

function timeText(app: TestApp): string {
  return new Date(app.clock.now()).toISOString().replace('Z', '0000Z');
}

describe.each(adapters)('the time of the last pull on %s', (adapter) => {
  let app: TestApp;
  beforeEach(async () => {
    app = await openTestApp({ adapter });
  });
  afterEach(() => app.close());

  test('is shown of the tag and of the manifest after a pull by tag, in lists, too', async () => {
    const { digest } = (await pushImage(app, 'app', 'v1')).manifest;
    for (const path of ['_tags/v1', `_manifests/${digest}`])
      expect(await lastPull(app, path)).toBeUndefined();
    app.clock.advance(1000);
    const time = timeText(app);
    await pull(app, 'v1');
    for (const path of [
      '_tags/v1',
      '_tags',
      `_manifests/${digest}`,
      '_manifests',
      '_manifests?orderby=timedesc',
    ])
      expect(await lastPull(app, path)).toBe(time);
  });

  test('is of the manifest alone after a pull by digest, and of neither after a HEAD', async () => {
    const { digest } = (await pushImage(app, 'app', 'v1')).manifest;
    await pull(app, 'v1', 'HEAD');
    await pull(app, digest, 'HEAD');
    expect(await lastPull(app, `_manifests/${digest}`)).toBeUndefined();
    await pull(app, digest);
    expect(await lastPull(app, `_manifests/${digest}`)).toBe(timeText(app));
    expect(await lastPull(app, '_tags/v1')).toBeUndefined();
  });

  test('is to the hour, and moves on with later pulls', async () => {
    await pushImage(app, 'app', 'v1');
    app.clock.advance(1);
    const first = timeText(app);
    await pull(app, 'v1');
    app.clock.advance(HOUR_MS - 1);
    await pull(app, 'v1');
    expect(await lastPull(app, '_tags/v1')).toBe(first);
    app.clock.advance(1);
    await pull(app, 'v1');
    expect(await lastPull(app, '_tags/v1')).toBe(timeText(app));
  });

  test('is noted of the manifest that a tag was moved to, however young the tag’s own is', async () => {
    const { config, layer } = await pushImage(app, 'app', 'v1');
    app.clock.advance(1000);
    await pull(app, 'v1');
    app.clock.advance(1000);
    const { digest } = await pushManifest(app, 'app', imageManifest(config, [layer, layer]), 'v1');
    app.clock.advance(1000);
    await pull(app, 'v1');
    expect(await lastPull(app, `_manifests/${digest}`)).toBe(timeText(app));
  });

  test('survives a push of the same manifest, and a push survives its being noted meanwhile', async () => {
    const { config, layer, manifest } = await pushImage(app, 'app', 'v1');
    app.clock.advance(1000);
    const time = timeText(app);
    expect((await app.fetch('GET', '/v2/app/manifests/v1')).status).toBe(200);
    await Promise.all([pushManifest(app, 'app', imageManifest(config, [layer]), 'v1'), app.settle()]);
    expect(await lastPull(app, '_tags/v1')).toBe(time);
    expect(await lastPull(app, `_manifests/${manifest.digest}`)).toBe(time);
  });

  test('brings back nothing that was deleted meanwhile', async () => {
    const { digest } = (await pushImage(app, 'app', 'v1')).manifest;
    await pushImage(app, 'app', 'v2', 'other');
    expect((await app.fetch('GET', '/v2/app/manifests/v1')).status).toBe(200);
    expect((await app.fetch('DELETE', `/v2/app/manifests/${digest}`)).status).toBe(202);
    await app.settle();
    expect((await app.fetch('GET', '/v2/app/manifests/v1')).status).toBe(404);
    expect((await app.fetch('GET', `/v2/app/manifests/${digest}`)).status).toBe(404);
  });
});

/** An app with one manifest under `v1`, and a count of the storage calls from now on. */
async function counted(large = false) {
  const count = countCalls();
  const app = await openTestApp({ wrap: (stores) => intercept(stores, count) });
  const { config, layer } = await pushImage(app, 'app', 'small');
  const annotations = { padding: Buffer.from(noise(60_000)).toString('base64') };
  const more = large ? { annotations } : {};
  const { digest } = await pushManifest(app, 'app', imageManifest(config, [layer], more), 'v1');
  app.clock.advance(1000);
  // What the pushes left to be written down.
  await app.settle();
  count.reset();
  return { app, count, digest };
}

describe('the cost of a pull', () => {
  test.each([
    ['of a manifest in its row', false, 1],
    ['of a large manifest', true, 2],
  ])('%s is one write more once an hour, which no answer waits for', async (_name, large, reads) => {
    const { app, count, digest } = await counted(large);
    for (const reference of ['v1', digest]) {
      expect((await app.fetch('GET', `/v2/app/manifests/${reference}`)).status).toBe(200);
      expect(count.calls.length).toBe(reads);
      await app.settle();
      // The manifest's own time is as young after the pull by tag, so that by digest costs nothing more.
      expect(count.calls.length).toBe(reference === 'v1' ? reads + 1 : reads);
      count.reset();
    }
    app.clock.advance(HOUR_MS);
    for (const reference of ['v1', digest]) await pull(app, reference);
    expect(count.calls.filter(({ name }) => name === 'records.batch').length).toBe(1);
    await app.close();
  });

  test('when a hundred nodes pull at once is one write on each instance', async () => {
    const { app, count } = await counted();
    const pulls = Array.from({ length: 100 }, () => app.fetch('GET', '/v2/app/manifests/v1'));
    for (const answer of await Promise.all(pulls)) expect(answer.status).toBe(200);
    await app.settle();
    expect(count.calls.length).toBe(101);
    await app.close();
  });
});

test('a pull that could not be noted is noted by the next one', async () => {
  let broken = false;
  const { hook } = mishaps('fails');
  const app = await openTestApp({
    wrap: (stores) =>
      intercept(stores, {
        hook: async (call, run) => await (broken && call.name === 'records.batch' ? hook(call, run) : run()),
      }),
  });
  await pushImage(app, 'app', 'v1');
  broken = true;
  await expect(pull(app, 'v1')).rejects.toThrow('was made to fail');
  broken = false;
  await pull(app, 'v1');
  expect(await lastPull(app, '_tags/v1')).toBe(timeText(app));
  await app.close();
});
