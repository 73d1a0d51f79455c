import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jsonOf, problemOf } from '../support/answer.ts';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import {
  type Pushed,
  imageManifest,
  pushBlob,
  pushImage,
  pushManifest,
  putManifest,
} from '../support/push.ts';
import { noise } from '../support/sample.ts';

const NAME = 'team/app';
const OPEN = { deleteEnabled: true, writeEnabled: true, readEnabled: true, listEnabled: true };
const DETAILS = '{"state":"scan passed","link":"http://scan.test/1"}';

/** Attributes that are false. */
function changed(list: unknown): readonly string[] | null {
  return JSON.stringify(list).match(/"(\w+Enabled)":false/g);
}

async function attributesOf(answer: Response): Promise<unknown> {
  const body: Record<string, Record<string, unknown>> = JSON.parse(await answer.text());
  const object = body['tag'] ?? body['manifest'] ?? body;
  return object['changeableAttributes'];
}

describe.each(adapters)('changes of attributes on %s', (adapter) => {
  let app: TestApp;
  let image: Pushed;
  const path = (tail: string) => `/acr/v1/${NAME}${tail.replace('DIGEST', image.digest)}`;

  beforeAll(async () => {
    app = await openTestApp({ adapter });
    ({ manifest: image } = await pushImage(app, NAME, 'v1'));
  });
  afterAll(() => app.close());

  async function patch(tail: string, change: unknown): Promise<Response> {
    return await app.fetch('PATCH', path(tail), { body: JSON.stringify(change) });
  }

  test.each([
    ['a repository', ''],
    ['a tag', '/_tags/v1'],
    ['a manifest', '/_manifests/DIGEST'],
  ])('of %s keep what is left out, and are answered and told as they are', async (_, tail) => {
    const before: unknown = JSON.parse(await (await app.fetch('GET', path(tail))).text());
    app.clock.advance(60_000);
    let expected: Record<string, boolean> = OPEN;
    for (const change of [
      { writeEnabled: false },
      { deleteEnabled: false, readEnabled: false },
      {},
      { listEnabled: false, writeEnabled: true },
      { listEnabled: false },
      OPEN,
    ]) {
      expected = { ...expected, ...change };
      const answer = await patch(tail, change);
      expect(answer.status).toBe(200);
      const text = await answer.text();
      expect(await (await app.fetch('GET', path(tail))).text()).toBe(text);
      expect(text).toContain(`"changeableAttributes":${JSON.stringify(expected)}`);
    }
    // Times, too, are as before.
    expect(JSON.parse(await (await app.fetch('GET', path(tail))).text())).toEqual(before);
  });

  test('of a tag leave those of its manifest and of other tags, and the other way round', async () => {
    await putManifest(app, NAME, 'v2', image.bytes);
    await patch('/_tags/v1', { deleteEnabled: false });
    for (const tail of ['/_manifests/DIGEST', '/_tags/v2'])
      expect(await attributesOf(await app.fetch('GET', path(tail)))).toEqual(OPEN);
    await patch('/_tags/v1', OPEN);
    await patch('/_manifests/DIGEST', { writeEnabled: false });
    expect(await attributesOf(await app.fetch('GET', path('/_tags/v1')))).toEqual(OPEN);
    await patch('/_manifests/DIGEST', OPEN);
  });

  test('are told in lists as well', async () => {
    await patch('/_tags/v1', { deleteEnabled: false });
    await patch('/_manifests/DIGEST', { writeEnabled: false });
    for (const order of ['', 'timedesc']) {
      const tags = await jsonOf(await app.fetch('GET', path(`/_tags?orderby=${order}`)));
      expect(changed(tags)).toEqual(['"deleteEnabled":false']);
      const manifests = await jsonOf(await app.fetch('GET', path(`/_manifests?orderby=${order}`)));
      expect(changed(manifests)).toEqual(['"writeEnabled":false']);
    }
    await patch('/_tags/v1', OPEN);
    await patch('/_manifests/DIGEST', OPEN);
  });

  test('stay with a tag that moves, and go with one that is deleted', async () => {
    const config = await pushBlob(app, NAME, noise(10));
    const next = await pushManifest(app, NAME, imageManifest(config, []), 'moving');
    await patch('/_tags/moving', { listEnabled: false });
    await putManifest(app, NAME, 'moving', image.bytes);
    const hidden = { ...OPEN, listEnabled: false };
    expect(await attributesOf(await app.fetch('GET', path('/_tags/moving')))).toEqual(hidden);
    await app.fetch('DELETE', path('/_tags/moving'));
    await putManifest(app, NAME, 'moving', next.bytes);
    expect(await attributesOf(await app.fetch('GET', path('/_tags/moving')))).toEqual(OPEN);
  });

  test('of a manifest may say what a scanner found', async () => {
    const answer = await patch('/_manifests/DIGEST', {
      quarantineState: 'Failed',
      quarantineDetails: DETAILS,
      listEnabled: true,
    });
    const failed = { ...OPEN, quarantineState: 'Failed', quarantineDetails: DETAILS };
    expect(JSON.stringify(await attributesOf(answer))).toBe(JSON.stringify(failed));
    expect(await attributesOf(await patch('/_manifests/DIGEST', { quarantineState: 'Passed' }))).toEqual({
      ...failed,
      quarantineState: 'Passed',
    });
    // As long as nobody asks for quarantine, these are mere notes.
    await patch('/_manifests/DIGEST', { quarantineState: 'Quarantined' });
    expect((await app.fetch('GET', `/v2/${NAME}/manifests/v1`)).status).toBe(200);
  });

  test('of a repository may make its tags keep what they name', async () => {
    const answer = await patch('', { writeOnceTags: true });
    expect(await attributesOf(answer)).toEqual({ ...OPEN, writeOnceTags: true });
    const config = await pushBlob(app, NAME, noise(10));
    const bytes = JSON.stringify(imageManifest(config, [], { annotations: { next: 'yes' } }));
    const moved = await putManifest(app, NAME, 'v1', bytes);
    expect(await moved.clone().text()).toContain(
      '{"reason":"the tag v1 is there, and tags of this repository are written once"}',
    );
    expect(await problemOf(moved)).toBe('405 REGISTRY_DISALLOWED_OPERATION');
    expect((await app.fetch('GET', `/v2/${NAME}/manifests/v1`)).headers.get('docker-content-digest')).toBe(
      image.digest,
    );
    // The same again, and a tag that is not there, are no change of a tag.
    expect((await putManifest(app, NAME, 'v1', image.bytes)).status).toBe(201);
    expect((await putManifest(app, NAME, 'once', bytes)).status).toBe(201);
    expect(await attributesOf(await patch('', { writeOnceTags: false }))).toEqual(OPEN);
    expect((await putManifest(app, NAME, 'v1', bytes)).status).toBe(201);
    expect((await putManifest(app, NAME, 'v1', image.bytes)).status).toBe(201);
  });

  test.each([
    ['', '', 'the body is not JSON'],
    ['', '{"deleteEnabled":false', 'the body is not JSON'],
    ['', 'null', 'the body is not a JSON object'],
    ['', '[{"deleteEnabled":false}]', 'the body is not a JSON object'],
    ['/_tags/v1', '{"deleteEnabled":"false"}', 'true or false'],
    ['/_tags/v1', '{"deleteEnabled":null}', 'true or false'],
    ['/_tags/v1', '{"changeableAttributes":{"deleteEnabled":false}}', 'not an attribute of a tag'],
    ['/_tags/v1', '{"deleteEnabled":false,"quarantineState":"Passed"}', 'not an attribute of a tag'],
    ['/_tags/v1', '{"writeOnceTags":true}', 'not an attribute of a tag'],
    ['', '{"__proto__":{},"deleteEnabled":false}', 'not an attribute of a repository'],
    ['', '{"toString":false}', 'not an attribute of a repository'],
    ['', '{"quarantineDetails":""}', 'not an attribute of a repository'],
    ['/_manifests/DIGEST', '{"deleteEnabled":false,"writeOnceTags":true}', 'not an attribute of a manifest'],
    ['/_manifests/DIGEST', '{"quarantineState":"passed"}', 'Quarantined, Passed, Failed'],
    ['/_manifests/DIGEST', '{"quarantineState":true}', 'Quarantined, Passed, Failed'],
    ['/_manifests/DIGEST', '{"quarantineDetails":{}}', 'text of at most 30000 characters'],
    ['/_manifests/DIGEST', '{"quarantineDetails":"\\u0000"}', 'text of at most 30000 characters'],
    ['/_manifests/DIGEST', '{"quarantineDetails":"\\ud800"}', 'text of at most 30000 characters'],
    [
      '/_manifests/DIGEST',
      JSON.stringify({ quarantineDetails: 'x'.repeat(30_001) }),
      'text of at most 30000 characters',
    ],
  ])('at %j by %.60s are refused, and nothing changes', async (tail, body, told) => {
    const before = await (await app.fetch('GET', path(tail))).text();
    const answer = await app.fetch('PATCH', path(tail), { body });
    expect(await answer.clone().text()).toContain(told);
    expect(await problemOf(answer)).toBe('400 UNSUPPORTED');
    expect(await (await app.fetch('GET', path(tail))).text()).toBe(before);
  });

  test('keep the longest details there may be, whatever they hold', async () => {
    const details = `\t\r\n${'漢😀"\\'.repeat(5999)}xx`;
    await patch('/_manifests/DIGEST', { quarantineDetails: details });
    const told = await attributesOf(await app.fetch('GET', path('/_manifests/DIGEST')));
    expect(told).toMatchObject({ quarantineDetails: details });
  });

  test('of what is not there are refused as it is when it is asked for', async () => {
    const unknown = `sha256:${'0'.repeat(64)}`;
    for (const [at, problem] of [
      ['no/where', '404 NAME_UNKNOWN'],
      ['no/where/_tags/v1', '404 NAME_UNKNOWN'],
      [`no/where/_manifests/${unknown}`, '404 NAME_UNKNOWN'],
      [`${NAME}/_tags/v9`, '404 TAG_UNKNOWN'],
      [`${NAME}/_tags/no:tag`, '404 TAG_UNKNOWN'],
      [`${NAME}/_manifests/${unknown}`, '404 MANIFEST_UNKNOWN'],
      [`${NAME}/_manifests/v1`, '400 DIGEST_INVALID'],
    ] as const) {
      const answer = await app.fetch('PATCH', `/acr/v1/${at}`, { body: '{"deleteEnabled":false}' });
      expect(await problemOf(answer)).toBe(problem);
    }
  });

  test('too long a body is refused before it is read', async () => {
    const answer = await app.fetch('PATCH', path(''), { body: ' '.repeat(200_000) });
    expect(await problemOf(answer)).toBe('413 SIZE_INVALID');
  });
});
