import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type App, type Stores, createApp } from '../../src/app/compose.ts';
import { readConfig } from '../../src/app/config.ts';
import { openAzure } from '../../src/azure/account.ts';
import { openDisk } from '../../src/disk/open.ts';
import { startAzurite } from '../../src/local/azurite.ts';
import { listen } from '../../src/local/server.ts';
import type { RegistryName } from '../../src/model/names.ts';

export const storages = ['disk', 'emulator'] as const;
export type Storage = (typeof storages)[number];

/** How much faster time goes for the registry than for us: a day is 40 seconds, and with it all that depends on days. */
const SPEED = 2160;
const HOUR_MS = 3_600_000;
/** Twelve seconds of ours, which no upload here takes. */
const UPLOAD_SECONDS = 6 * 3600;

/** Instances of the registry over one storage, each behind a socket. */
export interface Ground {
  readonly stores: Stores;
  readonly registry: RegistryName;
  readonly instances: readonly { readonly app: App; readonly url: string }[];
  /** Lets so many hours of the registry's pass at once. */
  readonly pass: (hours: number) => void;
  stop(): Promise<void>;
}

export async function openGround(storage: Storage, count: number): Promise<Ground> {
  const clock = openClock();
  const config = readConfig({
    STORAGE: 'disk',
    AUTHENTICATION: 'open',
    FUNCTIONARY_LOOPBACK: 'true',
    UPLOAD_KEY: Buffer.alloc(32, 7).toString('base64'),
    UPLOAD_SECONDS: String(UPLOAD_SECONDS),
    // Signed links expire by storage's clock.
    DOWNLOADS: 'proxy',
  });
  const [registry] = config.registries;
  const { stores, stop } = await (storage === 'disk' ? onDisk(clock.now) : onEmulator(registry));
  // What happens is told at the end, not line by line; errors are answered with 5xx, which are counted.
  const apps = Array.from({ length: count }, () =>
    createApp(config, stores, { now: clock.now, log: () => undefined }),
  );
  const servers = await Promise.all(apps.map((app) => listen(app, '127.0.0.1', 0)));
  return {
    stores,
    registry,
    instances: apps.map((app, i) => ({ app, url: servers[i]?.url ?? '' })),
    pass: clock.pass,
    async stop() {
      await Promise.all(servers.map((server) => server.stop()));
      await stop();
    },
  };
}

function openClock() {
  const start = Date.now();
  let passed = 0;
  return {
    now: () => start + Math.floor((Date.now() - start) * SPEED) + passed,
    pass: (hours: number) => {
      passed += hours * HOUR_MS;
    },
  };
}

interface Opened {
  readonly stores: Stores;
  readonly stop: () => Promise<void>;
}

async function onDisk(now: () => number): Promise<Opened> {
  const dir = await mkdtemp(join(tmpdir(), 'soak-'));
  const stores = await openDisk({ dir, now });
  return {
    stores,
    async stop() {
      await stores.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function onEmulator(registry: RegistryName): Promise<Opened> {
  const azurite = await startAzurite();
  const storage = openAzure(azurite.options);
  await storage.prepare([registry]);
  return { stores: { ...storage, close: () => Promise.resolve() }, stop: () => azurite.stop() };
}
