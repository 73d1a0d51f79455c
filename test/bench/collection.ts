import { fork } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes, randomInt } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createApp } from '../../src/app/compose.ts';
import { readConfig } from '../../src/app/config.ts';
import { openDisk } from '../../src/disk/open.ts';
import { type Collected, collect } from '../../src/lifecycle/collect/collect.ts';
import { digestOf } from '../../src/model/digest.ts';
import { parseManifest } from '../../src/model/manifest.ts';
import { type Repository, parseRepositoryName, parseTag } from '../../src/model/names.ts';
import { NO_POLICY } from '../../src/model/policy/policy.ts';
import { publishBlob } from '../../src/registry/blobs.ts';
import { putManifest } from '../../src/registry/change/push.ts';
import type { Context } from '../../src/store/context.ts';
import { timedId } from '../../src/store/ids.ts';
import { median } from './table.ts';

const usage = `Measures the collection of a large registry on a directory: time, memory and storage calls.

node test/bench/collection.ts [--manifests N,...]    10000,100000 unless told`;

const TYPE = 'application/vnd.oci.image.manifest.v1+json';
const DAY_MS = 86_400_000;
/** Manifests of a repository. */
const EACH = 100;
/** Repositories filled at once: their writes share the waits for the disk. */
const AT_ONCE = 64;
const SAMPLE_MS = 20;
const data = fileURLToPath(new URL('../../.cache/collection-data', import.meta.url));
const cause = { id: 'bench', host: '', method: '', userAgent: '', actor: '' };

async function open(ahead = 0) {
  const config = readConfig({
    STORAGE: 'disk',
    AUTHENTICATION: 'open',
    FUNCTIONARY_LOOPBACK: 'true',
    UPLOAD_KEY: randomBytes(32).toString('base64'),
  });
  const stores = await openDisk({ dir: data });
  const { context } = createApp(config, stores, { now: () => Date.now() + ahead, log: () => undefined });
  const [registry] = config.registries;
  return { context, registry, close: () => stores.close() };
}

/** Fills a registry by the core's own functions: each manifest has a config, a layer of its own, and a shared one. */
async function seed(manifests: number): Promise<void> {
  const { context, registry, close } = await open();
  const left = Array.from({ length: manifests / EACH }, (_, i) => ({
    registry,
    name: parseRepositoryName(`team${i % 10}/app${i}`),
  }));
  const fill = async () => {
    for (let one = left.pop(); one; one = left.pop()) await fillRepository(context, one);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, fill));
  await close();
}

async function fillRepository(ctx: Context, repository: Repository): Promise<void> {
  const shared = await bring(ctx, repository, Buffer.from(`base of ${repository.name}`));
  for (let i = 0; i < EACH; i++) {
    const [config, layer] = await Promise.all([
      bring(ctx, repository, randomBytes(32)),
      bring(ctx, repository, randomBytes(64)),
    ]);
    const bytes = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: TYPE, config, layers: [shared, layer] }),
    );
    const manifest = parseManifest(bytes, TYPE);
    await putManifest(ctx, repository, manifest, [parseTag(`v${i}`)], NO_POLICY, cause);
  }
  // One blob in twenty or so is garbage.
  for (let i = 0; i < EACH / 10; i++) await bring(ctx, repository, randomBytes(64));
}

async function bring(ctx: Context, repository: Repository, bytes: Uint8Array) {
  const name = timedId(ctx);
  const digest = digestOf(bytes);
  await ctx.blobs.put({ registry: repository.registry, name }, bytes, digest);
  await publishBlob(ctx, repository, digest, name, bytes.length);
  return { mediaType: 'application/x', digest, size: bytes.length };
}

/** In megabytes: the most of the heap, of memory besides, and of the process beyond mapped files. */
interface Memory {
  readonly heap: number;
  readonly buffers: number;
  readonly process: number;
}

