import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import { noise } from '../support/sample.ts';
import {
  IMAGE_TYPE,
  type Pushed,
  beginUpload,
  closing,
  imageManifest,
  pushBlob,
  pushManifest,
} from '../support/push.ts';

/**
 * What each lock forbids, of a repository, its tag `v1` and the manifest of that: a number is the answer's status, `-`
 * that the thing is not listed, `.` that all is as without the lock (ACR wire section 2.2, ACR features
 * section 5).
 */
const TABLE = `
                            |          repository         |             tag             |           manifest
                            | delete write   read   list  | delete write   read   list  | delete write   read   list
  pull by tag               |   .      .     405     .    |   .      .     405     .    |   .      .     405     .
  HEAD by tag               |   .      .     405     .    |   .      .     405     .    |   .      .     405     .
  pull by digest            |   .      .     405     .    |   .      .      .      .    |   .      .     405     .
  HEAD by digest            |   .      .     405     .    |   .      .      .      .    |   .      .     405     .
  pull of a blob            |   .      .     405     .    |   .      .      .      .    |   .      .      .      .
  HEAD of a blob            |   .      .      .      .    |   .      .      .      .    |   .      .      .      .
  referrers                 |   .      .     405     .    |   .      .      .      .    |   .      .      .      .

  in the catalog            |   .      .      .      -    |   .      .      .      .    |   .      .      .      .
  in the tags of OCI        |   .      .      .      .    |   .      .      .      -    |   .      .      .      .
  in the tags of ACR        |   .      .      .      .    |   .      .      .      -    |   .      .      .      .
  in its manifest's tags    |   .      .      .      .    |   .      .      .      -    |   .      .      .      .
  in the manifests          |   .      .      .      .    |   .      .      .      .    |   .      .      .      -
  in the manifests by time  |   .      .      .      .    |   .      .      .      .    |   .      .      .      -
  told as a repository      |   .      .      .      .    |   .      .      .      .    |   .      .      .      .
  told as a tag             |   .      .      .      .    |   .      .      .      .    |   .      .      .      .
  told as a manifest        |   .      .      .      .    |   .      .      .      .    |   .      .      .      .

  push                      |   .     405     .      .    |   .      .      .      .    |   .      .      .      .
  push again                |   .     405     .      .    |   .     405     .      .    |   .      .      .      .
  move the tag              |   .     405     .      .    |   .     405     .      .    |   .      .      .      .
  push under another tag    |   .     405     .      .    |   .      .      .      .    |   .      .      .      .
  begin an upload           |   .     405     .      .    |   .      .      .      .    |   .      .      .      .
  end an upload             |   .     405     .      .    |   .      .      .      .    |   .      .      .      .
  push a blob at once       |   .     405     .      .    |   .      .      .      .    |   .      .      .      .
  mount here                |   .     405     .      .    |   .      .      .      .    |   .      .      .      .
  mount from here           |   .      .     202     .    |   .      .      .      .    |   .      .      .      .

  untag                     |   .     405     .      .    |  405    405     .      .    |   .      .      .      .
  delete the tag            |   .     405     .      .    |  405    405     .      .    |   .      .      .      .
  delete the manifest       |   .     405     .      .    |  405    405     .      .    |  405    405     .      .
  delete a blob             |   .     405     .      .    |   .      .      .      .    |   .      .      .      .
  delete the repository     |  405    405     .      .    |  405    405     .      .    |  405    405     .      .
  unlock the repository     |   .      .      .      .    |   .      .      .      .    |   .      .      .      .
  unlock the tag            |   .      .      .      .    |   .      .      .      .    |   .      .      .      .
  unlock the manifest       |   .      .      .      .    |   .      .      .      .    |   .      .      .      .
`;

const OBJECTS = ['repository', 'tag', 'manifest'] as const;
const LOCKS = ['delete', 'write', 'read', 'list'] as const;
const MESSAGE =
  'The operation is disallowed on this registry, repository or image. View troubleshooting steps at https://aka.ms/acr/faq/#why-does-my-pull-or-push-request-fail-with-disallowed-operation';

/** A repository with an image under the tag `v1`, a signature of that, and an upload under way. */
interface Fixture {
  readonly app: TestApp;
  readonly name: string;
  readonly layer: Pushed;
  readonly image: Pushed;
  readonly other: Pushed;
  /** Where the upload of `rest` ends. */
  readonly ending: string;
  readonly rest: Uint8Array;
}

