import { processorSeconds } from './child.ts';
import { RegistryClient } from './client.ts';
import { columns, startContender } from './contenders.ts';
import type { Column, Downloads, Ground } from './contenders.ts';
import type { Server } from './child.ts';
import type { Emulator } from './storage.ts';
import { median } from './table.ts';
import type { Figure } from './table.ts';

/** Names a figure of a row to those who measure it. */
export interface Measure {
  readonly title: string;
  readonly unit: string;
  readonly better: Figure['better'];
}

export interface Contender {
  readonly server: Server;
  readonly client: RegistryClient;
}

/** What every row is given: running contenders, the emulator, how thorough to be, and where to say things. */
export class Bench {
  readonly ground: Ground;
  readonly emulator: Emulator;
  readonly quick: boolean;
  readonly #running = new Map<string, Promise<Contender>>();
  readonly #unavailable: Map<Column, string>;
  readonly #notes: string[] = [];

  constructor(
    ground: Ground,
    emulator: Emulator,
    options: { quick: boolean; unavailable: Map<Column, string> },
  ) {
    this.ground = ground;
    this.emulator = emulator;
    this.quick = options.quick;
    this.#unavailable = options.unavailable;
  }

  get notes(): readonly string[] {
    return this.#notes;
  }

  /** Adds a line under the table, once. */
  note(text: string): void {
    if (!this.#notes.includes(text)) this.#notes.push(text);
  }

  say(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  /** The contender of a column, started at its first use and kept. Disk contenders have one way of serving blobs. */
  async contender(column: Column, downloads: Downloads = 'redirect'): Promise<Contender> {
    const name = column.endsWith('-disk') ? column : `${column} ${downloads}`;
    const started =
      this.#running.get(name) ??
      startContender(this.ground, column, downloads, this.emulator.ports).then((server) => ({
        server,
        client: new RegistryClient(server.url),
      }));
    this.#running.set(name, started);
    return await started;
  }

  /** Processor seconds that a contender has used so far, the emulator's among them on Azurite. */
  async processor(column: Column, contender: Contender): Promise<number> {
    const pids = [contender.server.pid];
    if (column.endsWith('-azurite')) pids.push(this.emulator.pid);
    const seconds = await Promise.all(pids.map(async (pid) => (await processorSeconds(pid)) ?? Number.NaN));
    return seconds.reduce((sum, each) => sum + each, 0);
  }

  async stop(): Promise<void> {
    for (const started of this.#running.values()) {
      const contender = await started.catch(() => undefined);
      contender?.client.close();
      await contender?.server.stop();
    }
    this.#running.clear();
  }

  /**
   * Measures every column in turn, `rounds` times over (A B C, A B C, …), and takes the median of each measure.
   * `once` answers one value for each of `measures`. A column that fails is left out from then on, and says why.
   */
  async compare(
    measures: readonly Measure[],
    rounds: number,
    once: (column: Column, round: number) => Promise<readonly (number | string)[]>,
    among: readonly Column[] = columns,
  ): Promise<Figure[]> {
    const values = new Map<Column, (readonly (number | string)[])[]>();
    const failed = new Map<Column, string>(this.#unavailable);
    for (let round = 0; round < rounds; round += 1) {
      for (const column of among) {
        if (failed.has(column)) continue;
        try {
          const got = await once(column, round);
          values.set(column, [...(values.get(column) ?? []), got]);
          this.say(`  ${column}: ${got.map((value) => show(value)).join(' · ')}`);
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error);
          this.say(`  ${column} failed: ${reason}`);
          this.note(`${column} failed: ${reason.replaceAll(/\s+/g, ' ').slice(0, 300)}`);
          failed.set(column, 'failed');
        }
      }
    }
    return measures.map((measure, index) => {
      const figure: Partial<Record<Column, number | string>> = {};
      for (const column of among) {
        figure[column] = failed.get(column) ?? middle((values.get(column) ?? []).map((got) => got[index]));
      }
      return { ...measure, values: figure };
    });
  }
}

function middle(values: readonly (number | string | undefined)[]): number | string {
  const numbers = values.filter((value) => typeof value === 'number');
  if (numbers.length > 0) return median(numbers);
  return values.find((value) => typeof value === 'string') ?? '–';
}

function show(value: number | string): string {
  return typeof value === 'number' ? value.toPrecision(4) : value;
}
