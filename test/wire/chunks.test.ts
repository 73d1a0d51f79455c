import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { SEGMENT_LIMIT } from '../../src/uploads/session.ts';
import { problemOf } from '../support/answer.ts';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import { beginUpload, closing, locationOf, pullBlob } from '../support/push.ts';
import { noise, sameBytes } from '../support/sample.ts';

const BLOCK = 1000;

describe.each(adapters)('uploads in chunks on %s', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await openTestApp({ adapter, blockSize: BLOCK });
  });
  afterAll(() => app.close());

  /** Sends the bytes from `first` up to and with `last` of a blob. */
  async function send(
    location: string,
    bytes: Uint8Array,
    [first, last]: readonly [number, number],
    { method = 'PATCH', range = `${first}-${last}` } = {},
  ): Promise<Response> {
    const body = bytes.subarray(first, last + 1);
    return await app.fetch(method, location, { body, headers: { 'content-range': range } });
  }

  async function expectPulled(repository: string, bytes: Uint8Array): Promise<void> {
    if (!sameBytes(await pullBlob(app, repository, digestOf(bytes)), bytes))
      throw new Error('other bytes came back');
  }

  test('chunks in order, the last by PATCH or in the PUT', async () => {
    const bytes = noise(3067);
    for (const closingChunk of [false, true]) {
      let location = await beginUpload(app, 'ch/order');
      for (const range of [
        [0, 1023],
        [1024, 2047],
      ] as const) {
        const answer = await send(location, bytes, range);
        expect([answer.status, answer.headers.get('range')]).toEqual([202, `0-${range[1]}`]);
        location = locationOf(answer);
      }
      if (!closingChunk) location = locationOf(await send(location, bytes, [2048, 3066]));
      const url = closing(location, digestOf(bytes));
      const answer = closingChunk
        ? await send(url, bytes, [2048, 3066], { method: 'PUT' })
        : await app.fetch('PUT', url);
      expect([answer.status, locationOf(answer)]).toEqual([201, `/v2/ch/order/blobs/${digestOf(bytes)}`]);
      await expectPulled('ch/order', bytes);
    }
  });

  test('the forms of Content-Range that clients send are understood', async () => {
    const bytes = noise(30);
    for (const range of ['0-29', 'bytes 0-29/*', 'bytes=0-29', 'bytes 0-29/30']) {
      const answer = await send(await beginUpload(app, 'ch/forms'), bytes, [0, 29], { range });
      expect([range, answer.status]).toEqual([range, 202]);
    }
  });

  test('a chunk out of order is 416 with where to go on, and going on there ends well', async () => {
    const bytes = noise(3067);
    let location = await beginUpload(app, 'ch/disorder');
    for (const [wrong, right] of [
      [
        [1024, 2047],
        [0, 1023],
      ],
      [
        [2048, 3066],
        [1024, 2047],
      ],
      [
        [0, 1023],
        [2048, 3066],
      ],
    ] as const) {
      const refused = await send(location, bytes, wrong);
      const told = [refused.headers.get('range'), locationOf(refused)];
      expect(await problemOf(refused)).toBe('416 BLOB_UPLOAD_INVALID');
      const status = await app.fetch('GET', location);
      expect([status.status, status.headers.get('range')]).toEqual([204, `0-${Math.max(0, right[0] - 1)}`]);
      expect(told[0]).toBe(status.headers.get('range'));
      location = locationOf(await send(locationOf(status), bytes, right));
    }
    expect((await app.fetch('PUT', closing(location, digestOf(bytes)))).status).toBe(201);
    await expectPulled('ch/disorder', bytes);
  });

  test('a last chunk out of order in the PUT is 416, and the right one then ends the session', async () => {
    const bytes = noise(300);
    const location = locationOf(await send(await beginUpload(app, 'ch/last'), bytes, [0, 99]));
    const url = closing(location, digestOf(bytes));
    expect(await problemOf(await send(url, bytes, [200, 299], { method: 'PUT' }))).toBe(
      '416 BLOB_UPLOAD_INVALID',
    );
    expect(await problemOf(await send(url, bytes, [0, 99], { method: 'PUT' }))).toBe(
      '416 BLOB_UPLOAD_INVALID',
    );
    expect((await send(url, bytes, [100, 299], { method: 'PUT' })).status).toBe(201);
    await expectPulled('ch/last', bytes);
  });

  test('the Location before a chunk is stale: the chunk again is 416, the status tells the newest', async () => {
    const bytes = noise(42);
    const stale = await beginUpload(app, 'ch/stale');
    await send(stale, bytes, [0, 20]);
    expect(await problemOf(await send(stale, bytes, [0, 20]))).toBe('416 BLOB_UPLOAD_INVALID');
    const status = await app.fetch('GET', stale);
    expect([status.status, status.headers.get('range')]).toEqual([204, '0-20']);
    const location = locationOf(await send(locationOf(status), bytes, [21, 41]));
    expect((await app.fetch('PUT', closing(location, digestOf(bytes)))).status).toBe(201);
    await expectPulled('ch/stale', bytes);
  });

  test('a chunk whose length is not that of its range is 416 with where to go on', async () => {
    const answer = await send(await beginUpload(app, 'ch/length'), noise(50), [0, 49], { range: '0-99' });
    expect([answer.headers.get('range'), answer.headers.has('location')]).toEqual(['0-0', true]);
    expect(await problemOf(answer)).toBe('416 BLOB_UPLOAD_INVALID');
  });

  test.each(['9-0', 'a-b', '-5', '5-', 'bytes', '0-9, 10-19', '99999999999999999999-99999999999999999999'])(
    'the Content-Range %j cannot be satisfied',
    async (range) => {
      const answer = await send(await beginUpload(app, 'ch/bad'), noise(10), [0, 9], { range });
      expect(await problemOf(answer)).toBe('416 BLOB_UPLOAD_INVALID');
    },
  );

  test('a closing chunk sent again after a lost answer is answered as before', async () => {
    const bytes = noise(200);
    const location = locationOf(await send(await beginUpload(app, 'ch/again'), bytes, [0, 99]));
    const url = closing(location, digestOf(bytes));
    for (let i = 0; i < 2; i++) {
      const answer = await send(url, bytes, [100, 199], { method: 'PUT' });
      expect([answer.status, answer.headers.get('docker-content-digest')]).toEqual([201, digestOf(bytes)]);
    }
  });

  test('wrong bytes in chunks are DIGEST_INVALID at the end', async () => {
    const bytes = noise(2000);
    for (const method of ['PATCH', 'PUT']) {
      const location = locationOf(await send(await beginUpload(app, 'ch/wrong'), bytes, [0, 999]));
      const wrong = digestOf(noise(4));
      const answer =
        method === 'PUT'
          ? await send(closing(location, wrong), bytes, [1000, 1999], { method })
          : await app.fetch('PUT', closing(locationOf(await send(location, bytes, [1000, 1999])), wrong));
      expect(await problemOf(answer)).toBe('400 DIGEST_INVALID');
    }
  });

  test('a hundred chunks make a blob, though Location names only the newest, and stays short', async () => {
    const chunks = 100;
    expect(chunks).toBeGreaterThan(2 * SEGMENT_LIMIT);
    const bytes = noise(chunks * 1500);
    let location = await beginUpload(app, 'ch/many');
    for (let i = 0; i < chunks; i++) {
      location = locationOf(await send(location, bytes, [i * 1500, i * 1500 + 1499]));
      expect(location.length).toBeLessThan(2000);
    }
    const url = closing(location, digestOf(bytes));
    for (let i = 0; i < 2; i++) expect((await app.fetch('PUT', url)).status).toBe(201);
    await expectPulled('ch/many', bytes);
  });

  test('a hundred chunks by two clients in turn at one session do not mix', async () => {
    const chunks = 50;
    const mine = noise(chunks * 100);
    const theirs = noise(chunks * 100);
    const start = await beginUpload(app, 'ch/mixed');
    const places = [start, start];
    for (let i = 0; i < chunks; i++) {
      for (const [who, bytes] of [mine, theirs].entries()) {
        const body = bytes.subarray(i * 100, i * 100 + 100);
        places[who] = locationOf(await app.fetch('PATCH', places[who] ?? '', { body }));
      }
    }
    expect((await app.fetch('PUT', closing(places[1] ?? '', digestOf(theirs)))).status).toBe(201);
    expect(await problemOf(await app.fetch('PUT', closing(places[0] ?? '', digestOf(mine))))).toBe(
      '404 BLOB_UPLOAD_UNKNOWN',
    );
    await expectPulled('ch/mixed', theirs);
  });
});
