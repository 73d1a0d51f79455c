import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, startServer } from './child.ts';
import type { Server } from './child.ts';
import { connectionString, endpoint } from './storage.ts';
import type { Account, StoragePorts } from './storage.ts';

export const columns = [
  'ours-azurite',
  'distribution-azurite',
  'ours-disk',
  'distribution-disk',
  'zot-disk',
] as const;
export type Column = (typeof columns)[number];

/** How a registry on Azurite serves blobs: a redirect to storage, or the bytes. On disk there is only the second. */
export type Downloads = 'redirect' | 'proxy';

/** What starting any contender needs. */
export interface Ground {
  /** Where contenders keep data. */
  readonly directory: string;
  readonly programs: Partial<Record<'distribution' | 'zot', string>>;
  readonly account: Account;
}

const localHost = fileURLToPath(new URL('../../src/local/main.ts', import.meta.url));
export const distributionContainer = 'distribution';

/** Starts a contender over its own data. `ports` are of the shared Azurite, or of a counter before it. */
export async function startContender(
  ground: Ground,
  column: Column,
  downloads: Downloads,
  ports: StoragePorts,
): Promise<Server> {
  const port = await freePort();
  const directory = join(ground.directory, column);
  await mkdir(directory, { recursive: true });
  switch (column) {
    case 'ours-azurite':
      return await startOurs(port, ['--account', '--data', directory, '--downloads', downloads], {
        DATA: connectionString(ground.account, ports),
      });
    case 'ours-disk':
      return await startOurs(port, ['--disk', directory], {});
    case 'distribution-azurite':
      return await startDistribution(ground, directory, port, azureDriver(ground.account, ports, downloads));
    case 'distribution-disk':
      return await startDistribution(ground, directory, port, [
        '  filesystem:',
        `    rootdirectory: ${JSON.stringify(join(directory, 'data'))}`,
      ]);
    case 'zot-disk':
      return await startZot(ground, directory, port);
  }
}

/** Ours as `npm start` runs it: the emulator inside the server's process, data in a directory. */
export async function startEmbedded(directory: string): Promise<Server> {
  return await startOurs(await freePort(), ['--data', directory], {});
}

async function startOurs(
  port: number,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Server> {
  return await startServer({
    command: process.execPath,
    args: [localHost, '--open', '--port', String(port), ...args],
    env,
    port,
    path: '/v2/',
  });
}

function azureDriver(account: Account, ports: StoragePorts, downloads: Downloads): string[] {
  return [
    '  azure:',
    `    accountname: ${account.name}`,
    `    accountkey: ${account.key}`,
    `    container: ${distributionContainer}`,
    // Undocumented, and the only way to an emulator.
    `    serviceurl: ${endpoint(account, ports.blob)}`,
    '    credentials:',
    '      type: shared_key',
    '  redirect:',
    `    disable: ${downloads === 'proxy'}`,
  ];
}

async function startDistribution(
  ground: Ground,
  directory: string,
  port: number,
  storage: readonly string[],
): Promise<Server> {
  const file = join(directory, `config-${port}.yml`);
  // The cache and the tag concurrency are those of its own example configuration.
  const lines = [
    'version: 0.1',
    'log:',
    '  level: error',
    '  accesslog:',
    '    disabled: true',
    'storage:',
    ...storage,
    '  cache:',
    '    blobdescriptor: inmemory',
    '  tag:',
    '    concurrencylimit: 8',
    '  delete:',
    '    enabled: true',
    'http:',
    `  addr: 127.0.0.1:${port}`,
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  return await startServer({
    command: program(ground, 'distribution'),
    args: ['serve', file],
    env: { OTEL_TRACES_EXPORTER: 'none' },
    port,
    path: '/v2/',
  });
}

async function startZot(ground: Ground, directory: string, port: number): Promise<Server> {
  const file = join(directory, 'config.json');
  const config = {
    distSpecVersion: '1.1.1',
    storage: { rootDirectory: join(directory, 'data'), gc: false },
    http: { address: '127.0.0.1', port: String(port) },
    log: { level: 'error' },
  };
  await writeFile(file, JSON.stringify(config));
  return await startServer({
    command: program(ground, 'zot'),
    args: ['serve', file],
    port,
    path: '/v2/',
  });
}

function program(ground: Ground, peer: 'distribution' | 'zot'): string {
  const found = ground.programs[peer];
  if (found === undefined) throw new Error(`${peer} is not available`);
  return found;
}
