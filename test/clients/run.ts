import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { containerd } from './client/containerd.ts';
import { cosign } from './client/cosign.ts';
import { crane } from './client/crane.ts';
import { docker, dockerContainerd } from './client/docker.ts';
import { helm } from './client/helm.ts';
import { notation } from './client/notation.ts';
import { oras } from './client/oras.ts';
import { buildah, podman } from './client/podman.ts';
import { regctl } from './client/regctl.ts';
import { skopeo } from './client/skopeo.ts';
import { runCommand } from './command.ts';
import { Lab, OPERATIONS, type Client, type Operation, type Steps } from './lab.ts';
import { MODES, startServer } from './server.ts';
import { countCells, renderTable, type Cell, type Row } from './table.ts';

const CLIENTS: readonly Client[] = [
  docker,
  dockerContainerd,
  containerd,
  podman,
  buildah,
  skopeo,
  oras,
  crane,
  regctl,
  helm,
  cosign,
  notation,
];

const HELP = `Drives real clients against a registry and prints a table of what worked.

  --registry HOST:PORT  test this registry; else ours is started, once for each storage adapter
  --mode NAME           start ours with this adapter only: ${MODES.map((mode) => mode.name).join(', ')}
  --only A,B            these clients only: ${CLIENTS.map((client) => client.name).join(', ')}
  --out FILE            where the table goes (.cache/clients.md)
  --keep                keep the scratch directory
`;

type Run = {
  readonly mode: string;
  readonly registry: string;
  readonly directory: string;
  readonly tools: string;
  readonly signal: AbortSignal;
};

const repository = resolve(import.meta.dirname, '..', '..');
const { values } = parseArgs({
  options: {
    registry: { type: 'string' },
    mode: { type: 'string' },
    only: { type: 'string' },
    out: { type: 'string', default: join(repository, '.cache', 'clients.md') },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) process.stdout.write(HELP);
else process.exitCode = await main();

async function main(): Promise<number> {
  const started = performance.now();
  const only = values.only?.split(',');
  const chosen = CLIENTS.filter((client) => only?.includes(client.name) ?? true);
  const modes = MODES.filter((mode) => values.mode === undefined || mode.name === values.mode);
  if (chosen.length === 0 || modes.length === 0) throw new Error(`nothing to do\n${HELP}`);

  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  // Lower case throughout: podman derives the name of an image from the path of its layout.
  const directory = join(tmpdir(), `clients-${randomBytes(4).toString('hex')}`);
  await mkdir(directory, { mode: 0o700 });
  const base = { directory, tools: join(repository, '.cache', 'bin'), signal: stop.signal };
  const rows: Row[] = [];
  try {
    if (values.registry !== undefined) {
      rows.push(...(await runClients(chosen, { ...base, mode: 'given', registry: values.registry })));
    } else {
      for (const mode of modes) {
        const server = await startServer(mode, { repository, directory: join(directory, mode.name) });
        say(`registry: ${mode.name} on ${server.registry}`);
        try {
          rows.push(...(await runClients(chosen, { ...base, mode: mode.name, registry: server.registry })));
        } finally {
          await server.stop();
        }
      }
    }
  } finally {
    if (!values.keep) await clear(directory);
  }

  const table = renderTable(rows);
  await mkdir(resolve(values.out, '..'), { recursive: true });
  await writeFile(values.out, table);
  const { passed, failed } = countCells(rows);
  say(`\n${table}\n${seconds(started)} in all\nclients: ${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 || stop.signal.aborted ? 1 : 0;
}

async function runClients(clients: readonly Client[], run: Run): Promise<Row[]> {
  const rows: Row[] = [];
  for (const client of clients) {
    if (run.signal.aborted) break;
    rows.push(await runClient(client, run));
  }
  return rows;
}

/** Runs one client's operations in order. What it cannot even start counts as a failed push. */
async function runClient(client: Client, run: Run): Promise<Row> {
  const word = client.name.replaceAll(/[^a-z0-9]+/g, '-');
  const directory = join(run.directory, `${run.mode}-${word}`);
  const prefix = `t${randomBytes(3).toString('hex')}`;
  const lab = new Lab({ ...run, directory, prefix });
  const cells = new Map<Operation, Cell>();
  let version = '';
  try {
    await lab.folder();
    version = await client.version(lab);
    const steps = await client.open(lab);
    for (const operation of OPERATIONS) {
      const cell = await runStep(steps, operation);
      cells.set(operation, cell);
      if (cell.result === 'n/a') continue;
      const detail = cell.result === 'ok' ? `${cell.milliseconds} ms` : cell.reason;
      say(`${run.mode}: ${client.name}: ${operation}: ${cell.result} ${detail}`);
    }
  } catch (error) {
    cells.set('push', { result: 'FAILED', reason: reasonOf(error) });
    say(`${run.mode}: ${client.name}: FAILED to start: ${reasonOf(error)}`);
  } finally {
    await lab.close();
    if (!values.keep) await clear(directory);
  }
  return { mode: run.mode, client: client.name, version, cells };
}

async function runStep(steps: Steps, operation: Operation): Promise<Cell> {
  const step = steps[operation];
  if (step === undefined || typeof step === 'string') return { result: 'n/a', reason: step ?? '' };
  const started = performance.now();
  try {
    await step();
    return { result: 'ok', milliseconds: Math.round(performance.now() - started) };
  } catch (error) {
    return { result: 'FAILED', reason: reasonOf(error) };
  }
}

/** Removes a directory, and first what a client that failed may have left mounted in it. */
async function clear(directory: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1]);
  const inside = mounts.filter((path) => path?.startsWith(`${directory}/`) === true);
  for (const path of inside.toReversed()) {
    if (path === undefined) continue;
    await runCommand('umount', ['--lazy', path], { env: process.env, cwd: '/' }).catch(reasonOf);
  }
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

function seconds(since: number): string {
  return `${Math.round((performance.now() - since) / 1000)} s`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
