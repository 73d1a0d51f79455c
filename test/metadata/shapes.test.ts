import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jsonOf, problemOf } from '../support/answer.ts';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import {
  CONFIG_TYPE,
  IMAGE_TYPE,
  INDEX_TYPE,
  type Pushed,
  descriptorOf,
  imageManifest,
  indexManifest,
  pushBlob,
  pushImage,
  pushManifest,
  putManifest,
} from '../support/push.ts';
import { noise } from '../support/sample.ts';

const NAME = 'team/app';
const HOST = 'registry.test';
const UNKNOWN = `sha256:${'0'.repeat(64)}`;
const START = Date.UTC(2023, 1, 28, 18, 36, 40, 586);
const CREATED = '2023-02-28T18:36:40.5860000Z';
const LATER = '2023-02-28T18:37:40.5860000Z';
const LAST = '2023-02-28T18:38:40.5860000Z';
const EVERYTHING = { deleteEnabled: true, writeEnabled: true, readEnabled: true, listEnabled: true };

/** A tag as it is told that was pushed once. */
function toldTag(name: string, digest: string, time: string) {
  return {
    name,
    digest,
    createdTime: time,
    lastUpdateTime: time,
    signed: false,
    changeableAttributes: EVERYTHING,
  };
}

/** An image of 1,000 and 2,325 bytes for a platform. */
async function pushPlatform(app: TestApp, architecture: string, tag?: string): Promise<Pushed> {
  const text = JSON.stringify({ architecture, os: 'linux', rootfs: {} });
  const config = await pushBlob(app, NAME, new TextEncoder().encode(text), CONFIG_TYPE);
  const layers = [await pushBlob(app, NAME, noise(1000)), await pushBlob(app, NAME, noise(2325))];
  return await pushManifest(app, NAME, imageManifest(config, layers), tag);
}

