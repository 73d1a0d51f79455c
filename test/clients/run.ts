import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
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
import { clear, driveClient, reasonOf, type Drive } from './drive.ts';
import { OPERATIONS, type Client } from './lab/lab.ts';
import { MODES, type Mode, type Server } from './server.ts';
import { SIGN_INS, SIGN_IN_CLIENTS, driveSignIns } from './sign-in/drive.ts';
import { countCells, renderTable, type Row } from './table.ts';

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

  --registry HOST:PORT  test this registry; else ours is started, once in each mode
  --suite NAME          one suite only: operations (all that clients do, everybody let in) or sign-in (every way of
                        signing in, at one of ours that asks for it; not with --registry)
  --mode NAME           start ours in this mode only: ${MODES.map((mode) => mode.name).join(', ')}
  --only A,B            these clients only: ${CLIENTS.map((client) => client.name).join(', ')}
  --tools DIR           where programs built from Go modules lie (.cache/bin)
  --out FILE            where the table goes (.cache/clients.md)
  --keep                keep the scratch directory
`;

const repository = resolve(import.meta.dirname, '..', '..');
const { values } = parseArgs({
  options: {
    registry: { type: 'string' },
    suite: { type: 'string' },
    mode: { type: 'string' },
    only: { type: 'string' },
    tools: { type: 'string', default: join(repository, '.cache', 'bin') },
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
  const clients = CLIENTS.filter((client) => only?.includes(client.name) ?? true);
  const guests = SIGN_IN_CLIENTS.filter(({ client }) => only?.includes(client.name) ?? true);
  const suites = (['operations', 'sign-in'] as const).filter(
    (suite) => values.suite === undefined || values.suite === suite,
  );
  const modes = MODES.filter((mode) => values.mode === undefined || mode.name === values.mode);
  if (clients.length === 0 || modes.length === 0 || suites.length === 0) {
    say(HELP);
    return 2;
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  // Lower case throughout: podman derives the name of an image from the path of its layout.
  const directory = join(tmpdir(), `clients-${randomBytes(4).toString('hex')}`);
  await mkdir(directory, { mode: 0o700 });
  const common = { directory, tools: resolve(values.tools), keep: values.keep, signal: stop.signal, say };
  const rows: Row[] = [];
  const signIns: Row[] = [];
  try {
    if (suites.includes('operations')) rows.push(...(await driveOperations(clients, modes, common)));
    if (suites.includes('sign-in') && values.registry === undefined && values.mode === undefined) {
      signIns.push(...(await driveSignIns(guests, { ...common, repository })));
    }
  } finally {
    if (!values.keep) await clear(directory);
  }

  const table = [
    ...(rows.length > 0 ? [renderTable(rows, OPERATIONS)] : []),
    ...(signIns.length > 0 ? [renderTable(signIns, SIGN_INS)] : []),
  ].join('\n');
  await mkdir(resolve(values.out, '..'), { recursive: true });
  await writeFile(values.out, table);
  const { passed, failed } = countCells([...rows, ...signIns]);
  const took = Math.round((performance.now() - started) / 1000);
  say(`\n${table}\n${took} s in all\nclients: ${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 || stop.signal.aborted ? 1 : 0;
}

type Common = Omit<Drive, 'mode' | 'uploadHost' | 'registry'>;

async function driveOperations(
  clients: readonly Client[],
  modes: readonly Mode[],
  common: Common,
): Promise<Row[]> {
  const { registry } = values;
  if (registry !== undefined)
    return await driveAll(clients, { ...common, mode: 'given', uploadHost: false, registry });
  const rows: Row[] = [];
  for (const mode of modes) rows.push(...(await driveMode(mode, clients, common)));
  return rows;
}

/** Starts ours, drives every client, stops it. A start or an end that goes wrong is a row of its own. */
async function driveMode(mode: Mode, clients: readonly Client[], common: Common): Promise<Row[]> {
  const options = { repository, directory: join(common.directory, mode.name.replaceAll(' ', '-')) };
  let server: Server;
  const rows: Row[] = [];
  const failed = (reason: string): Row => {
    say(`${mode.name}: the registry FAILED: ${reason}`);
    const cells = new Map([['push', { result: 'FAILED', reason }]] as const);
    return { mode: mode.name, client: '(registry)', version: '', cells };
  };
  try {
    server = await mode.start(options);
  } catch (error) {
    return [failed(reasonOf(error))];
  }
  say(`${mode.name}: the registry listens on ${server.registry}`);
  try {
    rows.push(
      ...(await driveAll(clients, {
        ...common,
        mode: mode.name,
        uploadHost: mode.uploadHost,
        registry: server.registry,
      })),
    );
  } finally {
    await server.stop().catch((error: unknown) => rows.push(failed(reasonOf(error))));
  }
  return rows;
}

async function driveAll(clients: readonly Client[], drive: Drive): Promise<Row[]> {
  const rows: Row[] = [];
  for (const client of clients) {
    if (!drive.signal.aborted) rows.push(await driveClient(client, drive));
  }
  return rows;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
