import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import { startContender } from '../contenders.ts';
import type { Figure } from '../table.ts';

/** Milliseconds from the start of a process to its first answer. */
export async function startRows(bench: Bench): Promise<Figure[]> {
  bench.say('process start to first answer');
  return await bench.compare(
    [{ title: 'process start to first answer', unit: 'ms', better: 'less' }],
    bench.quick ? 3 : 5,
    async (column, round) => {
      const ground = { ...bench.ground, directory: join(bench.ground.directory, `start-${round}`) };
      const server = await startContender(ground, column, 'redirect', bench.emulator.ports);
      await server.stop();
      return [server.startMilliseconds];
    },
  );
}
