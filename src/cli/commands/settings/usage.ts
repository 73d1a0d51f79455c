import type { Command } from '../../command.ts';
import { type Column, at } from '../../output.ts';

const COLUMNS: readonly Column[] = [
  ['NAME', 'name'],
  ['LIMIT', (usage) => amount(at(usage, 'limit'), at(usage, 'unit'))],
  ['CURRENT VALUE', (usage) => amount(at(usage, 'currentValue'), at(usage, 'unit'))],
];

const REPOSITORY_COLUMNS: readonly Column[] = [
  ['NAME', 'name'],
  ['SIZE', (usage) => amount(at(usage, 'size'), 'Bytes')],
  ['UNIQUE', (usage) => amount(at(usage, 'uniqueSize'), 'Bytes')],
  ['MANIFESTS', 'manifestCount'],
  ['TAGS', 'tagCount'],
  ['LAST PUSH', 'lastUpdateTime'],
  ['MEASURED', (usage) => at(usage, 'measuredTime') ?? 'never'],
];

export const usage: Command = {
  name: 'usage',
  about: 'Show how much the registry stores, and what its tier allows.',
  options: {
    repositories: {
      type: 'boolean',
      about: 'Of each repository: what its content takes, and what would be freed if it went',
    },
  },
  examples: ['functionary usage', 'functionary usage --repositories --output json'],
  run: async ({ api, print, arguments: given }) => {
    const client = await api();
    if (given.flag('repositories')) print(await client.list('./listRepositoryUsages'), REPOSITORY_COLUMNS);
    else print(await client.list('./listUsages'), COLUMNS);
  },
};

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB'];

/** A number as people read it: bytes by powers of 1024. */
function amount(value: unknown, unit: unknown): unknown {
  if (typeof value !== 'number') return undefined;
  if (unit !== 'Bytes') return value < 0 ? 'none' : value;
  let [size, name] = [value, 'bytes'];
  for (const next of UNITS) {
    if (size < 1024) break;
    size /= 1024;
    name = next;
  }
  return name === 'bytes' ? `${size} ${name}` : `${size.toFixed(1)} ${name}`;
}
