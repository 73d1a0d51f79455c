import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { inflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildApp } from '../infra/build.ts';
import type { Build } from '../infra/build.ts';
import { packageApp } from '../infra/package.ts';
import type { Package } from '../infra/package.ts';
import { startAzurite } from '../src/local/azurite.ts';
import { startFunctions } from './support/functions-host.ts';
import type { FunctionsHost } from './support/functions-host.ts';
import { noise, sameBytes } from './support/sample.ts';

const SETTINGS = {
  AUTHENTICATION: 'open',
  AZURE_FUNCTIONS_ENVIRONMENT: 'Development',
  UPLOAD_KEY: randomBytes(32).toString('base64'),
};
const DISK = { ...SETTINGS, STORAGE: 'disk' };

const FUNCTIONS = [
  { name: 'clean', type: 'timerTrigger', schedule: '0 47 2 * * *' },
  {
    name: 'functionary-jobs',
    type: 'queueTrigger',
    queue: 'functionary-jobs',
    connection: 'DATA',
  },
  {
    name: 'functionary-jobs-poison',
    type: 'queueTrigger',
    queue: 'functionary-jobs-poison',
    connection: 'DATA',
  },
  {
    name: 'http',
    type: 'httpTrigger',
    route: '{*path}',
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
  },
  { name: 'purge', type: 'timerTrigger', schedule: '0 */5 * * * *' },
  { name: 'sweep', type: 'timerTrigger', schedule: '0 17 3 * * *' },
];

let folder: string;
let built: Build;
let packed: Package;
let entry: string;

beforeAll(async () => {
  // Outside the checkout, so that nothing can be found in node_modules.
  folder = await mkdtemp(path.join(tmpdir(), 'functionary-bundle-'));
  const [first, second] = [path.join(folder, 'first'), path.join(folder, 'second')];
  built = await buildApp({ out: first });
  packed = await packageApp({ app: second, file: path.join(folder, 'app.zip') });
  entry = path.join(built.out, built.entry);
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

async function listFunctions(file: string): Promise<FunctionsHost['functions']> {
  const host = await startFunctions(file, { env: DISK });
  await host.close();
  return host.functions;
}

test('the bundle registers the same functions as its sources: the ones that infra counts on', async () => {
  const source = fileURLToPath(new URL('../functions/main.ts', import.meta.url));
  expect(await listFunctions(source)).toEqual(FUNCTIONS);
  expect(await listFunctions(entry)).toEqual(FUNCTIONS);
});

test('a cold start reads no SDK of Azure and no database, and less than 310 KiB', () => {
  const held = built.eager.flatMap(({ holds }) => holds);
  expect(held.filter((name) => name.startsWith('@azure/'))).toEqual([
    '@azure/functions',
    '@azure/functions-extensions-base',
  ]);
  expect(held).not.toContain('src/disk');
  // Absent from Node before 22.5.
  expect(built.eager.flatMap(({ expects }) => expects)).not.toContain('node:sqlite');
  expect(built.lazy.flatMap(({ expects }) => expects)).toContain('node:sqlite');
  expect(built.eager.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(310 * 1024);
});

test('the package is the same to the byte when built again', async () => {
  const again = await packageApp({ app: path.join(folder, 'third'), file: path.join(folder, 'again.zip') });
  expect(sameBytes(again.bytes, packed.bytes)).toBe(true);
});

test('the package runs after unpacking, and needs no node_modules', async () => {
  const target = path.join(folder, 'unpacked');
  const files = unzip(await readFile(packed.file));
  for (const [name, bytes] of files) {
    await mkdir(path.dirname(path.join(target, name)), { recursive: true });
    await writeFile(path.join(target, name), bytes);
  }
  expect([...files.keys()].filter((name) => /node_modules|\.map$|\.ts$/.test(name))).toEqual([]);
  expect([...files.keys()]).toContain('host.json');
  const { main }: { main?: unknown } = JSON.parse(String(files.get('package.json')));
  const host = await startFunctions(path.join(target, String(main)), { env: DISK });
  try {
    expect(host.functions).toEqual(FUNCTIONS);
    expect((await host.fetch('/v2/')).status).toBe(200);
  } finally {
    await host.close();
  }
});

test('an app with a bad setting answers 503 and tells the log which one, and nobody its value', async () => {
  const host = await startFunctions(entry, { env: { ...DISK, UPLOAD_KEY: 'c2VjcmV0' } });
  try {
    const answer = await host.fetch('/v2/');
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ errors: [{ code: 'UNAVAILABLE', detail: null }] });
    await expect(host.invoke('functionary-jobs', { kind: 'discard' })).rejects.toThrow(/UPLOAD_KEY/);
    const errors = host.logs.filter(({ level }) => level === 'error').map(({ message }) => message);
    expect(errors.join()).toContain('UPLOAD_KEY');
    expect(errors.join()).not.toContain('c2VjcmV0');
  } finally {
    await host.close();
  }
});

const adapters = {
  disk: async () => await Promise.resolve({ env: DISK, stop: async () => await Promise.resolve() }),
  azure: async () => {
    const azurite = await startAzurite();
    const { options } = azurite;
    if (options.credential.kind !== 'key') throw new Error('the emulator has a key');
    const { account, key } = options.credential;
    const DATA = [
      `AccountName=${account}`,
      `AccountKey=${key}`,
      `BlobEndpoint=${options.blobEndpoint}`,
      `QueueEndpoint=${options.queueEndpoint}`,
      `TableEndpoint=${options.tableEndpoint}`,
    ].join(';');
    return { env: { ...SETTINGS, DATA }, stop: async () => await azurite.stop() };
  },
};

describe.each(['disk', 'azure'] as const)('the bundle over %s', (adapter) => {
  let host: FunctionsHost;
  let stop: () => Promise<void>;

  beforeAll(async () => {
    const opened = await adapters[adapter]();
    stop = opened.stop;
    host = await startFunctions(entry, { env: opened.env });
  });
  afterAll(async () => {
    await host.close();
    await stop();
  });

  test('answers the version check', async () => {
    const answer = await host.fetch('/v2/');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('docker-distribution-api-version')).toBe('registry/2.0');
    expect(answer.headers.has('content-length')).toBe(true);
  });

  test('takes an image in chunks and gives it back', async () => {
    const layer = noise(3_000_000);
    const config = new TextEncoder().encode('{}');
    const digests = [await push(host, layer), await push(host, config)];
    expect(await push(host, layer, 3)).toBe(digests[0]);
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', size: 2, digest: digests[1] },
      layers: [
        { mediaType: 'application/vnd.oci.image.layer.v1.tar', size: layer.length, digest: digests[0] },
      ],
    });
    const put = await host.fetch('/v2/a/b/manifests/latest', {
      method: 'PUT',
      headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
      body: manifest,
    });
    expect(put.status).toBe(201);

    const head = await host.fetch('/v2/a/b/manifests/latest', { method: 'HEAD' });
    expect(head.headers.get('docker-content-digest')).toBe(digestOf(Buffer.from(manifest)));
    expect(head.headers.get('content-length')).toBe(String(Buffer.byteLength(manifest)));
    expect(await head.text()).toBe('');
    expect(await (await host.fetch('/v2/a/b/manifests/latest')).text()).toBe(manifest);

    const answer = await host.fetch(`/v2/a/b/blobs/${digests[0]}`);
    expect(answer.status).toBe(adapter === 'azure' ? 307 : 200);
    const location = answer.headers.get('location');
    const content = location === null ? answer : await fetch(location);
    expect(sameBytes(new Uint8Array(await content.arrayBuffer()), layer)).toBe(true);
  });

  test.for([
    ['/v2/a/b/manifests/none', 404, 'MANIFEST_UNKNOWN'],
    ['/v2/a/b/blobs/sha256:short', 400, 'DIGEST_INVALID'],
    ['/v2/%zz/manifests/x', 400, 'UNSUPPORTED'],
    ['/v2/?Headers=%7B%22authorization%22%3A%22x%22%7D', 400, 'UNSUPPORTED'],
    ['/v2/_catalog?query=x', 400, 'UNSUPPORTED'],
    ['/none', 404, 'UNSUPPORTED'],
  ] as const)('answers %s with %i in the OCI form', async ([target, status, code]) => {
    const answer = await host.fetch(target);
    expect(answer.status).toBe(status);
    const text = await answer.text();
    expect(JSON.parse(text)).toMatchObject({ errors: [{ code }] });
    expect(answer.headers.get('content-length')).toBe(String(text.length));
  });

  test('runs its queue job and its timer', async () => {
    await host.invoke('functionary-jobs', { kind: 'unheard of' });
    await host.invoke('functionary-jobs-poison', { kind: 'given up' });
    await host.invoke('sweep', { schedule: {} });
    expect(host.logs.some(({ message }) => message.includes('given up'))).toBe(true);
  });
});