async function measured<T>(act: () => Promise<T>): Promise<{ value: T; memory: Memory; stalls: number }> {
  const most = { heap: 0, buffers: 0, process: 0 };
  let stalls = 0;
  let last = performance.now();
  const sample = () => {
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    most.heap = Math.max(most.heap, heapUsed / 1e6);
    most.buffers = Math.max(most.buffers, arrayBuffers / 1e6);
    stalls = Math.max(stalls, performance.now() - last - SAMPLE_MS);
    last = performance.now();
  };
  const timer = setInterval(sample, SAMPLE_MS);
  try {
    const value = await act();
    sample();
    most.process = (await anonymous()) / 1e6;
    return { value, memory: most, stalls };
  } finally {
    clearInterval(timer);
  }
}

/** Resident bytes of the process that are no pages of mapped files; 0 where the system does not tell. */
async function anonymous(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

/** In a process of its own each, so that memory is of the collection alone. */
async function fillAndMeasure(manifests: number): Promise<void> {
  await rm(data, { recursive: true, force: true });
  const start = performance.now();
  await inChild('--seed', manifests);
  tell(`${manifests.toLocaleString('en')} manifests, made in ${seconds(performance.now() - start)} s`);
  await inChild('--measure', manifests);
  await rm(data, { recursive: true, force: true });
}

async function inChild(task: string, manifests: number): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), [task, String(manifests)]);
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`${task} failed`);
}

async function measure(manifests: number): Promise<void> {
  const { context, registry, close } = await open(2 * DAY_MS);
  tell(`  memory before: process ${((await anonymous()) / 1e6).toFixed(0)} MB`);
  show('dry run', await whole(() => collect(context, registry, { dryRun: true })), manifests);
  show('garbage freed, cut short at random', await interrupted(context, registry, manifests), manifests);
  const rest: Measured[] = [];
  for (let i = 0; i < 3; i++) rest.push(await whole(() => collect(context, registry)));
  const middle = median(rest.map(({ milliseconds }) => milliseconds));
  for (const one of rest.slice(-1)) show('nothing to free', { ...one, milliseconds: middle }, manifests);
  await close();
}

interface Measured {
  readonly runs: number;
  readonly milliseconds: number;
  readonly calls: number;
  readonly freed: number;
  readonly memory: Memory;
  readonly stalls: number;
}

async function whole(act: () => Promise<Collected>): Promise<Measured> {
  const start = performance.now();
  const { value, memory, stalls } = await measured(act);
  const { calls, blobs } = value.totals;
  if (!value.finished) throw new Error('a collection did not finish');
  return { runs: 1, milliseconds: performance.now() - start, calls, freed: blobs, memory, stalls };
}

/** Cut short at random, again and again, until it has come through. */
async function interrupted(
  context: Context,
  registry: Repository['registry'],
  manifests: number,
): Promise<Measured> {
  const start = performance.now();
  const sum = { runs: 0, calls: 0, freed: 0 };
  const { memory, stalls } = await measured(async () => {
    for (let finished = false; !finished;) {
      const one = await collect(context, registry, { calls: randomInt(100, Math.max(200, manifests / 20)) });
      ({ finished } = one);
      sum.runs++;
      sum.calls += one.totals.calls;
      sum.freed += one.totals.blobs;
    }
  });
  return { ...sum, milliseconds: performance.now() - start, memory, stalls };
}

function show(
  what: string,
  { runs, milliseconds, calls, freed, memory, stalls }: Measured,
  manifests: number,
) {
  const { heap, buffers, process: own } = memory;
  tell(
    `  ${what}: ${runs} run${runs === 1 ? '' : 's'}, ${seconds(milliseconds)} s, ${calls.toLocaleString('en')} calls ` +
      `(${((calls / manifests) * 1000).toFixed(1)} per 1,000 manifests), ${freed.toLocaleString('en')} blobs that nothing needs; ` +
      `heap ${heap.toFixed(0)}, buffers ${buffers.toFixed(0)}, process ${own.toFixed(0)} MB; ` +
      `longest stall ${stalls.toFixed(0)} ms`,
  );
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(1);
}

function tell(text: string): void {
  process.stdout.write(`${text}\n`);
}

const { values } = parseArgs({
  options: {
    manifests: { type: 'string', default: '10000,100000' },
    seed: { type: 'string' },
    measure: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) tell(usage);
else if (values.seed !== undefined) await seed(Number(values.seed));
else if (values.measure !== undefined) await measure(Number(values.measure));
else for (const count of values.manifests.split(',')) await fillAndMeasure(Number(count));
