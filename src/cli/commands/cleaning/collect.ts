import type { Command } from '../../command.ts';
import { type Column, at, listAt } from '../../output.ts';
import { inParts } from './options.ts';

const COUNTS = ['scanned', 'links', 'blobs', 'leftovers', 'bytes', 'calls', 'seconds'] as const;

const COLUMNS: readonly Column[] = [
  ['Looked at', 'scanned'],
  ['Blobs taken from a repository', 'links'],
  ['Blobs freed', 'blobs'],
  ['Leftovers of uploads freed', 'leftovers'],
  ['Bytes freed', 'bytes'],
  ['Storage calls', 'calls'],
];
const EXAMPLE_COLUMNS: readonly Column[] = [
  ['Digest', 'digest'],
  ['Repositories', 'repositories'],
  ['Bytes freed', 'bytes'],
];

export const collect: Command = {
  name: 'collect',
  about: 'Free now what nothing needs any more, as is done every night.',
  options: { 'dry-run': { type: 'boolean', about: 'Tell what would be freed, and free nothing' } },
  examples: ['functionary collect --dry-run', 'functionary collect'],
  run: async ({ api, print, surroundings, arguments: given }) => {
    const dryRun = given.flag('dry-run');
    const total: Record<string, number> = Object.fromEntries(COUNTS.map((key) => [key, 0]));
    const examples: unknown[] = [];
    let finished = true;
    for await (const part of inParts(await api(), './collect', { dryRun })) {
      for (const key of COUNTS) total[key] = (total[key] ?? 0) + Number(at(part, key) ?? 0);
      examples.push(...listAt(part, 'examples'));
      finished = at(part, 'finished') === true;
      // It would only begin anew.
      if (dryRun) break;
    }
    const json = given.text('output') === 'json';
    print({ dryRun, finished, ...total, ...(dryRun && { examples }) }, COLUMNS);
    if (!json && examples.length > 0) print(examples, EXAMPLE_COLUMNS);
    if (!finished)
      surroundings.err('The registry is too large to be looked at in one call: this is a part.\n');
  },
};
