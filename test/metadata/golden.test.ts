import { readFile } from 'node:fs/promises';
import { beforeAll, expect, test } from 'vitest';
import { type Lab, basic, openLab } from '../auth/lab.ts';
import { type Pushed, pushBlob, pushManifest } from '../support/push.ts';
import { noise } from '../support/sample.ts';

const IMAGE = 'application/vnd.docker.distribution.manifest.v2+json';
const LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const CONFIG = 'application/vnd.docker.container.image.v1+json';
const NAME = 'a/b';
const CLIENT_ID = '6c7b1c0e-5a2b-4f6c-9d51-3f1d8f9a2b44';

/** A recorded answer; a header that is null is not there. */
interface Recording {
  readonly name: string;
  /** The admin user unless told. */
  readonly as?: 'nobody' | 'reader';
  /** Method and path; `{name}` stands for the digest of what was pushed under that name. */
  readonly request: string;
  readonly send?: unknown;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | null>>;
  readonly body?: unknown;
  readonly text?: string;
}

const { common, answers }: { common: Record<string, string>; answers: Recording[] } = JSON.parse(
  await readFile(new URL('golden/answers.json', import.meta.url), 'utf8'),
);

/** What placeholders stand for. */
const FORMS: Readonly<Record<string, string>> = {
  time: String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z`,
  digest: 'sha256:[0-9a-f]{64}',
  guid: '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}',
  host: String.raw`registry\.test`,
  origin: 'https://registry\\.test',
  tag: '[a-z]+',
  rate: String.raw`\d+(\.\d+)?`,
  jwt: String.raw`[\w-]+\.[\w-]+\.[\w-]+`,
  plain: 'text/plain(; charset=utf-8)?',
  query: String.raw`at=[^&]+&last=sha256%3A[0-9a-f]{64}&n=1&orderby=timeasc`,
  'client-id': CLIENT_ID,
};

/** Fields that this registry tells besides: a repository's bytes, and of a token what Docker's specification wants. */
const ADDED = new Set(['size', 'token', 'expires_in']);

/** Whether a text is as recorded. */
function sameText(recorded: string, ours: string): boolean {
  const parts = recorded.split(/<([a-z-]+)>/);
  const pattern = parts.map((part, i) => (i % 2 === 1 ? (FORMS[part] ?? `<${part}>`) : RegExp.escape(part)));
  return new RegExp(`^${pattern.join('')}$`).test(ours);
}

/** What differs from the recording, each by its path: names and order of fields, their types, texts and numbers. */
function differences(recorded: unknown, ours: unknown, path = ''): string[] {
  if (recorded === '<any>') return ours === undefined ? [`${path} is not there`] : [];
  if (recorded === '<object>') return isFields(ours) ? [] : [`${path} is ${JSON.stringify(ours)}`];
  if (typeof recorded === 'string' && typeof ours === 'string' && sameText(recorded, ours)) return [];
  if (Array.isArray(recorded) && Array.isArray(ours) && recorded.length === ours.length) {
    return recorded.flatMap((one, i) => differences(one, ours[i], `${path}[${i}]`));
  }
  if (isFields(recorded) && isFields(ours)) {
    const names = Object.keys(recorded);
    const own = Object.keys(ours).filter((name) => names.includes(name) || !ADDED.has(name));
    if (names.join() !== own.join()) return [`${path} has ${own.join()}, not ${names.join()}`];
    return names.flatMap((name) => differences(recorded[name], ours[name], `${path}.${name}`));
  }
  return Object.is(recorded, ours)
    ? []
    : [`${path} is ${JSON.stringify(ours)}, not ${JSON.stringify(recorded)}`];
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function plain({ mediaType, digest, size }: Pushed) {
  return { mediaType, digest, size };
}

function child(image: Pushed, architecture: string) {
  return { ...plain(image), platform: { architecture, os: 'linux' } };
}

let lab: Lab;
let headersOf: Readonly<Record<'admin' | 'reader' | 'nobody', Record<string, string>>>;
const digests: Record<string, string> = {};

beforeAll(async () => {
  lab = await openLab({
    config: {
      publicUrl: 'https://registry.test',
      guard: { proxies: { platform: false, ranges: [] }, rateLimits: true, audit: false },
    },
  });
  const admin = basic(await lab.admin());
  headersOf = {
    admin: { authorization: admin },
    reader: { authorization: basic(await lab.token('reader', ['repositories/*/content/read'])) },
    nobody: {},
  };
  // As a client that signed in: the helpers of tests know no credentials.
  const app = {
    ...lab,
    fetch: (method: string, path: string, request: Parameters<Lab['fetch']>[2] = {}) =>
      lab.fetch(method, path, { ...request, headers: { authorization: admin, ...request.headers } }),
  };
  const image = async (architecture: string, sizes: readonly number[], tag?: string): Promise<Pushed> => {
    const config = await pushBlob(
      app,
      NAME,
      Buffer.from(JSON.stringify({ architecture, os: 'linux' })),
      CONFIG,
    );
    const layers = [];
    for (const size of sizes) layers.push(await pushBlob(app, NAME, noise(size)));
    const fields = { schemaVersion: 2, mediaType: IMAGE, config: plain(config), layers: layers.map(plain) };
    lab.clock.advance(1000);
    return await pushManifest(app, NAME, fields, tag);
  };
  const latest = await image('amd64', [3000, 2325], 'latest');
  const untagged = await image('arm64', [1000]);
  const scanned = await image('s390x', [2000], 'scanned');
  const manifests = [child(latest, 'amd64'), child(untagged, 'arm64')];
  const index = await pushManifest(app, NAME, { schemaVersion: 2, mediaType: LIST, manifests }, 'index');
  Object.assign(digests, {
    untagged: untagged.digest,
    scanned: scanned.digest,
    index: index.digest,
  });
  const details = JSON.stringify({ state: 'scan passed', link: 'https://scanner.example' });
  const verdict = { quarantineState: 'Passed', quarantineDetails: details };
  const told = await lab.fetch('PATCH', `/acr/v1/${NAME}/_manifests/${scanned.digest}`, {
    headers: { authorization: basic(await lab.principal(['AcrQuarantineWriter'])) },
    body: JSON.stringify(verdict),
  });
  if (told.status !== 200) throw new Error(await told.text());
  return () => lab.close();
});

// In their order: some lock, unlock and delete.
test.each(answers)('ACR and this registry answer alike: $name', async (recording) => {
  const [method = '', path = ''] = recording.request
    .replace(/\{(\w+)\}/, (_, name: string) => digests[name] ?? '')
    .split(' ');
  const answer = await lab.fetch(method, path, {
    headers: { ...headersOf[recording.as ?? 'admin'], 'x-ms-client-request-id': CLIENT_ID },
    ...(recording.send !== undefined && { body: JSON.stringify(recording.send) }),
  });
  const text = await answer.text();
  const found: string[] = [];
  for (const [name, value] of Object.entries({ ...common, ...recording.headers })) {
    const ours = answer.headers.get(name);
    if (value === null || ours === null ? value !== ours : !sameText(value, ours))
      found.push(`${name}: ${ours}, not ${value}`);
  }
  if (recording.text !== undefined) found.push(...differences(recording.text, text));
  else found.push(...differences(recording.body, JSON.parse(text)));
  expect([answer.status, found]).toEqual([recording.status, []]);
});