type Outcome = Promise<Response | boolean>;

/** What is tried, and what comes of it without locks. */
const PATHS: Readonly<
  Record<string, readonly [usual: number | 'listed', run: (fixture: Fixture) => Outcome]>
> = {
  'pull by tag': [200, ({ app, name }) => app.fetch('GET', `/v2/${name}/manifests/v1`)],
  'HEAD by tag': [200, ({ app, name }) => app.fetch('HEAD', `/v2/${name}/manifests/v1`)],
  'pull by digest': [
    200,
    ({ app, name, image }) => app.fetch('GET', `/v2/${name}/manifests/${image.digest}`),
  ],
  'HEAD by digest': [
    200,
    ({ app, name, image }) => app.fetch('HEAD', `/v2/${name}/manifests/${image.digest}`),
  ],
  'pull of a blob': [200, ({ app, name, layer }) => app.fetch('GET', `/v2/${name}/blobs/${layer.digest}`)],
  'HEAD of a blob': [200, ({ app, name, layer }) => app.fetch('HEAD', `/v2/${name}/blobs/${layer.digest}`)],
  referrers: [200, ({ app, name, image }) => app.fetch('GET', `/v2/${name}/referrers/${image.digest}`)],

  'in the catalog': ['listed', ({ app, name }) => lists(app, '/v2/_catalog?n=1000', name)],
  'in the tags of OCI': ['listed', ({ app, name }) => lists(app, `/v2/${name}/tags/list`, 'v1')],
  'in the tags of ACR': [
    'listed',
    ({ app, name }) => lists(app, `/acr/v1/${name}/_tags?orderby=timedesc`, 'v1'),
  ],
  "in its manifest's tags": [
    'listed',
    ({ app, name, image }) => lists(app, `/acr/v1/${name}/_tags?digest=${image.digest}`, 'v1'),
  ],
  'in the manifests': [
    'listed',
    ({ app, name, image }) => lists(app, `/acr/v1/${name}/_manifests`, image.digest),
  ],
  'in the manifests by time': [
    'listed',
    ({ app, name, image }) => lists(app, `/acr/v1/${name}/_manifests?orderby=timeasc`, image.digest),
  ],
  'told as a repository': [200, ({ app, name }) => app.fetch('GET', `/acr/v1/${name}`)],
  'told as a tag': [200, ({ app, name }) => app.fetch('GET', `/acr/v1/${name}/_tags/v1`)],
  'told as a manifest': [
    200,
    ({ app, name, image }) => app.fetch('GET', `/acr/v1/${name}/_manifests/${image.digest}`),
  ],

  push: [201, (fixture) => put(fixture, 'v9', fixture.other)],
  'push again': [201, (fixture) => put(fixture, 'v1', fixture.image)],
  'move the tag': [201, (fixture) => put(fixture, 'v1', fixture.other)],
  'push under another tag': [201, (fixture) => put(fixture, 'v9', fixture.image)],
  'begin an upload': [202, ({ app, name }) => app.fetch('POST', `/v2/${name}/blobs/uploads/`)],
  'end an upload': [201, ({ app, ending, rest }) => app.fetch('PUT', ending, { body: rest })],
  'push a blob at once': [
    201,
    ({ app, name, layer }) =>
      app.fetch('POST', `/v2/${name}/blobs/uploads/?digest=${layer.digest}`, { body: layer.bytes }),
  ],
  'mount here': [
    201,
    async ({ app, name, rest }) => {
      const { digest } = await pushBlob(app, 'elsewhere', rest);
      return await app.fetch('POST', `/v2/${name}/blobs/uploads/?mount=${digest}&from=elsewhere`);
    },
  ],
  'mount from here': [
    201,
    ({ app, name, layer }) =>
      app.fetch('POST', `/v2/else/where/blobs/uploads/?mount=${layer.digest}&from=${name}`),
  ],

  untag: [202, ({ app, name }) => app.fetch('DELETE', `/acr/v1/${name}/_tags/v1`)],
  'delete the tag': [202, ({ app, name }) => app.fetch('DELETE', `/v2/${name}/manifests/v1`)],
  'delete the manifest': [
    202,
    ({ app, name, image }) => app.fetch('DELETE', `/v2/${name}/manifests/${image.digest}`),
  ],
  'delete a blob': [202, ({ app, name, layer }) => app.fetch('DELETE', `/v2/${name}/blobs/${layer.digest}`)],
  'delete the repository': [202, ({ app, name }) => app.fetch('DELETE', `/acr/v1/${name}`)],
  ...Object.fromEntries(
    OBJECTS.map((object) => [
      `unlock the ${object}`,
      [
        200,
        (fixture: Fixture) =>
          patch(fixture, object, Object.fromEntries(LOCKS.map((l) => [`${l}Enabled`, true]))),
      ],
    ]),
  ),
};

