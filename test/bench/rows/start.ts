import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { buildApp } from '../../../infra/build.ts';
import { startFunctions } from '../../support/functions-host.ts';
import type { Bench } from '../bench.ts';
import { startContender } from '../contenders.ts';
import type { Column } from '../contenders.ts';
import { connectionString } from '../storage.ts';
import type { Figure } from '../table.ts';

/** Milliseconds from the start of a process to its first answer. */
export async function startRows(bench: Bench): Promise<Figure[]> {
  bench.say('process start to first answer');
  const built = await buildApp({ out: join(bench.ground.directory, 'app') });
  const entry = join(built.out, built.entry);
  const rounds = bench.quick ? 3 : 5;
  const start = async (column: Column, round: number): Promise<number[]> => {
    const ground = { ...bench.ground, directory: join(bench.ground.directory, `start-${round}`) };
    const server = await startContender(ground, column, 'redirect', bench.emulator.ports);
    await server.stop();
    return [server.startMilliseconds];
  };
  const sources = await bench.compare(
    [{ title: 'process start to first answer, local host from source', unit: 'ms', better: 'less' }],
    rounds,
    start,
  );
  const bundle = await bench.compare(
    [{ title: 'process start to first answer, built bundle', unit: 'ms', better: 'less' }],
    rounds,
    async (column, round) =>
      column === 'ours-azurite' || column === 'ours-disk'
        ? [await startBundle(bench, column, entry)]
        : await start(column, round),
  );
  bench.note(
    'The first answer is to GET /v2/. The built bundle runs in the stand-in for the Functions worker that the tests use, whose own start is counted.',
  );
  return [...sources, ...bundle];
}

async function startBundle(
  bench: Bench,
  column: 'ours-azurite' | 'ours-disk',
  entry: string,
): Promise<number> {
  const storage =
    column === 'ours-disk'
      ? { STORAGE: 'disk', DISK_DIR: join(bench.ground.directory, 'start-bundle') }
      : { STORAGE: 'azure', DATA: connectionString(bench.ground.account, bench.emulator.ports) };
  const env = {
    AUTHENTICATION: 'open',
    AZURE_FUNCTIONS_ENVIRONMENT: 'Development',
    UPLOAD_KEY: randomBytes(32).toString('base64'),
    ...storage,
  };
  const started = performance.now();
  const host = await startFunctions(entry, { env });
  try {
    const answer = await host.fetch('/v2/');
    const milliseconds = performance.now() - started;
    if (answer.status !== 200) throw new Error(`the bundle answered ${answer.status}`);
    await answer.arrayBuffer();
    return milliseconds;
  } finally {
    await host.close();
  }
}
