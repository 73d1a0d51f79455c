import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { startDaemon } from './command.ts';

/** One way to start our registry. */
export type Mode = { readonly name: string; args(data: string): readonly string[] };

/** Both storage adapters of the local host. */
export const MODES: readonly Mode[] = [
  { name: 'azure', args: (data) => ['--data', data] },
  { name: 'disk', args: (data) => ['--disk', data] },
];

export type Server = {
  /** `host:port`. */
  readonly registry: string;
  /** Stops it by SIGTERM. Throws unless it ended cleanly, by exit code 0. */
  stop(): Promise<void>;
};

export type ServerOptions = { readonly repository: string; readonly directory: string };

/** Starts the registry of this checkout on a free port of the loopback, with its data in `directory`. */
export async function startServer(mode: Mode, options: ServerOptions): Promise<Server> {
  const data = join(options.directory, 'data');
  await mkdir(data, { recursive: true });
  const program = join(options.repository, 'src', 'local', 'main.ts');
  let registry = '';
  const daemon = await startDaemon(process.execPath, [program, '--port', '0', ...mode.args(data)], {
    cwd: options.repository,
    env: process.env,
    log: join(options.directory, 'registry.log'),
    ready: async (log) => {
      registry = /listening on http:\/\/(\S+:\d+)/.exec(log)?.[1] ?? '';
      return await Promise.resolve(registry !== '');
    },
  });
  const stop = async (): Promise<void> => {
    const code = await daemon.stop();
    if (code !== 0) throw new Error(`the registry ended with ${code} instead of 0 after SIGTERM`);
  };
  return { registry, stop };
}
