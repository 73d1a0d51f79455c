import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type Authorize, authorizeAll, createAuthorize } from '../auth/authorize.ts';
import { openEntra } from '../auth/entra.ts';
import type { Entra } from '../auth/openid/directory.ts';
import { openTokens } from '../auth/jwt.ts';
import { openKeyRing } from '../auth/keys.ts';
import { currentRegistry } from '../access/registry.ts';
import { policyOf } from '../access/settings/policy.ts';
import { noteGrowth } from '../lifecycle/usage/growth.ts';
import { isFull } from '../lifecycle/usage/registry.ts';
import type { RegistryName } from '../model/names.ts';
import type { Policy } from '../model/policy/policy.ts';
import type { KeyStore } from '../store/keys.ts';
import type { Auth } from '../auth/sign-in.ts';
import { openThrottle } from '../guard/throttle.ts';
import { openDeferred } from './deferred.ts';
import { openKeyStore } from './keys.ts';
import { type Gate, openGate } from './gate.ts';
import { createStamps } from '../model/stamp.ts';
import type { Blobs } from '../store/blobs.ts';
import { BoundedMap, type Context, type Log } from '../store/context.ts';
import type { Records } from '../store/records.ts';
import type { Work } from '../store/work.ts';
import { type AuthConfig, type Config, type Environment, type StorageConfig, readConfig } from './config.ts';

/** Entries of each cache. */
const CACHED = 10_000;

/** The running registry: what hosts hand their requests and jobs to. */
export interface App {
  readonly config: Config;
  readonly context: Context;
  readonly authorize: Authorize;
  readonly gate: Gate;
  /** What a registry's settings demand; no storage call while they are fresh. */
  readonly policy: (registry: RegistryName) => Promise<Policy>;
  /** Undefined where sign-in is not required. */
  readonly auth: Auth | undefined;
  /** Waits for deferred work, then closes storage. */
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

/** What tests put in the place of what lies outside. */
export interface Parts {
  readonly keys?: KeyStore;
  readonly entra?: Entra;
}

/** An app over stores that are open already; tests pass their own, and their own time and randomness. */
export function createApp(
  config: Config,
  stores: Stores,
  replaced: Partial<Context> = {},
  parts: Parts = {},
): App {
  const now = replaced.now ?? Date.now;
  const { defer, settle } = openDeferred(replaced.log ?? logLine);
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
    recentUploads: new BoundedMap(CACHED),
    registryCache: new Map(),
    linkCache: new BoundedMap(CACHED),
    factsCache: new BoundedMap(CACHED),
    pullCache: new BoundedMap(CACHED),
    growth: new Map(),
    grew: (registry, bytes) => noteGrowth(context, registry, bytes),
    defer,
    ...replaced,
  };
  const auth = config.auth && openAuth(context, config.auth, parts);
  const authorize = auth ? createAuthorize(auth) : authorizeAll;
  const gate = openGate(context, config);
  const policy = async (registry: RegistryName): Promise<Policy> => {
    const document = await currentRegistry(context, registry);
    return {
      ...policyOf(document),
      // Asked by pushes alone: pulls need not know.
      get full() {
        return isFull(context, registry, document.sku);
      },
    };
  };
  const close = async () => {
    await settle();
    await stores.close();
  };
  return { config, context, auth, authorize, gate, policy, close };
}

function openAuth(ctx: Context, config: AuthConfig, parts: Parts): Auth {
  const ring = openKeyRing(ctx, parts.keys ?? openKeyStore(config.keys));
  return {
    ctx,
    ring,
    tokens: openTokens(ctx, ring),
    entra: parts.entra ?? (config.entra && openEntra(ctx, config.entra)),
    throttle: openThrottle(ctx),
  };
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
  // The Functions host takes whatever comes on stderr for an error.
  const stream = level === 'error' ? process.stderr : process.stdout;
  stream.write(`${JSON.stringify({ level, message, ...fields })}\n`);
};