describe.each(adapters)('the answers of /acr/v1 on %s', (adapter) => {
  let app: TestApp;
  let amd64: Pushed;
  let arm64: Pushed;
  let index: Pushed;

  beforeAll(async () => {
    let time = START;
    const clock = { now: () => time, advance: (milliseconds: number) => void (time += milliseconds) };
    app = await openTestApp({ adapter, clock });
    amd64 = await pushPlatform(app, 'amd64', 'amd64');
    arm64 = await pushPlatform(app, 'arm64');
    clock.advance(60_000);
    const children = [amd64, arm64].map(({ digest, size }, i) => ({
      mediaType: IMAGE_TYPE,
      digest,
      size,
      platform: { architecture: ['amd64', 'arm64'][i], os: 'linux' },
    }));
    index = await pushManifest(app, NAME, indexManifest(children), 'latest');
    clock.advance(60_000);
    await putManifest(app, NAME, 'again', amd64.bytes);
  });
  afterAll(() => app.close());

  async function get(path: string): Promise<Response> {
    return await app.fetch('GET', `/acr/v1/${path}`);
  }

  const images = () => ({
    amd64: {
      digest: amd64.digest,
      imageSize: 3325,
      createdTime: CREATED,
      lastUpdateTime: LAST,
      architecture: 'amd64',
      os: 'linux',
      mediaType: IMAGE_TYPE,
      configMediaType: CONFIG_TYPE,
      tags: ['again', 'amd64'],
      changeableAttributes: EVERYTHING,
    },
    arm64: {
      digest: arm64.digest,
      imageSize: 3325,
      createdTime: CREATED,
      lastUpdateTime: CREATED,
      architecture: 'arm64',
      os: 'linux',
      mediaType: IMAGE_TYPE,
      configMediaType: CONFIG_TYPE,
      changeableAttributes: EVERYTHING,
    },
    index: {
      digest: index.digest,
      imageSize: 6650,
      createdTime: LATER,
      lastUpdateTime: LATER,
      mediaType: INDEX_TYPE,
      tags: ['latest'],
      changeableAttributes: EVERYTHING,
    },
  });

  test('a repository has its times, counts and bytes, field by field', async () => {
    const config = JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: {} }).length;
    const size = 2 * (1000 + 2325 + config) + amd64.size + arm64.size + index.size;
    const answer = await get(NAME);
    expect(await answer.text()).toBe(
      JSON.stringify({
        registry: HOST,
        imageName: NAME,
        createdTime: CREATED,
        lastUpdateTime: LAST,
        manifestCount: 3,
        tagCount: 3,
        changeableAttributes: EVERYTHING,
        size,
      }),
    );
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
  });

  test('tags have digest and times, field by field', async () => {
    const latest = toldTag('latest', index.digest, LATER);
    const tags = [toldTag('again', amd64.digest, LAST), toldTag('amd64', amd64.digest, CREATED), latest];
    const envelope = { registry: HOST, imageName: NAME };
    expect(await (await get(`${NAME}/_tags`)).text()).toBe(JSON.stringify({ ...envelope, tags }));
    expect(await (await get(`${NAME}/_tags/latest`)).text()).toBe(
      JSON.stringify({ ...envelope, tag: latest }),
    );
    const ofOne = await get(`${NAME}/_tags?digest=${amd64.digest}`);
    expect(await jsonOf(ofOne)).toEqual({ ...envelope, tags: tags.slice(0, 2) });
  });

  test('manifests have size, platform and tags, field by field, in order of their digests', async () => {
    const manifests = Object.values(images()).toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
    const expected = JSON.stringify({ registry: HOST, imageName: NAME, manifests });
    expect(await (await get(`${NAME}/_manifests`)).text()).toBe(expected);
    // Once more, from what the instance remembers.
    expect(await (await get(`${NAME}/_manifests`)).text()).toBe(expected);
  });

  test('a single image is told as in the list, untagged ones without tags', async () => {
    for (const image of [images().amd64, images().arm64]) {
      expect(await (await get(`${NAME}/_manifests/${image.digest}`)).text()).toBe(
        JSON.stringify({ registry: HOST, imageName: NAME, manifest: image }),
      );
    }
  });

  test('a single index names its children with their platforms', async () => {
    const references = [
      { digest: amd64.digest, architecture: 'amd64', os: 'linux' },
      { digest: arm64.digest, architecture: 'arm64', os: 'linux' },
    ];
    expect(await (await get(`${NAME}/_manifests/${index.digest}`)).text()).toBe(
      JSON.stringify({ registry: HOST, imageName: NAME, manifest: { ...images().index, references } }),
    );
  });

  test('names and references may be raw or percent-encoded', async () => {
    const encoded = encodeURIComponent(NAME);
    for (const tail of ['', '/_tags', '/_tags/latest', '/_manifests', `/_manifests/${index.digest}`]) {
      const raw = await get(`${NAME}${tail}`);
      const other = await get(`${encoded}${tail.replace('sha256:', 'sha256%3A')}?api-version=2021-07-01`);
      expect([raw.status, await other.text()]).toEqual([200, await raw.text()]);
    }
  });

  test('answers carry the ids of the request, as far as they may be sent back', async () => {
    const path = `/acr/v1/${NAME}`;
    const [sent, refused] = ['my-id.1', 'x'.repeat(200)].map(
      async (id) => await app.fetch('GET', path, { headers: { 'x-ms-client-request-id': id } }),
    );
    const headers = (await sent)?.headers ?? new Headers();
    expect(headers.get('x-ms-client-request-id')).toBe('my-id.1');
    expect(headers.get('x-ms-request-id')).toBe(headers.get('x-ms-correlation-request-id'));
    expect((await refused)?.headers.has('x-ms-client-request-id')).toBe(false);
  });

  test('a repository that is not there is NAME_UNKNOWN everywhere, with its name', async () => {
    const message = 'repository name not known to registry';
    for (const tail of ['', '/_tags', '/_tags/v1', '/_manifests', `/_manifests/${UNKNOWN}`, '/_tags?n=0']) {
      const answer = await get(`no/where${tail}`);
      expect(answer.status).toBe(404);
      expect(await jsonOf(answer)).toEqual({
        errors: [{ code: 'NAME_UNKNOWN', message, detail: { name: 'no/where' } }],
      });
    }
  });

  test('a tag or manifest that is not there is told in ACR’s words', async () => {
    for (const name of ['v2', 'no:tag', 'x'.repeat(200)]) {
      const answer = await get(`${NAME}/_tags/${name}`);
      expect(answer.status).toBe(404);
      expect(await jsonOf(answer)).toMatchObject({
        errors: [{ code: 'TAG_UNKNOWN', message: 'the specified tag does not exist' }],
      });
    }
    const answer = await get(`${NAME}/_manifests/${UNKNOWN}`);
    expect(answer.status).toBe(404);
    const detail = { Name: NAME, Revision: UNKNOWN };
    expect(await jsonOf(answer)).toEqual({
      errors: [{ code: 'MANIFEST_UNKNOWN', message: `manifest ${UNKNOWN} is not found`, detail }],
    });
  });

  test.each([
    [`${NAME}/_manifests/latest`, '400 DIGEST_INVALID'],
    [`${NAME}/_tags?digest=latest`, '400 DIGEST_INVALID'],
    [`${NAME}/_tags?orderby=size`, '400 UNSUPPORTED'],
    [`${NAME}/_manifests?n=many`, '400 PAGINATION_NUMBER_INVALID'],
  ])('%s is %s', async (path, problem) => {
    expect(await problemOf(await get(path))).toBe(problem);
  });

  test('untagging tells the digest and leaves the manifest', async () => {
    const { manifest } = await pushImage(app, 'un/tag', 'v1');
    const answer = await app.fetch('DELETE', '/acr/v1/un%2Ftag/_tags/v1');
    expect([answer.status, await answer.text()]).toEqual([202, '']);
    expect(answer.headers.get('x-ms-int-docker-content-digest')).toBe(manifest.digest);
    expect(await problemOf(await app.fetch('DELETE', '/acr/v1/un/tag/_tags/v1'))).toBe('404 TAG_UNKNOWN');
    expect(await problemOf(await app.fetch('DELETE', '/acr/v1/un/tag/_tags/a%3Ab'))).toBe('404 TAG_UNKNOWN');
    expect(await problemOf(await app.fetch('DELETE', '/acr/v1/no/tag/_tags/v1'))).toBe('404 NAME_UNKNOWN');
    const left = await jsonOf(await get(`un/tag/_manifests/${manifest.digest}`));
    expect(left).not.toHaveProperty('manifest.tags');
    expect(await jsonOf(await get('un/tag'))).toMatchObject({ manifestCount: 1, tagCount: 0 });
    expect(await jsonOf(await get('un/tag/_tags'))).toMatchObject({ tags: [] });
  });

  test.each(['tags', 'manifests', 'tags/list', 'manifests/v1', 'acr/v1', 'catalog', 'a__tags/b'])(
    'a repository named %s is told',
    async (name) => {
      const { manifest } = await pushImage(app, name, 'v1');
      const envelope = { registry: HOST, imageName: name };
      expect(await jsonOf(await get(name))).toMatchObject({ ...envelope, manifestCount: 1, tagCount: 1 });
      expect(await jsonOf(await get(`${name}/_tags/v1`))).toMatchObject({ ...envelope, tag: { name: 'v1' } });
      const { digest } = manifest;
      expect(await jsonOf(await get(`${name}/_manifests`))).toMatchObject({
        ...envelope,
        manifests: [{ digest }],
      });
    },
  );

  test.each([
    ['POST', NAME, 'GET, PATCH, DELETE'],
    ['HEAD', `${NAME}/_tags`, 'GET'],
    ['POST', `${NAME}/_tags/latest`, 'GET, PUT, PATCH, DELETE'],
    ['DELETE', `${NAME}/_manifests/${UNKNOWN}`, 'GET, PATCH'],
  ])('%s of %s is not allowed, and Allow tells what is', async (method, path, allow) => {
    const answer = await app.fetch(method, `/acr/v1/${path}`);
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, allow]);
  });

  test('an artifact has the type of its config and no platform, and layers alone count', async () => {
    const config = await pushBlob(
      app,
      'chart',
      Buffer.from('{"os":"plan9"}'),
      'application/vnd.cncf.helm.config.v1+json',
    );
    const layer = await pushBlob(app, 'chart', noise(77));
    const { digest } = await pushManifest(app, 'chart', imageManifest(config, [layer]), 'v1');
    const told = await jsonOf(await get(`chart/_manifests/${digest}`));
    expect(told).toMatchObject({
      manifest: { imageSize: 77, configMediaType: 'application/vnd.cncf.helm.config.v1+json' },
    });
    expect(told).not.toHaveProperty('manifest.os');
  });

  test('a config that is no JSON, or is gone, leaves the platform out', async () => {
    const { config, manifest } = await pushImage(app, 'odd/gone', 'v1');
    await app.fetch('DELETE', `/v2/odd/gone/blobs/${config.digest}`);
    const gone = await jsonOf(await get(`odd/gone/_manifests/${manifest.digest}`));
    expect(gone).toMatchObject({ manifest: { configMediaType: CONFIG_TYPE, tags: ['v1'] } });
    expect(gone).not.toHaveProperty('manifest.os');
    const broken = await pushBlob(app, 'odd/json', noise(50), CONFIG_TYPE);
    const { digest } = await pushManifest(app, 'odd/json', imageManifest(broken, []), 'v1');
    const told = await jsonOf(await get(`odd/json/_manifests/${digest}`));
    expect(told).toMatchObject({ manifest: { imageSize: 0, configMediaType: CONFIG_TYPE } });
  });

  test('children that are not there count nothing until they come', async () => {
    const sparse = await openTestApp({
      stores: app.stores,
      registry: app.registry,
      settings: { sparseIndexes: true },
    });
    const layer = await pushBlob(app, 'sparse', noise(500));
    const config = await pushBlob(app, 'sparse', Buffer.from('{}'), CONFIG_TYPE);
    const bytes = new TextEncoder().encode(JSON.stringify(imageManifest(config, [layer])));
    const { digest } = await pushManifest(
      sparse,
      'sparse',
      indexManifest([descriptorOf(bytes, IMAGE_TYPE)]),
      'v1',
    );
    const size = async () => await jsonOf(await sparse.fetch('GET', `/acr/v1/sparse/_manifests/${digest}`));
    expect(await size()).toMatchObject({ manifest: { imageSize: 0 } });
    await putManifest(sparse, 'sparse', 'child', bytes);
    expect(await size()).toMatchObject({ manifest: { imageSize: 500 } });
    await sparse.close();
  });
});
