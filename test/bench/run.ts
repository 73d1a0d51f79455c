import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Bench } from './bench.ts';
import { columns, distributionContainer } from './contenders.ts';
import type { Column } from './contenders.ts';
import { parseOptions, peerNames, usage } from './options.ts';
import type { BenchOptions, PeerName, RowName } from './options.ts';
import { peerProgram, sources } from './peers.ts';
import { callRows } from './rows/calls.ts';
import { layerRows } from './rows/layer.ts';
import { layersRows } from './rows/layers.ts';
import { memoryRows } from './rows/memory.ts';
import { requestRows } from './rows/requests.ts';
import { startRows } from './rows/start.ts';
import { tagRows } from './rows/tags.ts';
import { container, startEmulator } from './storage.ts';
import { toTable } from './table.ts';
import type { Figure } from './table.ts';

const cache = fileURLToPath(new URL('../../.cache', import.meta.url));
const data = join(cache, 'bench-data');

const rows: Readonly<Record<RowName, (bench: Bench) => Promise<Figure[]>>> = {
  calls: callRows,
  start: startRows,
  requests: requestRows,
  layer: layerRows,
  layers: layersRows,
  memory: memoryRows,
  // Last: ten thousand rows slow every query of the emulator down.
  tags: tagRows,
};

async function run(options: BenchOptions): Promise<void> {
  await removeLeftovers();
  const directory = join(data, String(process.pid));
  const unavailable = new Map<Column, string>();
  const notes: string[] = [];
  const programs: Partial<Record<PeerName, string>> = {};
  for (const peer of peerNames) {
    try {
      if (options.without.includes(peer)) throw new Error('left out by --without');
      programs[peer] = await peerProgram(peer, join(cache, 'bench-bin'));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      for (const column of columns) if (column.startsWith(peer)) unavailable.set(column, 'not available');
      notes.push(`${peer} is not available: ${reason}`);
      process.stderr.write(`${notes.at(-1)}\n`);
    }
  }
  const started = Date.now();
  const emulator = await startEmulator(join(directory, 'azurite'));
  const ground = { directory, programs, account: emulator.account };
  const bench = new Bench(ground, emulator, { quick: options.quick, unavailable });
  for (const note of notes) bench.note(note);
  try {
    await container(emulator, distributionContainer).create();
    const figures: Figure[] = [];
    for (const row of options.rows) figures.push(...(await rows[row](bench)));
    const text = report(figures, bench.notes, (Date.now() - started) / 60_000);
    await mkdir(cache, { recursive: true });
    await writeFile(join(cache, 'bench.md'), text);
    process.stdout.write(text);
  } finally {
    await bench.stop();
    await emulator.stop();
    if (!options.keep) await rm(directory, { recursive: true, force: true });
  }
}

/** Runs that were cut off leave gigabytes, in folders named for their process. */
async function removeLeftovers(): Promise<void> {
  await mkdir(data, { recursive: true });
  for (const name of await readdir(data)) {
    if (!runs(Number(name))) await rm(join(data, name), { recursive: true, force: true });
  }
}

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function report(figures: readonly Figure[], notes: readonly string[], minutes: number): string {
  const [cpu] = cpus();
  const peers = peerNames.map((peer) => `${peer} ${sources[peer].version}`).join(', ');
  return `# Bench

${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpu?.model ?? 'unknown processor'}, Node ${process.version}, ${peers}; \
${minutes.toFixed(1)} minutes. Servers, emulator and load generator share this machine: only ratios mean something. \
A ratio above 1 means that ours is ahead.

${toTable(figures)}

${notes.map((note) => `- ${note}`).join('\n')}
`;
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(`${usage}\n`);
  else await run(options);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
