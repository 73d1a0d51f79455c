import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { problemOf } from '../support/answer.ts';
import { HOST, type TestApp, adapters, openTestApp } from '../support/app.ts';
import { INDEX_TYPE, beginUpload, closing, locationOf, putManifest, streamed } from '../support/push.ts';
import { noise } from '../support/sample.ts';

const LIMIT = 10_000;
const MIB = 1024 * 1024;
const UPLOADS = 'https://uploads.example.net';

describe.each(adapters)('a cap on request bodies on %s', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await openTestApp({ adapter, settings: { maxBodyBytes: LIMIT } });
  });
  afterAll(() => app.close());

  test('a body of exactly the cap passes', async () => {
    const bytes = noise(LIMIT);
    const answer = await app.fetch('PUT', closing(await beginUpload(app, 'cap'), digestOf(bytes)), {
      body: bytes,
    });
    expect(answer.status).toBe(201);
  });

  test.each(['PATCH', 'PUT', 'POST'])(
    '%s beyond the cap is 413 in OCI form, announced or chunked',
    async (method) => {
      const bytes = noise(LIMIT + 1);
      for (const body of [bytes, streamed(bytes.subarray(0, 6000), bytes.subarray(6000))]) {
        const opened = method === 'POST' ? '/v2/cap/blobs/uploads/' : await beginUpload(app, 'cap');
        const url =
          method === 'PATCH'
            ? opened
            : `${opened}${opened.includes('?') ? '&' : '?'}digest=${digestOf(bytes)}`;
        expect(await problemOf(await app.fetch(method, url, { body }))).toBe('413 SIZE_INVALID');
      }
      expect((await app.fetch('HEAD', `/v2/cap/blobs/${digestOf(bytes)}`)).status).toBe(404);
    },
  );

  test('an announced body beyond the cap is refused before any byte of it is read', async () => {
    let read = false;
    async function* unread(): AsyncGenerator<Uint8Array> {
      read = true;
      yield noise(1);
    }
    const headers = { 'content-length': '99999999999' };
    const answer = await app.fetch('PATCH', await beginUpload(app, 'cap'), { headers, body: unread() });
    expect(await problemOf(answer)).toBe('413 SIZE_INVALID');
    expect(read).toBe(false);
  });

  test('a layer larger than the cap passes in chunks below it', async () => {
    const bytes = noise(3 * LIMIT);
    let location = await beginUpload(app, 'cap');
    for (let at = 0; at < bytes.length; at += LIMIT) {
      const body = bytes.subarray(at, at + LIMIT);
      location = locationOf(await app.fetch('PATCH', location, { body }));
    }
    expect((await app.fetch('PUT', closing(location, digestOf(bytes)))).status).toBe(201);
  });
});

function indexWith(filler: string): string {
  return JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [], annotations: { filler } });
}

/** An index of this many bytes. */
function sized(size: number): string {
  return indexWith('x'.repeat(size - indexWith('').length));
}

describe('a cap on manifests', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await openTestApp();
  });
  afterAll(() => app.close());

  test('a manifest of 4 MiB passes, one byte more is 413, announced or chunked', async () => {
    expect((await putManifest(app, 'cap', 'fits', sized(4 * MIB), INDEX_TYPE)).status).toBe(201);
    expect(await problemOf(await putManifest(app, 'cap', 'big', sized(4 * MIB + 1), INDEX_TYPE))).toBe(
      '413 SIZE_INVALID',
    );
    const body = streamed(Buffer.from(sized(4 * MIB + 1)));
    const chunked = await app.fetch('PUT', '/v2/cap/manifests/big', {
      body,
      headers: { 'content-type': INDEX_TYPE },
    });
    expect(await problemOf(chunked)).toBe('413 SIZE_INVALID');
    expect((await app.fetch('HEAD', '/v2/cap/manifests/big')).status).toBe(404);
  });
});

describe('an upload host beside the registry', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await openTestApp({ settings: { uploadEndpoint: UPLOADS } });
  });
  afterAll(() => app.close());

  test('POST sends clients there, by an absolute Location', async () => {
    const answer = await app.fetch('POST', '/v2/lane/blobs/uploads/');
    expect(locationOf(answer)).toMatch(
      /^https:\/\/uploads\.example\.net\/v2\/lane\/blobs\/uploads\/[0-9a-f-]{36}\?/,
    );
  });

  test('the Azure SDK for JavaScript, which cannot follow, gets a relative one', async () => {
    const headers = { 'user-agent': 'azsdk-js-container-registry/1.1.2 core-rest-pipeline/1.19 Node/20' };
    expect(locationOf(await app.fetch('POST', '/v2/lane/blobs/uploads/', { headers }))).toMatch(
      /^\/v2\/lane\//,
    );
  });

  test('at the upload host, which runs the same code, all further places are relative', async () => {
    const bytes = noise(5000);
    const opened = locationOf(await app.fetch('POST', '/v2/lane/blobs/uploads/'));
    const patched = locationOf(await app.fetch('PATCH', opened, { body: bytes }));
    expect(patched).toMatch(/^\/v2\/lane\/blobs\/uploads\//);
    expect(locationOf(await app.fetch('GET', `${UPLOADS}${patched}`))).toMatch(/^\/v2\/lane\//);
    const put = await app.fetch('PUT', `${UPLOADS}${closing(patched, digestOf(bytes))}`);
    expect([put.status, locationOf(put)]).toEqual([201, `/v2/lane/blobs/${digestOf(bytes)}`]);
    expect((await app.fetch('HEAD', `${HOST}/v2/lane/blobs/${digestOf(bytes)}`)).status).toBe(200);
  });

  test('a stray token for the registry does no harm at the upload host', async () => {
    const bytes = noise(50);
    const opened = locationOf(await app.fetch('POST', '/v2/lane/blobs/uploads/'));
    const headers = { authorization: 'Bearer of.another.host' };
    const put = await app.fetch('PUT', closing(opened, digestOf(bytes)), { body: bytes, headers });
    expect(put.status).toBe(201);
  });
});
