import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import type { AzureOptions } from '../../src/azure/account.ts';
import { startAzurite } from '../../src/local/azurite.ts';
import { startDaemon } from './lab/command.ts';

export type Server = {
  /** `host:port`. */
  readonly registry: string;
  /** Stops it by SIGTERM. Throws unless it ended cleanly, by exit code 0. */
  stop(): Promise<void>;
};

export type ServerOptions = {
  /** The root of this checkout. */
  readonly repository: string;
  /** Where its data and its log go. */
  readonly directory: string;
  /** More options of the program. */
  readonly args?: readonly string[];
};

/** One way to start our registry, on free ports of the loopback. */
export type Mode = {
  readonly name: string;
  /** Upload bytes go to a host of their own. */
  readonly uploadHost: boolean;
  readonly start: (options: ServerOptions) => Promise<Server>;
};

/** Storage by the Azure adapter, over the embedded emulator: what `npm start` gives. */
const AZURE: Mode = {
  name: 'azure',
  uploadHost: false,
  start: async (options) =>
    await startProgram('registry', ['--data', join(options.directory, 'data')], options),
};

/** Storage in a directory. */
const DISK: Mode = {
  name: 'disk',
  uploadHost: false,
  start: async (options) =>
    await startProgram('registry', ['--disk', join(options.directory, 'data')], options),
};

/** Layers go to a second process over the same storage, for the first one refuses bodies above 4 MiB. */
const UPLOAD_HOST: Mode = { name: 'upload host', uploadHost: true, start: startPair };

export const MODES: readonly Mode[] = [AZURE, DISK, UPLOAD_HOST];

/** The modes that differ in storage. */
export const ADAPTERS: readonly Mode[] = [AZURE, DISK];

async function startPair(options: ServerOptions): Promise<Server> {
  await mkdir(options.directory, { recursive: true });
  const azurite = await startAzurite({ dir: join(options.directory, 'azurite') });
  const env = { DATA: connection(azurite.options), UPLOAD_KEY: randomBytes(32).toString('base64') };
  const running: Server[] = [];
  const stop = async (): Promise<void> => {
    try {
      for (const server of running.toReversed()) await server.stop();
    } finally {
      await azurite.stop();
    }
  };
  try {
    const account = ['--account', '--data', join(options.directory, 'data')];
    const host = await startProgram('upload-host', account, options, env);
    running.push(host);
    const more = ['--max-body', String(4 * 1024 * 1024), '--upload-endpoint', `http://${host.registry}`];
    const front = await startProgram('registry', [...account, ...more], options, env);
    running.push(front);
    return { registry: front.registry, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startProgram(
  name: string,
  args: readonly string[],
  options: ServerOptions,
  env: NodeJS.ProcessEnv = {},
): Promise<Server> {
  await mkdir(join(options.directory, 'data'), { recursive: true });
  const program = join(options.repository, 'src', 'local', 'main.ts');
  let registry = '';
  const all = [program, '--port', '0', '--open', ...args, ...(options.args ?? [])];
  const daemon = await startDaemon(process.execPath, all, {
    cwd: options.repository,
    env: { ...process.env, ...env },
    log: join(options.directory, `${name}.log`),
    ready: async (log) => {
      registry = /listening on http:\/\/(\S+:\d+)/.exec(log)?.[1] ?? '';
      return await Promise.resolve(registry !== '');
    },
  });
  const stop = async (): Promise<void> => {
    const code = await daemon.stop();
    if (code !== 0) throw new Error(`the ${name} ended with ${code} instead of 0 after SIGTERM`);
  };
  return { registry, stop };
}

function connection({ blobEndpoint, tableEndpoint, queueEndpoint, credential }: AzureOptions): string {
  if (credential.kind !== 'key') throw new Error('the emulator gave no key');
  const key = `AccountName=${credential.account};AccountKey=${credential.key}`;
  return `${key};BlobEndpoint=${blobEndpoint};TableEndpoint=${tableEndpoint};QueueEndpoint=${queueEndpoint}`;
}
