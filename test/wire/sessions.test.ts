import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { problemOf } from '../support/answer.ts';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import { beginUpload, closing, locationOf, pullBlob } from '../support/push.ts';
import { noise, sameBytes } from '../support/sample.ts';

const UNKNOWN = Array.from({ length: 4 }, () => '404 BLOB_UPLOAD_UNKNOWN');
const LIFE_MS = 3600 * 1000;

describe.each(adapters)('upload sessions on %s', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await openTestApp({ adapter });
  });
  afterAll(() => app.close());

  /** Another instance of the same deployment: same storage and secrets, nothing remembered. */
  async function anotherInstance(): Promise<TestApp> {
    return await openTestApp({ stores: app.stores, registry: app.registry, clock: app.clock });
  }

  /** What each way to use a session answers; `staged` is what the session took before. */
  async function useSession(
    location: string,
    instance = app,
    staged: Uint8Array = new Uint8Array(0),
  ): Promise<string[]> {
    const body = noise(5);
    const digest = digestOf(Buffer.concat([staged, body]));
    const answers = [
      await instance.fetch('PATCH', location, { body }),
      await instance.fetch('GET', location),
      await instance.fetch('DELETE', location),
      await instance.fetch('PUT', closing(location, digest), { body }),
    ];
    return await Promise.all(answers.map(problemOf));
  }

  test('a session that was never opened is BLOB_UPLOAD_UNKNOWN', async () => {
    expect(await useSession('/v2/se/a/blobs/uploads/00000000-0000-7000-8000-000000000000')).toEqual(UNKNOWN);
    expect(await useSession('/v2/se/a/blobs/uploads/anything?_state=a.b')).toEqual(UNKNOWN);
  });

  test('a session with a changed state, id or signature is unknown', async () => {
    const location = await beginUpload(app, 'se/forged');
    const [path = '', state = ''] = location.split('?_state=');
    const [payload = '', mac = ''] = state.split('.');
    const fields = Buffer.from(payload, 'base64url').toString().replace(',0,', ',9,');
    const changed = Buffer.from(fields).toString('base64url');
    expect(changed).not.toBe(payload);
    for (const forged of [
      `${path}?_state=${changed}.${mac}`,
      `${path}?_state=${payload}.${mac.split('').toReversed().join('')}`,
      `${path}?_state=${payload}`,
      `${path}?_state=${payload}.`,
      `${path}?_state=${payload}.${mac}.${mac}`,
      `${path.slice(0, -1)}${path.endsWith('0') ? '1' : '0'}?_state=${state}`,
      path,
    ])
      expect(await useSession(forged)).toEqual(UNKNOWN);
  });

  test('a session belongs to its repository and to its registry', async () => {
    const location = await beginUpload(app, 'se/owner');
    expect(await useSession(location.replace('/se/owner/', '/se/thief/'))).toEqual(UNKNOWN);
    const foreign = await openTestApp({ clock: app.clock });
    expect(await useSession(location, foreign)).toEqual(UNKNOWN);
    await foreign.close();
  });

  test('a session dies with its time, and not before', async () => {
    const own = await openTestApp({ adapter, settings: { uploadSeconds: LIFE_MS / 1000 } });
    const location = await beginUpload(own, 'se/old');
    own.clock.advance(LIFE_MS - 2000);
    expect((await own.fetch('GET', location)).status).toBe(204);
    own.clock.advance(4000);
    expect(await useSession(location, own)).toEqual(UNKNOWN);
    await own.close();
  });

  test('the status tells how far the upload has come, without a body', async () => {
    const location = await beginUpload(app, 'se/status');
    const fresh = await app.fetch('GET', location);
    expect([fresh.status, fresh.headers.get('range'), fresh.body]).toEqual([204, '0-0', null]);
    expect(fresh.headers.has('content-length')).toBe(false);
    const patched = await app.fetch('PATCH', location, { body: noise(1000) });
    const status = await app.fetch('GET', locationOf(patched));
    expect([status.status, status.headers.get('range')]).toEqual([204, '0-999']);
    expect(locationOf(status)).toMatch(/^\/v2\/se\/status\/blobs\/uploads\//);
    expect(status.headers.get('docker-upload-uuid')).toBe(patched.headers.get('docker-upload-uuid'));
  });

  test('the status may be asked with a digest left in the query', async () => {
    const location = await beginUpload(app, 'se/status');
    expect((await app.fetch('GET', closing(location, digestOf(noise(1))))).status).toBe(204);
  });

  test('a session can go on at any instance', async () => {
    const other = await anotherInstance();
    const [head, tail] = [noise(4000), noise(3000)];
    const bytes = new Uint8Array(Buffer.concat([head, tail]));
    let location = await beginUpload(app, 'se/move');
    location = locationOf(await other.fetch('PATCH', location, { body: head }));
    location = locationOf(await app.fetch('PATCH', location, { body: tail }));
    const answer = await other.fetch('PUT', closing(location, digestOf(bytes)));
    expect(answer.status).toBe(201);
    expect(sameBytes(await pullBlob(app, 'se/move', digestOf(bytes)), bytes)).toBe(true);
  });

  test('a cancelled session is gone for every later request', async () => {
    for (const staged of [new Uint8Array(0), noise(5000)]) {
      let location = await beginUpload(app, 'se/cancel');
      if (staged.length > 0) location = locationOf(await app.fetch('PATCH', location, { body: staged }));
      const answer = await app.fetch('DELETE', location);
      expect([answer.status, answer.body, answer.headers.has('content-length')]).toEqual([204, null, false]);
      expect(await useSession(location, app, staged)).toEqual(UNKNOWN);
    }
  });

  test('a cancelled session cannot be closed by another instance either', async () => {
    const other = await anotherInstance();
    const bytes = noise(5000);
    const opened = await beginUpload(app, 'se/cancel');
    const patched = locationOf(await app.fetch('PATCH', opened, { body: bytes }));
    await app.fetch('DELETE', patched);
    const closed = await other.fetch('PUT', closing(patched, digestOf(bytes)));
    expect(await problemOf(closed)).toBe('404 BLOB_UPLOAD_UNKNOWN');
    const whole = await other.fetch('PUT', closing(opened, digestOf(bytes)), { body: bytes });
    expect(await problemOf(whole)).toBe('404 BLOB_UPLOAD_UNKNOWN');
    expect((await other.fetch('HEAD', `/v2/se/cancel/blobs/${digestOf(bytes)}`)).status).toBe(404);
  });

  test('a finished session cannot be cancelled, so that its blob stays', async () => {
    const other = await anotherInstance();
    const bytes = noise(5000);
    const location = await beginUpload(app, 'se/done');
    await app.fetch('PUT', closing(location, digestOf(bytes)), { body: bytes });
    expect(await problemOf(await app.fetch('DELETE', location))).toBe('404 BLOB_UPLOAD_UNKNOWN');
    await other.fetch('DELETE', location);
    expect(sameBytes(await pullBlob(app, 'se/done', digestOf(bytes)), bytes)).toBe(true);
  });

  test('two clients at one session cannot poison each other: each gets its own bytes or none', async () => {
    const start = await beginUpload(app, 'se/fork');
    const [mine, theirs] = [noise(9000), noise(9000)];
    const my = locationOf(await app.fetch('PATCH', start, { body: mine }));
    const their = locationOf(await app.fetch('PATCH', start, { body: theirs }));
    const wrong = await app.fetch('PUT', closing(their, digestOf(mine)));
    expect(await problemOf(wrong)).toBe('400 DIGEST_INVALID');
    expect((await app.fetch('PUT', closing(my, digestOf(mine)))).status).toBe(201);
    const late = await app.fetch('PUT', closing(their, digestOf(theirs)));
    expect(await problemOf(late)).toBe('404 BLOB_UPLOAD_UNKNOWN');
    const stolen = await app.fetch('PUT', closing(their, digestOf(mine)));
    expect(await problemOf(stolen)).toBe('400 DIGEST_INVALID');
    expect(sameBytes(await pullBlob(app, 'se/fork', digestOf(mine)), mine)).toBe(true);
    expect((await app.fetch('HEAD', `/v2/se/fork/blobs/${digestOf(theirs)}`)).status).toBe(404);
  });

  test('a session that was committed as one digest cannot be committed as another', async () => {
    const [first, second] = [noise(700), noise(700)];
    const start = await beginUpload(app, 'se/other');
    expect((await app.fetch('PUT', closing(start, digestOf(first)), { body: first })).status).toBe(201);
    const again = await app.fetch('PUT', closing(start, digestOf(second)), { body: second });
    expect(await problemOf(again)).toBe('404 BLOB_UPLOAD_UNKNOWN');
    expect((await app.fetch('HEAD', `/v2/se/other/blobs/${digestOf(second)}`)).status).toBe(404);
    expect(sameBytes(await pullBlob(app, 'se/other', digestOf(first)), first)).toBe(true);
  });

  test('bytes sent again to an old Location after a lost answer do not double', async () => {
    const start = await beginUpload(app, 'se/lost');
    const bytes = noise(6000);
    await app.fetch('PATCH', start, { body: bytes });
    const again = locationOf(await app.fetch('PATCH', start, { body: bytes }));
    expect((await app.fetch('PUT', closing(again, digestOf(bytes)))).status).toBe(201);
    expect(sameBytes(await pullBlob(app, 'se/lost', digestOf(bytes)), bytes)).toBe(true);
  });
});
