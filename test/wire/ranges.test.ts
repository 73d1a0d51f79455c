import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import { type Pushed, pushBlob } from '../support/push.ts';
import { problemOf } from '../support/answer.ts';
import { noise, sameBytes } from '../support/sample.ts';

const SIZE = 2048;

describe.each(adapters)('ranges of a blob on %s', (adapter) => {
  let app: TestApp;
  let blob: Pushed;
  let empty: Pushed;

  beforeAll(async () => {
    app = await openTestApp({ adapter });
    blob = await pushBlob(app, 'ranges', noise(SIZE));
    empty = await pushBlob(app, 'ranges', new Uint8Array(0));
  });
  afterAll(() => app.close());

  /** What a client gets that asks with `Range` and follows the redirect with the same header, as all do. */
  async function ask(range: string, digest = blob.digest): Promise<Response> {
    const headers = { range };
    const answer = await app.fetch('GET', `/v2/ranges/blobs/${digest}`, { headers });
    const location = answer.headers.get('location');
    return location === null ? answer : await fetch(location, { headers });
  }

  test.each([
    ['bytes=500-1499', 500, 1499],
    ['bytes=500-', 500, 2047],
    ['bytes=-500', 1548, 2047],
    ['bytes=2000-5000', 2000, 2047],
    ['bytes=0-0', 0, 0],
    ['bytes=2047-2047', 2047, 2047],
    ['bytes=0-', 0, 2047],
    ['bytes=-1', 2047, 2047],
    ['bytes=-5000', 0, 2047],
  ])('%s is answered with exactly these bytes', async (range, first, last) => {
    const answer = await ask(range);
    expect(answer.status).toBe(206);
    expect(answer.headers.get('content-range')).toBe(`bytes ${first}-${last}/${SIZE}`);
    expect(answer.headers.get('content-length')).toBe(String(last - first + 1));
    const bytes = new Uint8Array(await answer.arrayBuffer());
    expect(sameBytes(bytes, blob.bytes.subarray(first, last + 1))).toBe(true);
  });

  test.each(['bytes=500-0', 'bytes=5000-10000', 'bytes=2048-', 'bytes=-0'])(
    '%s cannot be satisfied, and the size is told',
    async (range) => {
      const answer = await ask(range);
      expect(answer.headers.get('content-range')).toBe(`bytes */${SIZE}`);
      expect(await problemOf(answer)).toBe('416 RANGE_INVALID');
    },
  );

  test.each(['lines=1-2', 'bytes=1-2,4-5', 'bytes=', 'bytes=-', 'bytes=a-b', 'nonsense'])(
    '%s is answered with the whole blob by the registry, or left to storage to judge',
    async (range) => {
      const answer = await app.fetch('GET', `/v2/ranges/blobs/${blob.digest}`, { headers: { range } });
      expect(answer.status).toBe(adapter === 'azure' ? 307 : 200);
    },
  );

  test('a suffix is served by the registry itself, since storage cannot', async () => {
    const answer = await app.fetch('GET', `/v2/ranges/blobs/${blob.digest}`, {
      headers: { range: 'bytes=-7' },
    });
    expect(answer.status).toBe(206);
    expect(answer.headers.get('docker-content-digest')).toBe(blob.digest);
  });

  test('a blob without bytes has no range that could be satisfied', async () => {
    for (const range of ['bytes=0-0', 'bytes=0-', 'bytes=-1']) {
      const answer = await ask(range, empty.digest);
      expect(answer.headers.get('content-range')).toBe('bytes */0');
      expect(await problemOf(answer)).toBe('416 RANGE_INVALID');
    }
  });

  test('a HEAD is about the whole blob, whatever range it names', async () => {
    const answer = await app.fetch('HEAD', `/v2/ranges/blobs/${blob.digest}`, {
      headers: { range: 'bytes=1-2' },
    });
    expect([answer.status, answer.headers.get('content-length')]).toEqual([200, String(SIZE)]);
  });
});
