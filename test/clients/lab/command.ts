import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';

/** How to run one program. `timeoutMs` defaults to three minutes. */
export type CommandOptions = {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
};

export type Output = { readonly stdout: string; readonly stderr: string };

/** A program that could not be started, ended otherwise than by exit 0, or took too long. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
}

/** Runs a program to its end without a shell and gives what it wrote. Throws `CommandFailed`. */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<Output> {
  const child = spawn(program, args, { cwd: options.cwd, env: options.env, stdio: 'pipe' });
  const limit = AbortSignal.timeout(options.timeoutMs ?? 180_000);
  const stop = AbortSignal.any(options.signal ? [limit, options.signal] : [limit]);
  const kill = (): void => void child.kill('SIGKILL');
  stop.addEventListener('abort', kill, { once: true });
  const pieces = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  child.stdout.on('data', (piece: Buffer) => pieces.stdout.push(piece));
  child.stderr.on('data', (piece: Buffer) => pieces.stderr.push(piece));
  // A program may end without reading its input; that is no fault of its own.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');

  const ended = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal ?? String(code)));
  });
  stop.removeEventListener('abort', kill);

  const stdout = Buffer.concat(pieces.stdout).toString();
  const stderr = Buffer.concat(pieces.stderr).toString();
  if (ended !== '0' || stop.aborted) {
    const reason = limit.aborted ? 'timed out' : `ended with ${ended}`;
    const said = `${stderr}\n${stdout}`.trim().split('\n').slice(-12).join('\n');
    throw new CommandFailed(`${[program, ...args].join(' ')}: ${reason}\n${said}`);
  }
  return { stdout, stderr };
}

/** A program that runs beside the tests until it is stopped. */
export type Daemon = {
  readonly log: string;
  /** Sends SIGTERM and waits; SIGKILL after 20 s. Gives the exit code, or null if a signal ended it. */
  stop(): Promise<number | null>;
};

/**
 * Starts a program and waits until `ready` is true of what it has written so far.
 * Throws `CommandFailed`, with the end of its log, when it ends or `timeoutMs` (60 s) pass before that.
 */
export async function startDaemon(
  program: string,
  args: readonly string[],
  options: CommandOptions & { readonly log: string; readonly ready: (log: string) => Promise<boolean> },
): Promise<Daemon> {
  const sink = createWriteStream(options.log);
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.pipe(sink, { end: false });
  child.stderr.pipe(sink, { end: false });
  let failed = '';
  child.once('error', (error) => (failed = error.message));

  const daemon: Daemon = { log: options.log, stop: async () => await stopChild(child) };
  const deadline = Date.now() + (options.timeoutMs ?? 60_000);
  for (;;) {
    const written = await readFile(options.log, 'utf8').catch(() => '');
    const ended = failed !== '' || child.exitCode !== null || child.signalCode !== null;
    if (!ended && (await options.ready(written))) return daemon;
    if (ended || Date.now() > deadline || options.signal?.aborted === true) {
      await daemon.stop();
      throw new CommandFailed(`${program} did not start: ${failed}\n${written.slice(-2000)}`);
    }
    await wait(100);
  }
}

async function stopChild(child: ChildProcess): Promise<number | null> {
  if (child.pid === undefined) return null;
  if (child.exitCode === null && child.signalCode === null) {
    const closed = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await closed;
    clearTimeout(timer);
  }
  return child.exitCode;
}