async function lists(app: TestApp, path: string, entry: string): Promise<boolean> {
  return (await (await app.fetch('GET', path)).text()).includes(`"${entry}"`);
}

async function put({ app, name }: Fixture, tag: string, { bytes }: Pushed): Promise<Response> {
  const headers = { 'content-type': IMAGE_TYPE };
  return await app.fetch('PUT', `/v2/${name}/manifests/${tag}`, { body: bytes, headers });
}

async function patch(
  { app, name, image }: Fixture,
  object: (typeof OBJECTS)[number],
  change: Readonly<Record<string, boolean>>,
): Promise<Response> {
  const path = { repository: '', tag: '/_tags/v1', manifest: `/_manifests/${image.digest}` }[object];
  return await app.fetch('PATCH', `/acr/v1/${name}${path}`, { body: JSON.stringify(change) });
}

function readTable() {
  const [, , ...lines] = TABLE.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => {
    const [path = '', ...groups] = line.split('|').map((part) => part.trim());
    return { path, cells: groups.flatMap((group) => group.split(/\s+/)) };
  });
}

const rows = readTable();
const locked = OBJECTS.flatMap((object, i) => LOCKS.map((lock, j) => ({ object, lock, column: i * 4 + j })));

test('the table of locks has a row for each path', () => {
  expect(rows.map(({ path, cells }) => [path, cells.length])).toEqual(
    Object.keys(PATHS).map((path) => [path, locked.length]),
  );
});

describe.each(adapters)('locks on %s', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await openTestApp({ adapter, settings: { downloads: 'proxy' } });
  });
  afterAll(() => app.close());

  test.each(locked)('$lock of the $object forbids what the table says', async ({ object, lock, column }) => {
    const found: string[] = [];
    const expected: string[] = [];
    for (const [i, { path, cells }] of rows.entries()) {
      // What no lock touches is slow to see twice.
      if (adapter === 'azure' && cells[column] === '.') continue;
      const [usual, run] = PATHS[path] ?? [];
      if (usual === undefined || !run) throw new Error(`no path ${path}`);
      const fixture = await prepare(app, `locks/${object}/${lock}/${i}`);
      const set = await patch(fixture, object, { [`${lock}Enabled`]: false });
      expect(set.status).toBe(200);
      const outcome = await run(fixture);
      found.push(`${path}: ${await tell(outcome, object)}`);
      expected.push(`${path}: ${cells[column] === '.' ? usual : cells[column]}`);
    }
    expect(found).toEqual(expected);
  });
});

/** The status; what is wrong with an answer that says that a lock forbids it, if anything is. */
async function tell(outcome: Response | boolean, object: string): Promise<string> {
  if (typeof outcome === 'boolean') return outcome ? 'listed' : '-';
  const text = await outcome.text();
  if (outcome.status !== 405 || text === '') return String(outcome.status);
  const { errors }: { errors: { code: string; message: string; detail: { reason: string } }[] } =
    JSON.parse(text);
  const [error] = errors;
  const fits =
    error?.code === 'REGISTRY_DISALLOWED_OPERATION' &&
    error.message === MESSAGE &&
    error.detail.reason.startsWith(`the ${object}`) &&
    error.detail.reason.includes('locked');
  return fits ? '405' : `405 with ${text}`;
}

async function prepare(app: TestApp, name: string): Promise<Fixture> {
  const layer = await pushBlob(app, name, noise(20));
  const image = await pushManifest(app, name, imageManifest(layer, [layer], { annotations: { name } }), 'v1');
  const other = await pushManifest(app, name, imageManifest(layer, []));
  const { digest, size, mediaType } = image;
  await pushManifest(app, name, imageManifest(layer, [], { subject: { digest, size, mediaType } }));
  const rest = noise(30);
  const ending = closing(await beginUpload(app, name), (await pushBlob(app, 'elsewhere', rest)).digest);
  return { app, name, layer, image, other, ending, rest };
}
