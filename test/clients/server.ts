import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
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
  /** Clients must sign in. */
  readonly guarded?: boolean;
  /** Where a guarded one keeps its data: in a directory, unless told otherwise. */
  readonly storage?: 'disk' | 'azure';
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

/** A registry that asks for sign-in, with the login of its admin user. */
export type GuardedServer = Server & {
  readonly admin: { readonly username: string; readonly password: string };
};

/** Sign-in required, `env` besides. */
export async function startGuarded(options: ServerOptions, env: NodeJS.ProcessEnv): Promise<GuardedServer> {
  const args = [options.storage === 'azure' ? '--data' : '--disk', join(options.directory, 'data')];
  const server = await startProgram('registry', args, { ...options, guarded: true }, env);
  const log = await readFile(join(options.directory, 'registry.log'), 'utf8');
  const [, username, password] = /docker login \S+ --username (\S+) --password (\S+)/.exec(log) ?? [];
  if (username !== undefined && password !== undefined) return { ...server, admin: { username, password } };
  await server.stop();
  throw new Error(`the registry told no login: ${log.slice(0, 1000)}`);
}

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
  const open = options.guarded === true ? [] : ['--open'];
  const all = [program, '--port', '0', ...open, ...args, ...(options.args ?? [])];
  const daemon = await startDaemon(process.execPath, all, {
    cwd: options.repository,
    env: { ...process.env, ...env },
    log: join(options.directory, `${name}.log`),
    ready: async (log) => {
      registry = /listening on https?:\/\/(\S+:\d+)/.exec(log)?.[1] ?? '';
      // What follows in the same piece of its log comes with it.
      return await Promise.resolve(registry !== '' && log.includes('docker push'));
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
