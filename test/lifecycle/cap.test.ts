import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runTimer } from '../../src/app/jobs.ts';
import { updateRegistry } from '../../src/access/registry.ts';
import { storageLimits } from '../../src/lifecycle/usage/registry.ts';
import { problemOf } from '../support/answer.ts';
import { type TestApp, openTestApp } from '../support/app.ts';
import { countCalls, intercept } from '../support/intercept.ts';
import { beginUpload, closing, descriptorOf, pushBlob, pushImage, putManifest } from '../support/push.ts';
import { noise } from '../support/sample.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const CAP = 10_000;
const REFUSED = '405 REGISTRY_DISALLOWED_OPERATION';

let app: TestApp;
beforeEach(async () => {
  app = await openTestApp({ settings: { storageCapBytes: CAP } });
});
afterEach(() => app.close());

/** Another instance over the same storage. */
async function openOther(): Promise<TestApp> {
  const { stores, registry, clock } = app;
  return await openTestApp({ stores, registry, clock, seed: 2, settings: { storageCapBytes: CAP } });
}

async function refusal(method: string, path: string, body?: Uint8Array, one = app): Promise<string> {
  const answer = await one.fetch(method, path, body ? { body } : {});
  expect(await answer.clone().text()).toContain('the storage of this registry is used up');
  return await problemOf(answer);
}

describe('a registry whose storage is used up', () => {
  test('refuses uploads, mounts and manifests, and says why', async () => {
    const { manifest, layer } = await pushImage(app, 'app', 'v1');
    const under = await beginUpload(app, 'app');
    const bytes = noise(100);
    await pushBlob(app, 'app', noise(CAP));
    const { digest } = descriptorOf(bytes);
    expect(await refusal('POST', '/v2/app/blobs/uploads/')).toBe(REFUSED);
    expect(await refusal('POST', `/v2/app/blobs/uploads/?digest=${digest}`, bytes)).toBe(REFUSED);
    const mount = `/v2/other/blobs/uploads/?mount=${layer.digest}&from=app`;
    expect(await refusal('POST', mount)).toBe(REFUSED);
    expect(await refusal('PATCH', under, bytes)).toBe(REFUSED);
    expect(await refusal('PUT', closing(under, digest), bytes)).toBe(REFUSED);
    expect(await problemOf(await putManifest(app, 'app', 'v2', manifest.bytes))).toBe(REFUSED);
  });

  test('goes on answering pulls, lists and deletes', async () => {
    const { manifest, layer } = await pushImage(app, 'app', 'v1');
    await pushBlob(app, 'app', noise(CAP));
    for (const path of ['/v2/app/manifests/v1', '/v2/app/tags/list', `/v2/app/blobs/${layer.digest}`])
      expect([200, 307]).toContain((await app.fetch('GET', path)).status);
    expect((await app.fetch('DELETE', `/v2/app/manifests/${manifest.digest}`)).status).toBe(202);
    expect((await app.fetch('DELETE', `/v2/app/blobs/${layer.digest}`)).status).toBe(202);
  });

  test('is so on every instance within a minute', async () => {
    const other = await openOther();
    await pushImage(other, 'app', 'v1');
    await other.settle();
    await pushBlob(app, 'app', noise(CAP));
    await app.settle();
    app.clock.advance(MINUTE_MS);
    // The question is answered by what is known; it has the rest read, for the next.
    await pushBlob(other, 'app', noise(1));
    await other.settle();
    expect(await refusal('POST', '/v2/app/blobs/uploads/', undefined, other)).toBe(REFUSED);
  });

  test('takes pushes again within a minute when a collection has freed bytes', async () => {
    await pushImage(app, 'app', 'v1');
    const { digest } = await pushBlob(app, 'app', noise(CAP));
    await app.settle();
    expect(await refusal('POST', '/v2/app/blobs/uploads/')).toBe(REFUSED);
    expect((await app.fetch('DELETE', `/v2/app/blobs/${digest}`)).status).toBe(202);
    app.clock.advance(2 * DAY_MS);
    await runTimer(app.app, 'sweep');
    // What is known is a minute old; the rest is read for the next.
    expect(await refusal('POST', '/v2/app/blobs/uploads/')).toBe(REFUSED);
    await app.settle();
    await pushImage(app, 'app', 'v2', 'another');
  });
});

test.each([
  ['Basic', 40],
  ['Standard', 40],
  ['Premium', 100],
] as const)('a registry of the tier %s can hold %d TiB', async (sku, tib) => {
  const plain = await openTestApp();
  const { context } = plain.app;
  expect(storageLimits(context, sku).cap).toBe(tib * 1024 ** 4);
  await updateRegistry(context, plain.registry, (document) => ({ ...document, sku }));
  const policy = async () => (await plain.app.policy(plain.registry)).full;
  expect(await policy()).toBe(false);
  context.grew(plain.registry, tib * 1024 ** 4);
  expect(await policy()).toBe(true);
  await plain.close();
});

test('knowing whether there is room costs pulls nothing, and pushes one read a minute', async () => {
  const count = countCalls();
  const counted = await openTestApp({ wrap: (stores) => intercept(stores, count) });
  const reads = () => count.calls.filter(({ name }) => name === 'records.range').length;
  await pushImage(counted, 'app', 'v1');
  // The growth of the push reads, too: the first time here is not looked at.
  await counted.settle();
  count.reset();
  counted.clock.advance(MINUTE_MS);
  for (let i = 0; i < 10; i++) await counted.fetch('GET', '/v2/app/manifests/v1');
  await counted.settle();
  expect(reads()).toBe(0);
  for (let i = 0; i < 10; i++) await beginUpload(counted, 'app');
  expect(reads()).toBe(0);
  await counted.settle();
  expect(reads()).toBe(1);
  await counted.close();
});
