import { afterEach, expect, test } from 'vitest';
import { type TestApp, openTestApp } from '../support/app.ts';
import { countCalls, intercept } from '../support/intercept.ts';
import { pushBlob } from '../support/push.ts';

const open: TestApp[] = [];
afterEach(async () => {
  for (const app of open.splice(0).toReversed()) await app.close();
});

async function opened(options: Parameters<typeof openTestApp>[0] = {}): Promise<TestApp> {
  const app = await openTestApp(options);
  open.push(app);
  return app;
}

test('a crowd that pulls one blob within seconds costs one read', async () => {
  const count = countCalls();
  const app = await opened({ wrap: (stores) => intercept(stores, { hook: count.hook }) });
  const { digest } = await pushBlob(app, 'crowd', Buffer.from('layer'));
  const before = count.calls.filter(({ name }) => name === 'records.get').length;
  for (let node = 0; node < 20; node++) {
    expect((await app.fetch('GET', `/v2/crowd/blobs/${digest}`)).status).toBe(200);
  }
  const after = count.calls.filter(({ name }) => name === 'records.get').length;
  expect(after - before).toBe(1);
});

test('a deleted blob is gone at once on the instance that deleted it, however often it was pulled before', async () => {
  const app = await opened();
  const { digest } = await pushBlob(app, 'gone', Buffer.from('layer'));
  await app.fetch('GET', `/v2/gone/blobs/${digest}`);
  expect((await app.fetch('DELETE', `/v2/gone/blobs/${digest}`)).status).toBe(202);
  expect((await app.fetch('GET', `/v2/gone/blobs/${digest}`)).status).toBe(404);
  await pushBlob(app, 'gone', Buffer.from('layer'));
  expect((await app.fetch('GET', `/v2/gone/blobs/${digest}`)).status).toBe(200);
});

test('a blob deleted on one instance is gone on another within five seconds', async () => {
  const here = await opened();
  const there = await opened({ stores: here.stores, registry: here.registry, clock: here.clock });
  const { digest } = await pushBlob(here, 'gone', Buffer.from('layer'));
  await there.fetch('GET', `/v2/gone/blobs/${digest}`);
  await here.fetch('DELETE', `/v2/gone/blobs/${digest}`);
  here.clock.advance(5000);
  expect((await there.fetch('GET', `/v2/gone/blobs/${digest}`)).status).toBe(404);
});

test('what a client asks before it skips an upload is never answered from memory', async () => {
  const here = await opened();
  const there = await opened({ stores: here.stores, registry: here.registry, clock: here.clock });
  const { digest } = await pushBlob(here, 'gone', Buffer.from('layer'));
  await there.fetch('GET', `/v2/gone/blobs/${digest}`);
  await here.fetch('DELETE', `/v2/gone/blobs/${digest}`);
  expect((await there.fetch('HEAD', `/v2/gone/blobs/${digest}`)).status).toBe(404);
});
