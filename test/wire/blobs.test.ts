import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { problemOf } from '../support/answer.ts';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import { beginUpload, closing, pullBlob, pushBlob, pushImage } from '../support/push.ts';
import { noise, sameBytes } from '../support/sample.ts';

const MISSING = `sha256:${'0'.repeat(64)}`;

describe.each(adapters)('blobs on %s', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await openTestApp({ adapter });
  });
  afterAll(() => app.close());

  test('a blob comes back byte for byte', async () => {
    const { digest, bytes } = await pushBlob(app, 'blobs/pull', noise(100_000));
    expect(sameBytes(await pullBlob(app, 'blobs/pull', digest), bytes)).toBe(true);
  });

  test('HEAD tells length, digest and type without a body and without a redirect', async () => {
    const { digest } = await pushBlob(app, 'blobs/head', noise(321));
    const answer = await app.fetch('HEAD', `/v2/blobs/head/blobs/${digest}`);
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-length': '321',
      'docker-content-digest': digest,
      'content-type': 'application/octet-stream',
      'accept-ranges': 'bytes',
    });
    expect(answer.body).toBeNull();
  });

  test('GET carries the digest, served or redirected, and never a content encoding', async () => {
    const { digest } = await pushBlob(app, 'blobs/get', noise(50));
    const answer = await app.fetch('GET', `/v2/blobs/get/blobs/${digest}`);
    expect(answer.status).toBe(adapter === 'azure' ? 307 : 200);
    expect(answer.headers.get('docker-content-digest')).toBe(digest);
    expect(answer.headers.get('content-length')).toBe(adapter === 'azure' ? '0' : '50');
    expect(answer.headers.has('content-encoding')).toBe(false);
  });

  test('a redirect leads to the bytes and their exact length, at another host', async () => {
    const { digest } = await pushBlob(app, 'blobs/redirect', noise(777));
    const answer = await app.fetch('GET', `/v2/blobs/redirect/blobs/${digest}`);
    const location = answer.headers.get('location');
    const last = location === null ? answer : await fetch(location);
    expect(last.status).toBe(200);
    expect(last.headers.get('content-length')).toBe('777');
    expect((await last.arrayBuffer()).byteLength).toBe(777);
  });

  test('with downloads by proxy the registry sends the bytes itself', async () => {
    const proxy = await openTestApp({
      stores: app.stores,
      registry: app.registry,
      settings: { downloads: 'proxy' },
    });
    const { digest, bytes } = await pushBlob(app, 'blobs/proxy', noise(300_000));
    const answer = await proxy.fetch('GET', `/v2/blobs/proxy/blobs/${digest}`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-length')).toBe('300000');
    expect(sameBytes(new Uint8Array(await answer.arrayBuffer()), bytes)).toBe(true);
  });

  test('a blob that is not there is BLOB_UNKNOWN, whether or not the repository is', async () => {
    await pushBlob(app, 'blobs/there', noise(10));
    for (const name of ['blobs/there', 'blobs/nowhere']) {
      expect(await problemOf(await app.fetch('GET', `/v2/${name}/blobs/${MISSING}`))).toBe(
        '404 BLOB_UNKNOWN',
      );
      const head = await app.fetch('HEAD', `/v2/${name}/blobs/${MISSING}`);
      expect([head.status, head.body]).toEqual([404, null]);
      expect(await problemOf(await app.fetch('DELETE', `/v2/${name}/blobs/${MISSING}`))).toBe(
        '404 BLOB_UNKNOWN',
      );
    }
  });

  test('a blob of one repository is unknown in another', async () => {
    const { digest } = await pushBlob(app, 'blobs/mine', noise(10));
    const answer = await app.fetch('HEAD', `/v2/blobs/yours/blobs/${digest}`);
    expect(answer.status).toBe(404);
  });

  test.each([
    'sha256:totallywrong',
    'md5:d41d8cd98f00b204e9800998ecf8427e',
    'latest',
    `sha256:${'A'.repeat(64)}`,
  ])('the digest %s is DIGEST_INVALID', async (digest) => {
    expect(await problemOf(await app.fetch('GET', `/v2/blobs/bad/blobs/${digest}`))).toBe(
      '400 DIGEST_INVALID',
    );
  });

  test('a deleted blob is gone at once, also on another instance, and stays in other repositories', async () => {
    const other = await openTestApp({ stores: app.stores, registry: app.registry });
    const { digest, bytes } = await pushBlob(app, 'blobs/delete', noise(64));
    await pushBlob(app, 'blobs/keep', bytes);
    const deleted = await app.fetch('DELETE', `/v2/blobs/delete/blobs/${digest}`);
    expect([deleted.status, deleted.headers.get('content-length')]).toEqual([202, '0']);
    for (const instance of [app, other]) {
      expect((await instance.fetch('HEAD', `/v2/blobs/delete/blobs/${digest}`)).status).toBe(404);
      expect((await instance.fetch('HEAD', `/v2/blobs/keep/blobs/${digest}`)).status).toBe(200);
    }
    expect(sameBytes(await pullBlob(app, 'blobs/keep', digest), bytes)).toBe(true);
    expect(await problemOf(await app.fetch('DELETE', `/v2/blobs/delete/blobs/${digest}`))).toBe(
      '404 BLOB_UNKNOWN',
    );
  });

  test('a deleted blob can be pushed again', async () => {
    const { digest, bytes } = await pushBlob(app, 'blobs/again', noise(64));
    await app.fetch('DELETE', `/v2/blobs/again/blobs/${digest}`);
    await pushBlob(app, 'blobs/again', bytes);
    expect(sameBytes(await pullBlob(app, 'blobs/again', digest), bytes)).toBe(true);
  });

  test('a blob that a manifest uses may be deleted', async () => {
    const { layer, manifest } = await pushImage(app, 'blobs/used', 'v1');
    expect((await app.fetch('DELETE', `/v2/blobs/used/blobs/${layer.digest}`)).status).toBe(202);
    expect((await app.fetch('HEAD', `/v2/blobs/used/manifests/${manifest.digest}`)).status).toBe(200);
  });

  test('the empty JSON object and content without bytes are blobs like others', async () => {
    const known = {
      '{}': 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
      '': 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    };
    for (const [text, digest] of Object.entries(known)) {
      const pushed = await pushBlob(app, 'blobs/well-known', Buffer.from(text));
      expect(pushed.digest).toBe(digest);
      const head = await app.fetch('HEAD', `/v2/blobs/well-known/blobs/${digest}`);
      expect(head.headers.get('content-length')).toBe(String(text.length));
      expect(Buffer.from(await pullBlob(app, 'blobs/well-known', digest)).toString()).toBe(text);
      expect((await app.fetch('DELETE', `/v2/blobs/well-known/blobs/${digest}`)).status).toBe(202);
    }
  });

  test('a blob is kept under the algorithm its pusher chose, and under no other', async () => {
    const bytes = noise(5000);
    const digest = digestOf(bytes, 'sha512');
    const answer = await app.fetch('PUT', closing(await beginUpload(app, 'blobs/long'), digest), {
      body: bytes,
    });
    expect([answer.status, answer.headers.get('docker-content-digest')]).toEqual([201, digest]);
    const head = await app.fetch('HEAD', `/v2/blobs/long/blobs/${digest}`);
    expect(head.headers.get('docker-content-digest')).toBe(digest);
    expect(sameBytes(await pullBlob(app, 'blobs/long', digest), bytes)).toBe(true);
    expect((await app.fetch('HEAD', `/v2/blobs/long/blobs/${digestOf(bytes)}`)).status).toBe(404);
  });

  test('a manifest cannot be read as a blob, nor a blob as a manifest', async () => {
    const { manifest, layer } = await pushImage(app, 'blobs/kinds', 'v1');
    expect((await app.fetch('GET', `/v2/blobs/kinds/blobs/${manifest.digest}`)).status).toBe(404);
    expect((await app.fetch('GET', `/v2/blobs/kinds/manifests/${layer.digest}`)).status).toBe(404);
  });

  test('a client that has the blob is told so', async () => {
    const { digest } = await pushBlob(app, 'blobs/cached', noise(10));
    const headers = { 'if-none-match': `"${digest}"` };
    const answer = await app.fetch('GET', `/v2/blobs/cached/blobs/${digest}`, { headers });
    expect([answer.status, answer.body]).toEqual([304, null]);
    expect(answer.headers.get('docker-content-digest')).toBe(digest);
  });
});
