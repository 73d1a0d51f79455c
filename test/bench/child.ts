import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';

const pollMilliseconds = 5;
const startSeconds = 60;
const stopSeconds = 10;

/** A server in a process of its own, answering on loopback. */
export interface Server {
  /** `http://127.0.0.1:PORT`, no slash at the end. */
  readonly url: string;
  readonly pid: number;
  /** Milliseconds from starting the process to its first whole answer. */
  readonly startMilliseconds: number;
  stop(): Promise<void>;
}

export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly port: number;
  /** What to ask until it answers with any status below 500. */
  readonly path: string;
}

/** Starts the process and waits for its first answer. Throws, with what it wrote, when it ends or stays silent. */
export async function startServer(server: ServerCommand): Promise<Server> {
  const started = performance.now();
  const child = spawn(server.command, [...server.args], {
    env: { ...process.env, ...server.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const written = lastWords(child);
  // A command that cannot be started has no pid; 'error' then says why, and the loop below sees it.
  const failure: { error?: Error } = {};
  child.on('error', (error) => {
    failure.error = error;
  });
  const url = `http://127.0.0.1:${server.port}`;
  for (;;) {
    if (await answers(`${url}${server.path}`)) break;
    const late = performance.now() - started > startSeconds * 1000;
    if (failure.error !== undefined || child.exitCode !== null || late) {
      await stopChild(child);
      throw new Error(`${server.command} did not start: ${failure.error?.message ?? written()}`);
    }
    await wait(pollMilliseconds);
  }
  return {
    url,
    pid: child.pid ?? 0,
    startMilliseconds: performance.now() - started,
    stop: () => stopChild(child),
  };
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

/** Most memory the process ever held, in bytes; undefined where the system does not tell. */
export async function peakMemory(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/** Processor seconds the process has used, in user and system mode; undefined where the system does not tell. */
export async function processorSeconds(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name, in brackets, may hold spaces: count fields after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const user = Number(fields[11]);
  const system = Number(fields[12]);
  const ticks = user + system;
  return stat === '' || Number.isNaN(ticks) ? undefined : ticks / 100;
}

async function answers(url: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const asked = request(url, { agent: false, timeout: 5000 }, (answer) => {
    answer.resume();
    answer.on('end', () => resolve((answer.statusCode ?? 500) < 500));
    answer.on('error', () => resolve(false));
  });
  asked.on('error', () => resolve(false));
  asked.on('timeout', () => asked.destroy());
  asked.end();
  return await promise;
}

function lastWords(child: ChildProcess): () => string {
  let text = '';
  const keep = (piece: Buffer) => {
    text = (text + piece.toString()).slice(-2000);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  return () => text.trim();
}

/** Asks the process to end, and after some seconds ends it. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const patience = setTimeout(() => child.kill('SIGKILL'), stopSeconds * 1000);
  await ended;
  clearTimeout(patience);
}
