import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { problemOf } from '../support/answer.ts';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import { beginUpload, closing, locationOf, pullBlob, streamed } from '../support/push.ts';
import { noise, sameBytes } from '../support/sample.ts';

const EMPTY = `sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855`;

describe.each(adapters)('uploads on %s', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await openTestApp({ adapter });
  });
  afterAll(() => app.close());

  /** 'stored' when the answer says so and the blob comes back; throws with what was wrong else. */
  async function outcome(
    repository: string,
    answer: Response,
    bytes: Uint8Array,
    digest = digestOf(bytes),
  ): Promise<'stored'> {
    const { status, headers } = answer;
    const told = {
      status,
      location: headers.get('location'),
      digest: headers.get('docker-content-digest'),
      length: headers.get('content-length'),
    };
    const wanted = { status: 201, location: `/v2/${repository}/blobs/${digest}`, digest, length: '0' };
    expect(told).toEqual(wanted);
    if (!sameBytes(await pullBlob(app, repository, digest), bytes)) throw new Error('other bytes came back');
    return 'stored';
  }

  test('POST opens a session with a relative Location that survives decoding and reordering', async () => {
    const answer = await app.fetch('POST', '/v2/up/open/blobs/uploads/');
    expect(answer.status).toBe(202);
    const location = locationOf(answer);
    expect(location).toMatch(/^\/v2\/up\/open\/blobs\/uploads\/[0-9a-f-]{36}\?_state=[A-Za-z0-9_.-]+$/);
    expect(answer.headers.get('range')).toBe('0-0');
    expect(answer.headers.get('docker-upload-uuid')).toMatch(/^[0-9a-f-]{36}$/);
    expect(answer.headers.get('content-length')).toBe('0');
    const url = new URL(location, 'http://h');
    const bytes = noise(10);
    const query = new URLSearchParams([['digest', digestOf(bytes)], ...url.searchParams]);
    expect(
      await outcome(
        'up/open',
        await app.fetch('PUT', `${url.pathname}?${query.toString()}`, { body: bytes }),
        bytes,
      ),
    ).toBe('stored');
  });

  test('POST works with and without the slash at the end', async () => {
    expect((await app.fetch('POST', '/v2/up/slash/blobs/uploads')).status).toBe(202);
    expect((await app.fetch('POST', '/v2/up/slash/blobs/uploads/', { body: '' })).status).toBe(202);
  });

  test('one PUT with the whole blob, announced or chunked', async () => {
    const pieces = [noise(30_000), noise(1), noise(70_000)];
    const bytes = new Uint8Array(Buffer.concat(pieces));
    for (const body of [bytes, streamed(...pieces)]) {
      const url = closing(await beginUpload(app, 'up/put'), digestOf(bytes));
      expect(await outcome('up/put', await app.fetch('PUT', url, { body }), bytes)).toBe('stored');
    }
  });

  test('one PATCH with the whole layer, then PUT without a body, as dockerd does', async () => {
    const bytes = noise(100_000);
    const patched = await app.fetch('PATCH', await beginUpload(app, 'up/docker'), { body: streamed(bytes) });
    expect([patched.status, patched.headers.get('range')]).toEqual([202, '0-99999']);
    expect(patched.headers.get('content-length')).toBe('0');
    expect(
      await outcome(
        'up/docker',
        await app.fetch('PUT', closing(locationOf(patched), digestOf(bytes))),
        bytes,
      ),
    ).toBe('stored');
  });

  test('PATCHes of announced length without Content-Range, as the Azure SDK does', async () => {
    const pieces = [noise(5000), noise(5000), noise(123)];
    let location = await beginUpload(app, 'up/sdk');
    for (const body of pieces) location = locationOf(await app.fetch('PATCH', location, { body }));
    const bytes = new Uint8Array(Buffer.concat(pieces));
    expect(await outcome('up/sdk', await app.fetch('PUT', closing(location, digestOf(bytes))), bytes)).toBe(
      'stored',
    );
  });

  test('POST with digest and body stores the blob in one request', async () => {
    const bytes = noise(600);
    const url = `/v2/up/single/blobs/uploads/?digest=${digestOf(bytes)}`;
    expect(await outcome('up/single', await app.fetch('POST', url, { body: bytes }), bytes)).toBe('stored');
  });

  test('POST with digest and no body opens a session, unless the content has no bytes', async () => {
    const bytes = noise(600);
    const opened = await app.fetch('POST', `/v2/up/late/blobs/uploads/?digest=${digestOf(bytes)}`);
    expect(opened.status).toBe(202);
    expect((await app.fetch('HEAD', `/v2/up/late/blobs/${digestOf(bytes)}`)).status).toBe(404);
    const closed = await app.fetch('PUT', closing(locationOf(opened), digestOf(bytes)), { body: bytes });
    expect(await outcome('up/late', closed, bytes)).toBe('stored');
    const nothing = await app.fetch('POST', `/v2/up/late/blobs/uploads/?digest=${EMPTY}`);
    expect(await outcome('up/late', nothing, new Uint8Array(0))).toBe('stored');
  });

  test('a POST with a wrong or malformed digest is DIGEST_INVALID', async () => {
    const wrong = `/v2/up/single/blobs/uploads/?digest=${digestOf(noise(9))}`;
    expect(await problemOf(await app.fetch('POST', wrong, { body: noise(9) }))).toBe('400 DIGEST_INVALID');
    const bad = '/v2/up/single/blobs/uploads/?digest=sha256:bad';
    expect(await problemOf(await app.fetch('POST', bad, { body: noise(9) }))).toBe('400 DIGEST_INVALID');
  });

  test('content without bytes arrives by PUT without a body, with an empty one, and with an empty chunked one', async () => {
    for (const request of [{}, { body: '' }, { body: streamed() }]) {
      const url = closing(await beginUpload(app, 'up/empty'), EMPTY);
      expect(await outcome('up/empty', await app.fetch('PUT', url, request), new Uint8Array(0))).toBe(
        'stored',
      );
    }
  });

  test('an empty PATCH changes nothing', async () => {
    const patched = await app.fetch('PATCH', await beginUpload(app, 'up/empty'), { body: streamed() });
    expect([patched.status, patched.headers.get('range')]).toEqual([202, '0-0']);
    const url = closing(locationOf(patched), EMPTY);
    expect(await outcome('up/empty', await app.fetch('PUT', url), new Uint8Array(0))).toBe('stored');
  });

  test('a wrong digest at PUT is refused, and the session still takes the right one', async () => {
    for (const size of [500, 30_000]) {
      const bytes = noise(size);
      const location = locationOf(
        await app.fetch('PATCH', await beginUpload(app, 'up/wrong'), { body: bytes }),
      );
      expect(await problemOf(await app.fetch('PUT', closing(location, EMPTY)))).toBe('400 DIGEST_INVALID');
      expect((await app.fetch('HEAD', `/v2/up/wrong/blobs/${EMPTY}`)).status).toBe(404);
      expect(
        await outcome('up/wrong', await app.fetch('PUT', closing(location, digestOf(bytes))), bytes),
      ).toBe('stored');
    }
  });

  test('a digest that is missing, malformed or of another algorithm keeps the session', async () => {
    const bytes = noise(100);
    const location = await beginUpload(app, 'up/missing');
    for (const url of [
      location,
      closing(location, ''),
      closing(location, 'sha256:x'),
      closing(location, 'md5:ab'),
    ])
      expect(await problemOf(await app.fetch('PUT', url, { body: bytes }))).toBe('400 DIGEST_INVALID');
    expect(
      await outcome(
        'up/missing',
        await app.fetch('PUT', closing(location, digestOf(bytes)), { body: bytes }),
        bytes,
      ),
    ).toBe('stored');
  });

  test('PUT is answered the same again for a committed session and digest, also by another instance', async () => {
    const other = await openTestApp({ stores: app.stores, registry: app.registry });
    const bytes = noise(9000);
    const first = closing(await beginUpload(app, 'up/twice'), digestOf(bytes));
    const patched = locationOf(await app.fetch('PATCH', await beginUpload(app, 'up/twice'), { body: bytes }));
    const second = closing(patched, digestOf(bytes));
    for (const instance of [app, app, other]) {
      expect(await outcome('up/twice', await instance.fetch('PUT', first, { body: bytes }), bytes)).toBe(
        'stored',
      );
      expect(await outcome('up/twice', await instance.fetch('PUT', second), bytes)).toBe('stored');
    }
  });

  test('sha512 is taken whether it was announced or appears at the end', async () => {
    const bytes = noise(4000);
    const digest = digestOf(bytes, 'sha512');
    const begin = async () =>
      locationOf(await app.fetch('POST', '/v2/up/sha512/blobs/uploads/?digest-algorithm=sha512'));
    for (const start of [await begin(), await beginUpload(app, 'up/sha512')]) {
      const location = locationOf(await app.fetch('PATCH', start, { body: streamed(bytes) }));
      expect(
        await outcome('up/sha512', await app.fetch('PUT', closing(location, digest)), bytes, digest),
      ).toBe('stored');
    }
    const location = locationOf(await app.fetch('PATCH', await begin(), { body: streamed(bytes) }));
    expect(await problemOf(await app.fetch('PUT', closing(location, digestOf(noise(3), 'sha512'))))).toBe(
      '400 DIGEST_INVALID',
    );
    expect(await outcome('up/sha512', await app.fetch('PUT', closing(location, digest)), bytes, digest)).toBe(
      'stored',
    );
    const single = `/v2/up/sha512/blobs/uploads/?digest=${digest}`;
    expect(await outcome('up/sha512', await app.fetch('POST', single, { body: bytes }), bytes, digest)).toBe(
      'stored',
    );
  });

  test('an algorithm that is not supported is refused before any byte', async () => {
    const answer = await app.fetch('POST', '/v2/up/md5/blobs/uploads/?digest-algorithm=md5');
    expect(await problemOf(answer)).toBe('400 DIGEST_INVALID');
  });

  test('the same blob pushed twice at once ends well for both', async () => {
    const bytes = noise(20_000);
    const urls = await Promise.all(
      Array.from({ length: 4 }, async () => closing(await beginUpload(app, 'up/race'), digestOf(bytes))),
    );
    const answers = await Promise.all(urls.map((url) => app.fetch('PUT', url, { body: bytes })));
    for (const answer of answers) expect(await outcome('up/race', answer, bytes)).toBe('stored');
  });

  test('a body that is longer or shorter than announced is SIZE_INVALID', async () => {
    for (const length of ['5', '500']) {
      const url = closing(await beginUpload(app, 'up/length'), digestOf(noise(50)));
      const headers = { 'content-length': length };
      const answer = await app.fetch('PUT', url, { headers, body: streamed(noise(50)) });
      expect(await problemOf(answer)).toBe('400 SIZE_INVALID');
    }
  });

  test('the session is the place of the bytes alone: the upload URL cannot be read as a blob', async () => {
    const location = await beginUpload(app, 'up/place');
    const id = location.slice(location.lastIndexOf('/') + 1, location.indexOf('?'));
    expect(await problemOf(await app.fetch('GET', `/v2/up/place/blobs/${id}`))).toBe('400 DIGEST_INVALID');
  });
});
