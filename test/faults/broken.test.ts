import { describe, expect, onTestFinished, test } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { listen } from '../../src/local/server.ts';
import { Unavailable } from '../../src/store/records.ts';
import { openTestApp } from '../support/app.ts';
import { begin, clientOf, document, end, patch, publish, upload } from '../support/client.ts';
import { intercept } from '../support/intercept.ts';
import { noise } from '../support/sample.ts';

type Stream = (source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

const NAME = 'team/app';
const SIZE = 600_000;
/** A client that waits for bytes which never come must not wait long in a test. */
const PATIENCE_MS = 10_000;

async function* breaksOff(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    yield piece;
    throw new Unavailable('the stream was made to break');
  }
}

async function* endsEarly(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    yield piece;
    return;
  }
}

/** A registry behind a socket whose reads go through `stream` once `broken` is set. */
async function serve(stream: Stream) {
  const state = { broken: false };
  const app = await openTestApp({
    settings: { downloads: 'proxy' },
    wrap: (stores) =>
      intercept(stores, {
        hook: (_, run) => run(),
        stream: (source) => (state.broken ? stream(source) : source),
      }),
  });
  const server = await listen(app.app, '127.0.0.1', 0);
  onTestFinished(async () => {
    await server.stop();
    await app.close();
  });
  return { state, send: clientOf(app.app), url: server.url };
}

describe('a download whose source fails midway', () => {
  test.each([
    ['breaks off', breaksOff],
    ['ends early', endsEarly],
  ] as const)('is cut when storage %s, not ended as if complete', async (_, stream) => {
    const { state, send, url } = await serve(stream);
    const bytes = noise(SIZE);
    expect((await upload(send, NAME, bytes)).status).toBe(201);
    state.broken = true;
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const answer = await fetch(`${url}/v2/${NAME}/blobs/${digestOf(bytes)}`, { signal });
    expect(answer.status).toBe(200);
    await expect(answer.arrayBuffer()).rejects.toThrow(/terminated|closed|aborted/);
    expect(signal.aborted).toBe(false);

    state.broken = false;
    const again = await fetch(`${url}/v2/${NAME}/blobs/${digestOf(bytes)}`);
    expect(Buffer.compare(Buffer.from(await again.arrayBuffer()), bytes)).toBe(0);
  });

  test('is an error with Retry-After when it is a manifest, which is read before it is answered', async () => {
    const { state, send, url } = await serve(breaksOff);
    const manifest = document('x'.repeat(70_000));
    expect((await publish(send, NAME, 'large', manifest)).status).toBe(201);
    state.broken = true;
    const answer = await fetch(`${url}/v2/${NAME}/manifests/large`);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
  });
});

test('an upload whose bytes cannot be read back is not accepted, and succeeds from the start again', async () => {
  const { state, send } = await serve(breaksOff);
  const parts = [noise(100), noise(100)];
  const digest = digestOf(Buffer.concat(parts));
  const attempt = async () => {
    let location = await begin(send, NAME);
    for (const part of parts) location = await patch(send, location, part);
    return await end(send, location, digest);
  };
  state.broken = true;
  expect((await attempt()).status).toBe(503);
  expect((await send('HEAD', `/v2/${NAME}/blobs/${digest}`)).status).toBe(404);
  state.broken = false;
  expect((await attempt()).status).toBe(201);
  expect(Buffer.compare((await send('GET', `/v2/${NAME}/blobs/${digest}`)).bytes, Buffer.concat(parts))).toBe(
    0,
  );
});
