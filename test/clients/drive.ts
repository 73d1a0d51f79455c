import { randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { runCommand } from './lab/command.ts';
import { Lab, OPERATIONS, type Client, type Operation, type Steps } from './lab/lab.ts';
import type { Cell, Row } from './table.ts';

export type Drive = {
  /** Which registry this is, in a word or two. */
  readonly mode: string;
  /** `host:port`. */
  readonly registry: string;
  /** Bytes go to another host, and the registry itself takes small bodies only. */
  readonly uploadHost: boolean;
  /** Scratch space. */
  readonly directory: string;
  /** Where built tools lie. */
  readonly tools: string;
  /** Leave the scratch space as it is at the end. */
  readonly keep: boolean;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
};

/** Runs one client's operations in order. What it cannot even start counts as a failed push. */
export async function driveClient(client: Client, drive: Drive): Promise<Row> {
  const { mode, say } = drive;
  const directory = join(drive.directory, `${mode}-${client.name}`.replaceAll(' ', '-'));
  const limited = drive.uploadHost && client.sameHost === true;
  const lab = new Lab({ ...drive, directory, limited, prefix: `t${randomBytes(3).toString('hex')}` });
  const cells = new Map<Operation, Cell>();
  let version = '';
  try {
    await lab.folder();
    version = await client.version(lab);
    const steps = await client.open(lab);
    for (const operation of OPERATIONS) {
      const cell =
        cells.get('push')?.result === 'FAILED' ? skipStep(steps, operation) : await runStep(steps[operation]);
      cells.set(operation, cell);
      if (cell.result === 'n/a') continue;
      const detail = cell.result === 'ok' ? `${cell.milliseconds} ms` : cell.reason;
      say(`${mode}: ${client.name}: ${operation}: ${cell.result} ${detail}`);
    }
  } catch (error) {
    cells.set('push', { result: 'FAILED', reason: reasonOf(error) });
    say(`${mode}: ${client.name}: FAILED to start: ${reasonOf(error)}`);
  } finally {
    await lab.close();
    if (!drive.keep) await clear(directory);
  }
  return { mode, client: client.name, version, cells };
}

/** Removes a directory, and first what a client that failed may have left mounted in it. */
export async function clear(directory: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1]);
  for (const path of mounts.toReversed()) {
    if (path === undefined || !path.startsWith(`${directory}/`)) continue;
    await runCommand('umount', ['--lazy', path], { env: process.env, cwd: '/' }).catch(reasonOf);
  }
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
}

/** What went wrong, in at most 1,500 characters. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return `${error.message}${cause}`.slice(0, 1500);
}

/** Runs one step of a client; undefined for one that it does not have. */
export async function runStep(step: (() => Promise<void>) | undefined): Promise<Cell> {
  if (step === undefined) return { result: 'n/a' };
  const started = performance.now();
  try {
    await step();
    return { result: 'ok', milliseconds: Math.round(performance.now() - started) };
  } catch (error) {
    return { result: 'FAILED', reason: reasonOf(error) };
  }
}

function skipStep(steps: Steps, operation: Operation): Cell {
  return steps[operation]
    ? { result: 'FAILED', reason: 'not tried, since the push failed' }
    : { result: 'n/a' };
}
