import { parseArgs } from 'node:util';

/** The rows that can be measured, in the order they run. */
export const rowNames = ['calls', 'start', 'requests', 'layer', 'layers', 'memory', 'tags'] as const;
export type RowName = (typeof rowNames)[number];

/** Contenders by the name a caller may leave them out with. */
export const peerNames = ['distribution', 'zot'] as const;
export type PeerName = (typeof peerNames)[number];

export interface BenchOptions {
  readonly rows: readonly RowName[];
  readonly without: readonly PeerName[];
  readonly quick: boolean;
  readonly keep: boolean;
  readonly help: boolean;
}

export const usage = `Measures Functionary beside other registries on this machine and prints a Markdown table.

npm run bench -- [options]

  --only ROW,...      measure these rows alone: ${rowNames.join(', ')}
  --quick             smaller content, fewer rounds: about 3 minutes instead of 12
  --without PEER,...  leave out ${peerNames.join(' or ')}
  --keep              keep the data directories under .cache/bench-data
  --help              show this text

Peers are compiled with Go on the first run and kept in .cache/bench-bin. The table goes to .cache/bench.md too.
Figures of one run compare with each other; figures of two runs do not.`;

/** Reads the command line. Throws an Error whose message is for the user. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', default: rowNames.join(',') },
      without: { type: 'string', default: '' },
      quick: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  return {
    rows: chosen('--only', values.only, rowNames),
    without: chosen('--without', values.without, peerNames),
    quick: values.quick,
    keep: values.keep,
    help: values.help,
  };
}

function chosen<T extends string>(option: string, text: string, known: readonly T[]): T[] {
  const wanted = text.split(',').filter((name) => name !== '');
  for (const name of wanted) {
    if (!known.some((each) => each === name)) {
      throw new Error(`${option}: no "${name}"; there is ${known.join(', ')}`);
    }
  }
  return known.filter((name) => wanted.includes(name));
}
