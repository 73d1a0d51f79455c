import { afterAll } from 'vitest';
import { updateRegistry } from '../../src/access/registry.ts';
import { currentPolicy } from '../../src/access/settings/policy.ts';
import { type App, type Parts, type Stores, createApp } from '../../src/app/compose.ts';
import type { Config } from '../../src/app/config.ts';
import { respond } from '../../src/app/http.ts';
import { type Authorize, authorizeAll } from '../../src/auth/authorize.ts';
import { openDisk } from '../../src/disk/open.ts';
import type { RegistryDocument } from '../../src/model/access.ts';
import type { RegistryName } from '../../src/model/names.ts';
import type { Context, Settings } from '../../src/store/context.ts';
import { type TestStorage, openAzurite } from './azurite.ts';
import { createChance } from './chance.ts';
import { freshRegistry } from './sample.ts';

/** Both storages, for `describe.each(adapters)`: what storage has a part in must hold on each. */
export const adapters = ['disk', 'azure'] as const;
export type Adapter = (typeof adapters)[number];

export interface TestAppOptions {
  /** `disk` in memory unless told. */
  readonly adapter?: Adapter;
  /** Storage that is open already: another app's, to stand for a second instance. Not closed with this app. */
  readonly stores?: Stores;
  /** Puts something before the ports: faults, counters, delays. */
  readonly wrap?: (stores: Stores) => Stores;
  readonly settings?: Partial<Settings>;
  readonly config?: Partial<Config>;
  /** What was set before of the registry's own settings. */
  readonly document?: Partial<RegistryDocument>;
  /** Who may do what; everybody everything unless told. */
  readonly authorize?: Authorize;
  /** Requires sign-in, as in production, with these keys and this directory. */
  readonly signIn?: Parts;
  /** The registry's name; a fresh one unless told. */
  readonly registry?: RegistryName;
  /** Largest staged piece, in bytes; small ones make many blocks of few bytes. */
  readonly blockSize?: number;
  /** Seed of all randomness; apps over the same stores must differ in it, as instances do. */
  readonly seed?: number;
  /** The clock of another app, to share its time. */
  readonly clock?: TestClock;
}

export interface TestClock {
  /** Milliseconds since 1970. Starts at the true time, since an emulator stamps its blobs with that. */
  readonly now: () => number;
  advance(milliseconds: number): void;
}

/** `content-length` is announced for bytes and text, not for streams, as HTTP clients do. */
export interface TestRequest {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array>;
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface TestApp {
  readonly app: App;
  readonly stores: Stores;
  readonly registry: RegistryName;
  readonly clock: TestClock;
  /** What was logged so far. */
  readonly logs: readonly LogLine[];
  /** Runs the work that was deferred so far, in its order; until then it waits, so that no test races with it. */
  settle(): Promise<void>;
  /** Answers a request without a socket; `path` may be a whole URL, such as a `Location`. Redirects are not followed. */
  fetch(method: string, path: string, request?: TestRequest): Promise<Response>;
  close(): Promise<void>;
}

/** The host name requests of tests arrive at. */
export const HOST = 'http://registry.test';
const UPLOAD_KEY = Buffer.alloc(32, 7);
const MIB = 1024 * 1024;

/** An app over storage of its own, with seeded randomness, a clock driven by hand and pauses that take no time. */
export async function openTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const registry = options.registry ?? freshRegistry();
  const clock = options.clock ?? createClock();
  const opened = options.stores ?? (await openStores(options, registry, clock));
  const stores = options.wrap ? options.wrap(opened) : opened;
  const chance = createChance(options.seed ?? (options.stores ? 2 : 1));
  const logs: LogLine[] = [];
  const deferred: (() => Promise<void>)[] = [];
  const context: Partial<Context> = {
    now: clock.now,
    random: (length) => chance.bytes(length),
    pause: () => Promise.resolve(),
    defer: (work) => void deferred.push(work),
    log: (level, message, fields = {}) => void logs.push({ level, message, fields }),
  };
  const created = createApp(configOf(options, registry), stores, context, options.signIn);
  const authorize = options.authorize ?? (options.signIn ? created.authorize : authorizeAll);
  const app = { ...created, authorize };
  // Fresh settings, as an instance has them nearly always: neither counted nor stepped nor made to fail.
  const direct = { ...created.context, records: opened.records };
  const { document } = options;
  if (document) await updateRegistry(direct, registry, (before) => ({ ...before, ...document }));
  if (!options.signIn) await currentPolicy(direct, registry);
  return {
    app,
    stores,
    registry,
    clock,
    logs,
    settle: async () => {
      for (let work = deferred.shift(); work; work = deferred.shift()) await work();
    },
    fetch: async (method, path, request = {}) => await respond(app, toRequest(method, path, request)),
    close: async () => {
      if (!options.stores) await opened.close();
    },
  };
}

function configOf({ settings, config, signIn }: TestAppOptions, registry: RegistryName): Config {
  return {
    // Never read: the keys come with `signIn`.
    ...(signIn && { auth: { keys: { kind: 'file', file: '' } } }),
    registries: [registry],
    storage: { kind: 'disk' },
    logRequests: false,
    ...config,
    settings: {
      region: 'test',
      uploadKey: UPLOAD_KEY,
      downloads: 'redirect',
      linkSeconds: 600,
      maxManifestBytes: 4 * MIB,
      uploadSeconds: 3600,
      sparseIndexes: false,
      ...settings,
    },
  };
}

/** A clock that stands still until told. */
export function createClock(start = Date.now()): TestClock {
  let time = start;
  return {
    now: () => time,
    advance(milliseconds) {
      time += milliseconds;
    },
  };
}

async function openStores(
  { adapter = 'disk', blockSize }: TestAppOptions,
  registry: RegistryName,
  { now }: TestClock,
): Promise<Stores> {
  if (adapter === 'disk') return await openDisk({ now, ...(blockSize && { blockSize }) });
  const storage = await emulator.open();
  await storage.prepare([registry]);
  const { records, work, blobs } = storage;
  return {
    records,
    work,
    blobs: { ...blobs, ...(blockSize && { blockSize }) },
    close: () => Promise.resolve(),
  };
}

function toRequest(method: string, path: string, { headers = {}, body }: TestRequest): Request {
  const url = new URL(path, HOST);
  if (body === undefined) return new Request(url, { method, headers });
  if (typeof body === 'string' || body instanceof Uint8Array) {
    const length = String(Buffer.byteLength(body));
    const content = typeof body === 'string' ? body : new Uint8Array(body);
    return new Request(url, { method, headers: { 'content-length': length, ...headers }, body: content });
  }
  return new Request(url, { method, headers, body: ReadableStream.from(body), duplex: 'half' });
}

/** One emulator serves a whole test file: starting it takes longer than most tests. */
const emulator = keepEmulator();

function keepEmulator() {
  let kept: Promise<TestStorage> | undefined;
  afterAll(async () => {
    await (await kept)?.close();
  });
  return { open: () => (kept ??= openAzurite()) };
}
