import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import { closing, locationOf, pullBlob, pushBlob } from '../support/push.ts';
import { noise, sameBytes } from '../support/sample.ts';

describe.each(adapters)('mounts on %s', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await openTestApp({ adapter });
  });
  afterAll(() => app.close());

  async function mount(repository: string, digest: string, from?: string): Promise<Response> {
    const query = new URLSearchParams({ mount: digest, ...(from !== undefined && { from }) });
    return await app.fetch('POST', `/v2/${repository}/blobs/uploads/?${query.toString()}`);
  }

  test('a blob of another repository is there at once, without an upload', async () => {
    const { digest, bytes } = await pushBlob(app, 'mo/source', noise(900));
    const answer = await mount('mo/target', digest, 'mo/source');
    expect(answer.status).toBe(201);
    expect(locationOf(answer)).toBe(`/v2/mo/target/blobs/${digest}`);
    expect(answer.headers.get('docker-content-digest')).toBe(digest);
    expect(answer.headers.get('content-length')).toBe('0');
    expect((await app.fetch('HEAD', `/v2/mo/target/blobs/${digest}`)).status).toBe(200);
    expect(sameBytes(await pullBlob(app, 'mo/target', digest), bytes)).toBe(true);
  });

  test('a mounted blob outlives its deletion at the source', async () => {
    const { digest, bytes } = await pushBlob(app, 'mo/first', noise(900));
    await mount('mo/second', digest, 'mo/first');
    await app.fetch('DELETE', `/v2/mo/first/blobs/${digest}`);
    expect(sameBytes(await pullBlob(app, 'mo/second', digest), bytes)).toBe(true);
  });

  test('mounting a blob where it is already, or from its own repository, changes nothing', async () => {
    const { digest } = await pushBlob(app, 'mo/same', noise(90));
    expect((await mount('mo/same', digest, 'mo/same')).status).toBe(201);
    expect((await app.fetch('HEAD', `/v2/mo/same/blobs/${digest}`)).status).toBe(200);
  });

  test.each([
    ['a blob that the source lacks', 'mo/source'],
    ['a source that does not exist', 'mo/nowhere'],
    ['no source', undefined],
    ['a source that is no name', 'NO/Name'],
    ['a source that is empty', ''],
  ])('with %s the mount is an ordinary upload that works', async (_, from) => {
    const bytes = noise(123);
    const { digest } = await pushBlob(app, 'mo/elsewhere', bytes);
    const answer = await mount('mo/wanting', digest, from);
    expect(answer.status).toBe(202);
    expect(locationOf(answer)).toMatch(/^\/v2\/mo\/wanting\/blobs\/uploads\//);
    expect((await app.fetch('HEAD', `/v2/mo/wanting/blobs/${digest}`)).status).toBe(404);
    const put = await app.fetch('PUT', closing(locationOf(answer), digest), { body: bytes });
    expect([put.status, locationOf(put)]).toEqual([201, `/v2/mo/wanting/blobs/${digest}`]);
    await app.fetch('DELETE', `/v2/mo/wanting/blobs/${digest}`);
  });

  test('a mount that names no digest is an ordinary upload', async () => {
    expect((await mount('mo/wanting', 'latest', 'mo/source')).status).toBe(202);
  });

  test('a refused mount leaves a session that can be cancelled', async () => {
    const answer = await mount('mo/cancel', `sha256:${'1'.repeat(64)}`, 'mo/source');
    expect((await app.fetch('DELETE', locationOf(answer))).status).toBe(204);
  });

  test('a blob that was deleted at the source cannot be mounted from there', async () => {
    const { digest } = await pushBlob(app, 'mo/gone', noise(90));
    await app.fetch('DELETE', `/v2/mo/gone/blobs/${digest}`);
    expect((await mount('mo/late', digest, 'mo/gone')).status).toBe(202);
  });
});
