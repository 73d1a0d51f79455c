import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { BlobServiceClient } from '@azure/storage-blob';
import type { ContainerClient } from '@azure/storage-blob';
import type { AzureOptions } from '../../src/azure/account.ts';
import { stopChild } from './child.ts';

const services = ['blob', 'queue', 'table'] as const;
export type StorageService = (typeof services)[number];
export type StoragePorts = Readonly<Record<StorageService, number>>;

export interface Account {
  readonly name: string;
  readonly key: string;
}

/** One Azurite process that every registry on Azurite uses. */
export interface Emulator {
  readonly pid: number;
  readonly account: Account;
  readonly ports: StoragePorts;
  stop(): Promise<void>;
}

export async function startEmulator(directory: string): Promise<Emulator> {
  const child = fork(fileURLToPath(new URL('emulator.ts', import.meta.url)), [directory]);
  const ended = once(child, 'exit').then(() => {
    throw new Error('the storage emulator did not start');
  });
  const [options]: AzureOptions[] = await Promise.race([once(child, 'message'), ended]);
  ended.catch(() => undefined);
  if (options?.credential.kind !== 'key') throw new Error('the storage emulator has an account key');
  return {
    pid: child.pid ?? 0,
    account: { name: options.credential.account, key: options.credential.key },
    ports: {
      blob: portOf(options.blobEndpoint),
      queue: portOf(options.queueEndpoint),
      table: portOf(options.tableEndpoint),
    },
    stop: () => stopChild(child),
  };
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

export function endpoint(account: Account, port: number): string {
  return `http://127.0.0.1:${port}/${account.name}`;
}

export function connectionString(account: Account, ports: StoragePorts): string {
  return [
    'DefaultEndpointsProtocol=http',
    `AccountName=${account.name}`,
    `AccountKey=${account.key}`,
    `BlobEndpoint=${endpoint(account, ports.blob)}`,
    `QueueEndpoint=${endpoint(account, ports.queue)}`,
    `TableEndpoint=${endpoint(account, ports.table)}`,
  ].join(';');
}

export function container(emulator: Emulator, name: string): ContainerClient {
  const text = connectionString(emulator.account, emulator.ports);
  return BlobServiceClient.fromConnectionString(text).getContainerClient(name);
}

/** Stands before the emulator and counts requests. */
export interface StorageCounter {
  readonly ports: StoragePorts;
  /** Requests since the last `reset`, without the polling of queues. */
  count(): number;
  reset(): void;
  close(): Promise<void>;
}

export async function startCounter(behind: StoragePorts): Promise<StorageCounter> {
  let count = 0;
  const servers = services.map((service) =>
    createServer((asked, answer) => {
      // A local host asks its queues for work all the time, whatever the API call.
      const polling = service === 'queue' && asked.method === 'GET';
      if (!polling) count += 1;
      const passed = request(
        {
          host: '127.0.0.1',
          port: behind[service],
          method: asked.method,
          path: asked.url,
          headers: asked.headers,
        },
        (got) => {
          answer.writeHead(got.statusCode ?? 502, got.headers);
          got.pipe(answer);
        },
      );
      passed.on('error', () => answer.destroy());
      asked.pipe(passed);
    }),
  );
  const ports: number[] = [];
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the counter has no port');
    ports.push(address.port);
  }
  const [blob = 0, queue = 0, table = 0] = ports;
  return {
    ports: { blob, queue, table },
    count: () => count,
    reset: () => {
      count = 0;
    },
    close: async () => {
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
      }
    },
  };
}
