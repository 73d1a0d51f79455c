import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { AzuriteOrder, AzuriteStarted } from './azurite.ts';

interface Server {
  start(): Promise<void>;
  /** Writes what is only in memory, so it must be waited for. */
  close(): Promise<void>;
  getHttpServerAddress(): string;
}

/** Azurite has no public interface for other programs; these are the classes that its own command starts. */
interface Modules {
  readonly Configuration: new (...settings: unknown[]) => object;
  readonly Server: new (configuration: object) => Server;
}

const load = createRequire(import.meta.url);

function modules(service: 'blob' | 'queue' | 'table', name: string): Modules {
  const from = (file: string) => load(`azurite/dist/src/${service}/${name}${file}.js`);
  return { Configuration: from('Configuration').default, Server: from('Server').default };
}

/** Seconds that an idle connection stays open: longer than clients keep one, so that none dies under a request. */
const KEEP_ALIVE = 60;

function open(order: AzuriteOrder): { blob: Server; queue: Server; table: Server } {
  const { host, dir } = order;
  const path = (name: string) => join(dir ?? '', name);
  const inMemory = dir === undefined;
  const extents = (service: string) => [
    { locationId: 'Default', locationPath: path(`${service}-bytes`), maxConcurrency: 50 },
  ];
  // Positions as in version 3.37.0, which package.json pins. No access log, no debug log, no certificate; API versions
  // unchecked, because the SDKs may be newer.
  const noLogs = [false, undefined, false, undefined];
  const unchecked = [false, true, '', '', '', undefined, false, inMemory];
  const blob = modules('blob', 'Blob');
  const queue = modules('queue', 'Queue');
  const table = modules('table', 'Table');
  return {
    blob: new blob.Server(
      new blob.Configuration(
        host,
        order.blobPort,
        KEEP_ALIVE,
        path('blobs.json'),
        path('blob-extents.json'),
        extents('blob'),
        ...noLogs,
        ...unchecked,
      ),
    ),
    queue: new queue.Server(
      new queue.Configuration(
        host,
        order.queuePort,
        KEEP_ALIVE,
        path('queues.json'),
        path('queue-extents.json'),
        extents('queue'),
        ...noLogs,
        ...unchecked,
      ),
    ),
    table: new table.Server(
      new table.Configuration(
        host,
        order.tablePort,
        KEEP_ALIVE,
        path('tables.json'),
        false,
        false,
        undefined,
        undefined,
        ...unchecked,
      ),
    ),
  };
}

function portOf(server: Server): number {
  return Number(new URL(server.getHttpServerAddress()).port);
}

const port = parentPort;
if (!port) throw new Error('this file is the worker of azurite.ts');
const order: AzuriteOrder = workerData;
const { blob, queue, table } = open(order);
await Promise.all([blob.start(), queue.start(), table.start()]);
const started: AzuriteStarted = {
  blobPort: portOf(blob),
  queuePort: portOf(queue),
  tablePort: portOf(table),
};
port.once('message', () => {
  void Promise.all([blob.close(), queue.close(), table.close()]).then(() => process.exit(0));
});
port.postMessage(started);
