import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer } from 'node:http';
import type { Server } from 'node:http';
import { fileURLToPath } from 'node:url';
import { forward } from './functions-proxy.ts';
import type { FromWorker, Invocation, Metadata, RpcData } from './functions-worker.ts';

/** What a function is started by, in one form for all triggers. */
export interface LoadedFunction {
  readonly name: string;
  readonly type: string;
  readonly route?: string;
  readonly methods?: readonly string[];
  readonly queue?: string;
  readonly connection?: string;
  readonly schedule?: string;
}

export interface FunctionsHost {
  /** Sorted by name. */
  readonly functions: readonly LoadedFunction[];
  /** Where the HTTP function answers, on loopback; ends without a slash. */
  readonly url: string;
  /** What the application logged or printed, oldest first. */
  readonly logs: readonly { readonly level: string; readonly message: string }[];
  /** As a client would, redirects not followed. `path` starts with a slash. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Hands a queue message or a timer's tick to the function of that name; rejects when the function fails. */
  invoke(name: string, body: unknown): Promise<void>;
  close(): Promise<void>;
}

export interface HostOptions {
  /** The whole environment of the process, but for PATH. */
  readonly env?: Readonly<Record<string, string>>;
  /** The Node to run it with; this one when left out. */
  readonly node?: string;
}

/**
 * Loads a Functions entry (source or bundle) in a child process and puts before it what the Functions host does with
 * HTTP streams. Rejects when the entry cannot be loaded; on Azure that would be an app with no functions at all.
 */
export async function startFunctions(entry: string, options: HostOptions = {}): Promise<FunctionsHost> {
  const child = fork(fileURLToPath(new URL('functions-worker.ts', import.meta.url)), [entry], {
    env: { PATH: process.env['PATH'], ...options.env },
    execArgv: [],
    execPath: options.node ?? process.execPath,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const worker = new Worker(child);
  try {
    const { functions, httpUri } = await worker.loaded;
    const agent = new Agent({ keepAlive: true });
    const server = createServer((request, response) => {
      const call = { invocationId: randomUUID(), functions, httpUri, agent };
      forward(request, response, { ...call, invoke: async (invocation) => await worker.invoke(invocation) });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${portOf(server)}`;
    return {
      functions: functions.map(describe).toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      url,
      logs: worker.logs,
      fetch: async (path, init) => await fetch(url + path, { redirect: 'manual', ...init }),
      invoke: async (name, body) => {
        const data: RpcData = { string: typeof body === 'string' ? body : JSON.stringify(body) };
        await worker.invoke({ id: randomUUID(), name, data, triggerMetadata: {} });
      },
      close: async () => {
        server.closeAllConnections();
        server.close();
        agent.destroy();
        await worker.stop();
      },
    };
  } catch (error) {
    await worker.stop();
    throw error;
  }
}

interface Loaded {
  readonly functions: readonly Metadata[];
  readonly httpUri: string;
}

class Worker {
  readonly logs: { level: string; message: string }[] = [];
  readonly loaded: Promise<Loaded>;
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #running = new Map<string, (error: string | undefined) => void>();

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#exit = once(child, 'exit');
    const { promise, resolve, reject } = Promise.withResolvers<Loaded>();
    this.loaded = promise;
    child.on('message', (message: FromWorker) => {
      switch (message.kind) {
        case 'loaded':
          if (message.httpUri === undefined) reject(new Error('the entry did not switch HTTP streams on'));
          else resolve({ functions: message.functions, httpUri: message.httpUri });
          return;
        case 'failed':
          reject(new Error(message.error));
          return;
        case 'log':
          this.logs.push({ level: message.level, message: message.message });
          return;
        case 'done':
          this.#running.get(message.id)?.(message.error);
          this.#running.delete(message.id);
          return;
      }
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream
        ?.setEncoding('utf8')
        .on('data', (message: string) => this.logs.push({ level: 'print', message }));
    }
    child.once('exit', (code) => {
      reject(new Error(`the worker ended with ${code}`));
      for (const settle of this.#running.values()) settle(`the worker ended with ${code}`);
    });
  }

  async invoke(invocation: Invocation): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.#running.set(invocation.id, resolve);
    this.#child.send(invocation);
    const error = await promise;
    if (error !== undefined) throw new Error(error);
  }

  async stop(): Promise<void> {
    this.#child.kill();
    await this.#exit;
  }
}

function describe({ name, bindings }: Metadata): LoadedFunction {
  const trigger = Object.values(bindings).find((binding) => binding.direction === 'in');
  const { type, route, methods, queueName, connection, schedule } = trigger ?? {
    type: 'none',
    direction: 'in',
  };
  return {
    name,
    type,
    ...(typeof route === 'string' && { route }),
    ...(Array.isArray(methods) && { methods: methods.map(String) }),
    ...(typeof queueName === 'string' && { queue: queueName }),
    ...(typeof connection === 'string' && { connection }),
    ...(typeof schedule === 'string' && { schedule }),
  };
}

export function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server is not listening');
  return address.port;
}
