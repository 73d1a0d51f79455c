import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type Authorize, authorizeAll } from '../auth/authorize.ts';
import { createStamps } from '../model/stamp.ts';
import type { Blobs } from '../store/blobs.ts';
import type { Context, Log } from '../store/context.ts';
import type { Records } from '../store/records.ts';
import type { Work } from '../store/work.ts';
import { type Config, type Environment, type StorageConfig, readConfig } from './config.ts';

/** The running registry: what hosts hand their requests and jobs to. */
export interface App {
  readonly config: Config;
  readonly context: Context;
  readonly authorize: Authorize;
  close(): Promise<void>;
}

/** The ports, whichever adapter stands behind them. */
export interface Stores {
  readonly records: Records;
  readonly blobs: Blobs;
  readonly work: Work;
  close(): Promise<void>;
}

/** Reads the settings and opens storage. Throws an Error that names the setting at fault. */
export async function openApp(env: Environment): Promise<App> {
  const config = readConfig(env);
  return createApp(config, await openStores(config.storage, config.registries));
}

/** An app over stores that are open already; tests pass their own, and their own time and randomness. */
export function createApp(config: Config, stores: Stores, replaced: Partial<Context> = {}): App {
  const now = replaced.now ?? Date.now;
  const context: Context = {
    records: stores.records,
    blobs: stores.blobs,
    work: stores.work,
    settings: config.settings,
    now,
    stamp: createStamps(now, config.settings.region),
    random: (bytes) => randomBytes(bytes),
    log: logLine,
    pause: (milliseconds) => pause(milliseconds),
    recentUploads: new Map(),
    registryCache: new Map(),
    ...replaced,
  };
  return { config, context, authorize: authorizeAll, close: () => stores.close() };
}

/** Adapters are loaded only when used: their libraries are most of a cold start (reference "Cold-start levers"). */
async function openStores(storage: StorageConfig, registries: Config['registries']): Promise<Stores> {
  if (storage.kind === 'disk') {
    const { openDisk } = await import('../disk/open.ts');
    return await openDisk(storage.dir === undefined ? {} : { dir: storage.dir });
  }
  const { openAzure } = await import('../azure/account.ts');
  const stores = openAzure(storage.options);
  // Real accounts are prepared by infra; an emulator starts empty.
  if (storage.options.credential.kind === 'key') await stores.prepare(registries);
  return { ...stores, close: () => Promise.resolve() };
}

const logLine: Log = (level, message, fields) => {
  process.stderr.write(`${JSON.stringify({ level, message, ...fields })}\n`);
};
