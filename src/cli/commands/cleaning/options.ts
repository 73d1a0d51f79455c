import { type Arguments, type Option, UsageError } from '../../arguments.ts';
import type { Api } from '../../client/api.ts';
import { at, textAt } from '../../output.ts';

/** The options of `acr purge`, by its names. */
export const PURGE_OPTIONS: Readonly<Record<string, Option>> = {
  filter: {
    type: 'string',
    short: 'f',
    multiple: true,
    value: 'repository:tag',
    about: 'Regular expressions (RE2): all of a repository name, and any part of a tag',
  },
  ago: { type: 'string', value: '2d3h30m', about: 'Only what was last pushed so long ago' },
  keep: {
    type: 'string',
    value: 'number',
    about: 'Newest of those that would go, in each repository, to keep',
  },
  untagged: { type: 'boolean', about: 'Delete manifests without a tag, too' },
  'untagged-only': { type: 'boolean', about: 'Delete manifests without a tag, and no tags' },
  'include-locked': { type: 'boolean', about: 'Delete what is locked, too' },
  concurrency: { type: 'string', value: 'number', about: 'Of no effect: the registry deletes by itself' },
  'filter-timeout-seconds': {
    type: 'string',
    value: 'number',
    about: 'Of no effect: expressions cannot take long',
  },
  'repository-page-size': { type: 'string', value: 'number', about: 'Of no effect' },
};

/** What of them was given, as the API calls it. Throws UsageError. */
export function readPurgeOptions(given: Arguments): Readonly<Record<string, unknown>> {
  const ago = given.text('ago');
  const keep = readNumber(given, 'keep');
  return {
    filters: given.texts('filter') ?? [],
    ...(ago !== undefined && { ago }),
    ...(keep !== undefined && { keep }),
    untagged: given.flag('untagged'),
    untaggedOnly: given.flag('untagged-only'),
    includeLocked: given.flag('include-locked'),
  };
}

/** A whole number, if the option was given. Throws UsageError. */
export function readNumber(given: Arguments, name: string): number | undefined {
  const text = given.text(name);
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--${name} is a whole number, not "${text}"`);
  return Number(text);
}

/** Calls what the server does in parts until it is finished; each answer in turn. */
export async function* inParts(
  api: Api,
  path: string,
  body: Readonly<Record<string, unknown>>,
): AsyncGenerator {
  for (let cursor = ''; ;) {
    const part = await api.call('POST', path, { ...body, ...(cursor !== '' && { cursor }) });
    yield part;
    if (at(part, 'finished') !== false) return;
    cursor = textAt(part, 'cursor');
  }
}

/** Why a repository was left as it is, for a person. */
export function reasonOf(left: string): string {
  if (left === 'locked') return 'it is locked against writing';
  if (left === 'busy') return 'others keep changing it; run this again';
  return 'a manifest of it cannot be read';
}
