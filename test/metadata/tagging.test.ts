import { afterEach, describe, expect, test } from 'vitest';
import { runTimer } from '../../src/app/jobs.ts';
import { keptLabs, basic } from '../auth/lab.ts';
import { jsonOf, problemOf } from '../support/answer.ts';
import { type TestApp, type TestAppOptions, adapters, openTestApp } from '../support/app.ts';
import { breaches } from '../support/invariants.ts';
import {
  CONFIG_TYPE,
  type Pushed,
  imageManifest,
  indexManifest,
  pullBlob,
  pushBlob,
  pushImage,
  pushManifest,
} from '../support/push.ts';
import { noise } from '../support/sample.ts';

const NAME = 'team/app';
const SOURCE = 'build/app';
const DAY_MS = 86_400_000;

async function setTag(app: TestApp, path: string, body: unknown, name = NAME): Promise<Response> {
  return await app.fetch('PUT', `/acr/v1/${name}/_tags/${path}`, { body: JSON.stringify(body) });
}

async function digestOfTag(app: TestApp, reference: string, name = NAME): Promise<string | null> {
  const answer = await app.fetch('HEAD', `/v2/${name}/manifests/${reference}`);
  return answer.headers.get('docker-content-digest');
}

function listed({ mediaType, digest, size }: Pushed) {
  return { mediaType, digest, size };
}

describe.each(adapters)('a tag set by one call on %s', (adapter) => {
  let app: TestApp;
  afterEach(() => app.close());

  async function open(options: TestAppOptions = {}): Promise<void> {
    app = await openTestApp({ adapter, ...options });
  }

  test('names a manifest of its repository by digest or by another tag, and says so as GET does', async () => {
    await open();
    const { manifest } = await pushImage(app, NAME, 'v1');
    const other = await pushImage(app, NAME, 'v2', 'other');
    const created = await setTag(app, 'stable', { digest: manifest.digest });
    expect([created.status, created.headers.get('docker-content-digest')]).toEqual([201, manifest.digest]);
    expect(await jsonOf(created)).toEqual(
      await jsonOf(await app.fetch('GET', `/acr/v1/${NAME}/_tags/stable`)),
    );
    expect((await setTag(app, 'stable', { tag: 'v1' })).status).toBe(200);
    expect((await setTag(app, 'stable', { tag: 'v2' })).status).toBe(201);
    expect(await digestOfTag(app, 'stable')).toBe(other.manifest.digest);
    expect((await app.fetch('GET', `/v2/${NAME}/manifests/stable`)).status).toBe(200);
    expect(await breaches(app.stores, app.registry)).toEqual([]);
  });

  test('brings an image from another repository with all its parts, and moves no bytes', async () => {
    await open();
    const { manifest, config, layer } = await pushImage(app, SOURCE, 'v1');
    const before = (await app.stores.blobs.list(app.registry, 1000)).blobs.length;
    const answer = await setTag(app, 'prod', { repository: SOURCE, tag: 'v1' });
    expect(answer.status).toBe(201);
    expect(await jsonOf(answer)).toMatchObject({
      imageName: NAME,
      tag: { name: 'prod', digest: manifest.digest },
    });
    expect((await app.stores.blobs.list(app.registry, 1000)).blobs.length).toBe(before);
    await app.fetch('DELETE', `/acr/v1/${SOURCE}`);
    for (const { digest, bytes } of [config, layer])
      expect(Buffer.compare(await pullBlob(app, NAME, digest), bytes)).toBe(0);
    expect(await breaches(app.stores, app.registry)).toEqual([]);
  });

  test('brings an index with its children and theirs, also those too large for a row', async () => {
    await open();
    const [one, two] = [
      await pushImage(app, SOURCE, undefined, '1'),
      await pushImage(app, SOURCE, undefined, '2'),
    ];
    const config = await pushBlob(app, SOURCE, noise(10), CONFIG_TYPE);
    const large = await pushManifest(
      app,
      SOURCE,
      imageManifest(config, [], { annotations: { text: 'x'.repeat(70_000) } }),
    );
    const inner = await pushManifest(app, SOURCE, indexManifest([listed(one.manifest), listed(large)]));
    const outer = await pushManifest(
      app,
      SOURCE,
      indexManifest([listed(inner), listed(two.manifest), listed(one.manifest)]),
      'v1',
    );
    expect((await setTag(app, 'v1', { repository: SOURCE, digest: outer.digest })).status).toBe(201);
    const all = [one.manifest, two.manifest, large, inner, outer];
    for (const { digest, bytes } of all) {
      const found = await app.fetch('GET', `/v2/${NAME}/manifests/${digest}`);
      expect(Buffer.compare(Buffer.from(await found.arrayBuffer()), bytes)).toBe(0);
    }
    expect(await jsonOf(await app.fetch('GET', `/acr/v1/${NAME}`))).toMatchObject({
      manifestCount: 5,
      tagCount: 1,
    });
    expect((await setTag(app, 'v2', { repository: SOURCE, tag: 'v1' })).status).toBe(201);
    app.clock.advance(8 * DAY_MS);
    await runTimer(app.app, 'sweep');
    expect((await pullBlob(app, NAME, one.layer.digest)).length).toBe(one.layer.size);
    expect(await breaches(app.stores, app.registry)).toEqual([]);
  });

  test('is refused where a push is: locked tag, locked repository, tags written once', async () => {
    await open();
    const { manifest } = await pushImage(app, NAME, 'v1');
    await pushImage(app, SOURCE, 'v2', 'other');
    const patch = async (path: string, fields: unknown) =>
      expect((await app.fetch('PATCH', path, { body: JSON.stringify(fields) })).status).toBe(200);
    const refused = async () =>
      expect(await problemOf(await setTag(app, 'v1', { repository: SOURCE, tag: 'v2' }))).toBe(
        '405 REGISTRY_DISALLOWED_OPERATION',
      );
    for (const [path, lock] of [
      [`/acr/v1/${NAME}/_tags/v1`, { writeEnabled: false }],
      [`/acr/v1/${NAME}`, { writeEnabled: false }],
      [`/acr/v1/${NAME}`, { writeOnceTags: true }],
      [`/acr/v1/${SOURCE}/_tags/v2`, { readEnabled: false }],
      [`/acr/v1/${SOURCE}`, { readEnabled: false }],
    ] as const) {
      await patch(path, lock);
      await refused();
      expect(await digestOfTag(app, 'v1')).toBe(manifest.digest);
      const [[name, value] = ['', false]] = Object.entries(lock);
      await patch(path, { [name]: !value });
    }
    expect((await setTag(app, 'v1', { repository: SOURCE, tag: 'v2' })).status).toBe(201);
    expect(await breaches(app.stores, app.registry)).toEqual([]);
  });

  test.each([
    [{ tag: 'none' }, '404 MANIFEST_UNKNOWN'],
    [{ digest: `sha256:${'0'.repeat(64)}` }, '404 MANIFEST_UNKNOWN'],
    [{ repository: 'no/such', tag: 'v1' }, '404 MANIFEST_UNKNOWN'],
    [{ repository: 'No', tag: 'v1' }, '400 NAME_INVALID'],
    [{ digest: 'v1' }, '400 DIGEST_INVALID'],
    [{ tag: 'no such' }, '400 TAG_INVALID'],
    [{}, '400 UNSUPPORTED'],
    [{ tag: 'v1', digest: `sha256:${'0'.repeat(64)}` }, '400 UNSUPPORTED'],
    [{ tag: 'v1', force: true }, '400 UNSUPPORTED'],
    [{ tag: 1 }, '400 UNSUPPORTED'],
    [[], '400 UNSUPPORTED'],
  ])('to %j is refused: %s', async (body, problem) => {
    await open();
    await pushImage(app, NAME, 'v1');
    expect(await problemOf(await setTag(app, 'v2', body))).toBe(problem);
    expect(await digestOfTag(app, 'v2')).toBe(null);
  });
});

