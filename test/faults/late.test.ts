import { expect, test } from 'vitest';
import { runTimer } from '../../src/app/jobs.ts';
import { digestOf } from '../../src/model/digest.ts';
import { openTestApp } from '../support/app.ts';
import { clientOf, document, publish, stream, upload } from '../support/client.ts';
import { breaches, strayBlobs } from '../support/invariants.ts';
import { beginUpload, closing, pullBlob } from '../support/push.ts';
import { noise } from '../support/sample.ts';
import { descriptor } from '../support/scene.ts';

const SESSION_SECONDS = 3600;
const DAY_MS = 86_400_000;

/** A body whose last byte comes that many seconds after the first. */
function slowly(bytes: Uint8Array, wait: () => void): AsyncIterable<Uint8Array> {
  return (async function* () {
    yield bytes.subarray(0, 1);
    wait();
    yield bytes.subarray(1);
  })();
}

test('an upload may end after its session expired, but not when collection may be at it', async () => {
  for (const [late, status] of [
    [1000, 201],
    [2000, 404],
  ] as const) {
    const app = await openTestApp({ settings: { uploadSeconds: SESSION_SECONDS } });
    const bytes = noise(50);
    const url = closing(await beginUpload(app, 'slow'), digestOf(bytes));
    const body = slowly(bytes, () => app.clock.advance((SESSION_SECONDS + late) * 1000));
    expect((await app.fetch('PUT', url, { body })).status).toBe(status);
    app.clock.advance(DAY_MS);
    await runTimer(app.app, 'sweep');
    expect(await breaches(app.stores, app.registry)).toEqual([]);
    expect(await strayBlobs(app.stores, app.registry)).toEqual([]);
    await app.close();
  }
});

test('collection takes copies that lost to an older one, and never what is in use', async () => {
  const app = await openTestApp({ settings: { downloads: 'proxy' } });
  const send = clientOf(app.app);
  const bytes = [noise(50), noise(60), noise(0)];
  const manifest = document('image', { layers: bytes.map(descriptor) });
  for (const name of ['one', 'two', 'three']) {
    for (const one of bytes)
      expect((await (name === 'two' ? stream : upload)(send, name, one)).status).toBe(201);
    expect((await publish(send, name, 'v1', manifest)).status).toBe(201);
  }
  expect((await strayBlobs(app.stores, app.registry)).length).toBe(4);
  for (let day = 0; day < 10; day++) {
    app.clock.advance(DAY_MS);
    await runTimer(app.app, 'sweep');
    expect(await breaches(app.stores, app.registry)).toEqual([]);
  }
  expect((await app.stores.blobs.list(app.registry, 100)).blobs.length).toBe(3);
  for (const one of bytes) expect(Buffer.compare(await pullBlob(app, 'three', digestOf(one)), one)).toBe(0);
  await app.close();
});
