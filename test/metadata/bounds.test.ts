import { expect, test } from 'vitest';
import { jsonOf } from '../support/answer.ts';
import { openTestApp } from '../support/app.ts';
import { countCalls, intercept } from '../support/intercept.ts';
import {
  CONFIG_TYPE,
  type Pushed,
  imageManifest,
  indexManifest,
  pushBlob,
  pushManifest,
} from '../support/push.ts';
import { noise } from '../support/sample.ts';

test('an index of many children is read in bounded steps, each further than the one before', async () => {
  const count = countCalls();
  const app = await openTestApp({ wrap: (stores) => intercept(stores, count) });
  const config = await pushBlob(app, 'big', Buffer.from('{"os":"linux"}'), CONFIG_TYPE);
  const layer = await pushBlob(app, 'big', noise(10));
  const children: Pushed[] = [];
  for (let i = 0; i < 400; i++) {
    const manifest = imageManifest(config, [layer], { annotations: { i: String(i) } });
    children.push(await pushManifest(app, 'big', manifest));
  }
  const { digest } = await pushManifest(
    app,
    'big',
    indexManifest(
      children.map((child) => ({ mediaType: child.mediaType, digest: child.digest, size: child.size })),
    ),
  );
  const ask = async () => await jsonOf(await app.fetch('GET', `/acr/v1/big/_manifests/${digest}`));

  count.reset();
  const first = await ask();
  expect(count.calls.length).toBeLessThanOrEqual(1002);
  expect(first).not.toMatchObject({ manifest: { imageSize: 4000 } });
  count.reset();
  expect(await ask()).toMatchObject({ manifest: { imageSize: 4000 } });
  expect(count.calls.length).toBeLessThan(600);
  count.reset();
  await ask();
  expect(count.calls.length).toBe(2);
  await app.close();
});

test('what an instance remembers of manifests has a limit', async () => {
  const app = await openTestApp();
  for (let i = 0; i < 10_000; i++) app.app.context.factsCache.set(String(i), { imageSize: i });
  const config = await pushBlob(app, 'full', Buffer.from('{}'), CONFIG_TYPE);
  const { digest } = await pushManifest(app, 'full', imageManifest(config, []));
  await app.fetch('GET', `/acr/v1/full/_manifests/${digest}`);
  const { factsCache } = app.app.context;
  expect([factsCache.size, factsCache.has('0'), factsCache.has(digest)]).toEqual([10_000, false, true]);
  await app.close();
});

test('a config larger than any image has is not read', async () => {
  const app = await openTestApp();
  const text = JSON.stringify({ os: 'linux', architecture: 'amd64', history: 'x'.repeat(1024 * 1024) });
  const config = await pushBlob(app, 'wide', Buffer.from(text), CONFIG_TYPE);
  const { digest } = await pushManifest(app, 'wide', imageManifest(config, []));
  const told = await jsonOf(await app.fetch('GET', `/acr/v1/wide/_manifests/${digest}`));
  expect(told).toMatchObject({ manifest: { configMediaType: CONFIG_TYPE } });
  expect(told).not.toHaveProperty('manifest.architecture');
  await app.close();
});
