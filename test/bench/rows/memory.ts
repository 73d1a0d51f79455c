import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import { peakMemory } from '../child.ts';
import { RegistryClient } from '../client.ts';
import { freshLayer, pushLayer } from '../content.ts';
import type { Column } from '../contenders.ts';
import { startEmbedded } from '../contenders.ts';
import type { Figure } from '../table.ts';

const repository = 'bench/memory';
const megabyte = 1e6;

/** The most memory that servers held: over all rows before this one, and while a layer passes. */
export async function memoryRows(bench: Bench): Promise<Figure[]> {
  const mebibytes = bench.quick ? 64 : 256;
  const layer = freshLayer(mebibytes * 1024 * 1024);
  bench.say('peak memory');
  const servers = await bench.compare(
    [{ title: 'peak memory of the server process', unit: 'MB', better: 'less' }],
    1,
    async (column) => {
      const { server, client } = await bench.contender(column, 'proxy');
      await exercise(client);
      return [await peak(server)];
    },
  );
  const whole = await bench.compare(
    [{ title: 'peak memory with its emulator', unit: 'MB', better: 'less' }],
    1,
    async (column) => {
      if (column === 'ours-azurite') return [await embedded()];
      const { server } = await bench.contender(column, 'proxy');
      return [(await peak(server)) + (await peak(bench.emulator))];
    },
    ['ours-azurite', 'distribution-azurite'] satisfies Column[],
  );
  bench.note(
    `Peak memory is the process's highest resident size since it started: in the first row over all rows above it and ` +
      `one more layer of ${mebibytes} MiB, pushed and pulled through the registry. In the second, ours is the one ` +
      `process of \`npm start\` (server and emulator) for that one layer; distribution's is its own process plus ` +
      `the emulator process that all shared, which by then has served every row for both.`,
  );
  return [...servers, ...whole];

  async function exercise(client: RegistryClient): Promise<void> {
    await pushLayer(client, repository, layer, 'patch');
    await client.drain(`/v2/${repository}/blobs/${layer.digest}`);
  }

  async function embedded(): Promise<number> {
    const server = await startEmbedded(join(bench.ground.directory, 'embedded'));
    const client = new RegistryClient(server.url);
    try {
      await exercise(client);
      return await peak(server);
    } finally {
      client.close();
      await server.stop();
    }
  }
}

async function peak(server: { readonly pid: number }): Promise<number> {
  const bytes = await peakMemory(server.pid);
  if (bytes === undefined) throw new Error('this system does not tell a process its peak memory');
  return bytes / megabyte;
}