describe('who may copy', () => {
  const openLab = keptLabs();

  test('whoever may push here and pull there; others are told both scopes', async () => {
    const lab = await openLab();
    const admin = { headers: { authorization: basic(await lab.admin()) } };
    const ask = async (method: string, path: string, body: string, authorization: string) =>
      await lab.fetch(method, path, {
        body,
        headers: { authorization, 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
      });
    const text = '{"schemaVersion":2,"layers":[]}';
    await ask('PUT', `/v2/${SOURCE}/manifests/v1`, text, admin.headers.authorization);
    const copy = JSON.stringify({ repository: SOURCE, tag: 'v1' });
    const path = `/acr/v1/${NAME}/_tags/v1`;

    const pusher = basic(await lab.token('pusher', ['repositories/team/*/content/write']));
    const refused = await ask('PUT', path, copy, pusher);
    expect(refused.headers.get('www-authenticate')).toContain(
      `scope="repository:${SOURCE}:pull repository:${NAME}:pull,push",error="insufficient_scope"`,
    );
    expect(await problemOf(refused)).toBe('401 UNAUTHORIZED');
    const puller = basic(await lab.token('puller', ['repositories/*/content/read']));
    expect(await problemOf(await ask('PUT', path, copy, puller))).toBe('401 UNAUTHORIZED');
    const both = ['repositories/team/*/content/write', `repositories/${SOURCE}/content/read`];
    expect((await ask('PUT', path, copy, basic(await lab.token('copier', both)))).status).toBe(201);
    // Naming a manifest of the same repository tells as much as a pull does.
    const retag = JSON.stringify({ tag: 'v1' });
    const alone = await ask('PUT', `/acr/v1/${NAME}/_tags/v2`, retag, pusher);
    expect(alone.headers.get('www-authenticate')).toContain(`scope="repository:${NAME}:pull,push",error=`);
  });
});