/**
 * Pushes in `pieces` PATCHes without a length, then an empty PUT: as `docker push` does when it is one, and with more as
 * clients that split layers do.
 */
async function push(host: FunctionsHost, bytes: Uint8Array, pieces = 1): Promise<string> {
  let last = await host.fetch('/v2/a/b/blobs/uploads/', { method: 'POST' });
  expect(last.status).toBe(202);
  const size = Math.ceil(bytes.length / pieces);
  for (let from = 0; from < bytes.length; from += size) {
    const piece = bytes.subarray(from, from + size);
    const body = new ReadableStream({
      start(controller) {
        for (let at = 0; at < piece.length; at += 65_536) controller.enqueue(piece.subarray(at, at + 65_536));
        controller.close();
      },
    });
    const headers = { 'content-range': `${from}-${from + piece.length - 1}` };
    last = await host.fetch(locationOf(host, last), { method: 'PATCH', headers, body, duplex: 'half' });
    expect(last.status).toBe(202);
  }
  const digest = digestOf(bytes);
  const target = new URL(locationOf(host, last), host.url);
  target.searchParams.set('digest', digest);
  const put = await host.fetch(target.pathname + target.search, { method: 'PUT' });
  expect(put.status).toBe(201);
  expect(put.headers.get('docker-content-digest')).toBe(digest);
  return digest;
}

function locationOf(host: FunctionsHost, answer: Response): string {
  const { pathname, search } = new URL(answer.headers.get('location') ?? '', host.url);
  return pathname + search;
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Reads a ZIP by its central directory, as the platform does. */
function unzip(archive: Buffer): Map<string, Buffer> {
  const end = archive.lastIndexOf('PK\u0005\u0006');
  const files = new Map<string, Buffer>();
  let at = archive.readUInt32LE(end + 16);
  for (let left = archive.readUInt16LE(end + 10); left > 0; left -= 1) {
    const [packedSize, size] = [archive.readUInt32LE(at + 20), archive.readUInt32LE(at + 24)];
    const nameEnd = at + 46 + archive.readUInt16LE(at + 28);
    const local = archive.readUInt32LE(at + 42);
    const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
    const bytes = inflateRawSync(archive.subarray(start, start + packedSize));
    if (bytes.length !== size) throw new Error('a packed file has another size');
    files.set(archive.toString('utf8', at + 46, nameEnd), bytes);
    at = nameEnd + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  return files;
}
