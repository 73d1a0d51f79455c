import type { Command, Invocation } from '../../command.ts';
import { at, listAt, plain, textAt } from '../../output.ts';
import { PURGE_OPTIONS, inParts, readPurgeOptions, reasonOf } from './options.ts';

/** Words of `acr purge`, whose output scripts read. */
const WORDS = {
  run: {
    heading: 'Deleting',
    item: 'Deleted',
    tags: 'Number of deleted tags',
    manifests: 'Number of deleted manifests',
  },
  dryRun: {
    heading: 'Would delete',
    item: 'Would delete:',
    tags: 'Number of tags to be deleted',
    manifests: 'Number of manifests to be deleted',
  },
};
const DRY_RUN =
  'DRY RUN: The following output shows what WOULD be deleted if the purge command was executed. Nothing is deleted.';

export const purge: Command = {
  name: 'purge',
  about: 'Delete old tags, and manifests without a tag, as acr purge does.',
  options: {
    ...PURGE_OPTIONS,
    'dry-run': { type: 'boolean', about: 'Tell what would be deleted, and delete nothing' },
  },
  examples: [
    "functionary purge --filter 'hello-world:.*' --ago 30d --dry-run",
    "functionary purge --filter 'team/.*:^pr-' --ago 2d12h --keep 5 --untagged",
    'functionary purge --untagged-only --ago 7d',
  ],
  run: async (invocation) => {
    const dryRun = invocation.arguments.flag('dry-run');
    const body = { ...readPurgeOptions(invocation.arguments), dryRun };
    const parts: unknown[] = [];
    const json = invocation.arguments.text('output') === 'json';
    const teller = createTeller(invocation, dryRun, await hostOf(invocation));
    if (dryRun && !json) invocation.surroundings.out(`${DRY_RUN}\n`);
    for await (const part of inParts(await invocation.api(), './purge', body)) {
      parts.push(part);
      if (!json) teller.tell(part);
    }
    if (json) invocation.print(merged(parts, dryRun), []);
    else teller.end();
  },
};

/** Prints as `acr purge` does; what a repository loses in several parts comes under one heading. */
function createTeller(
  { surroundings: { out, err }, arguments: given }: Invocation,
  dryRun: boolean,
  host: string,
) {
  const words = dryRun ? WORDS.dryRun : WORDS.run;
  const counts = { tags: 0, manifests: 0 };
  const kinds = [
    { kind: 'tags', mark: ':', told: !given.flag('untagged-only') },
    { kind: 'manifests', mark: '@', told: given.flag('untagged') || given.flag('untagged-only') },
  ] as const;
  const headings = new Set<string>();
  const tellOne = (repository: unknown, whole: boolean): void => {
    const name = plain(textAt(repository, 'name'));
    for (const { kind, mark, told } of kinds) {
      const items = listAt(repository, kind).map(plain);
      const heading = `${words.heading} ${kind} for repository: ${name}\n`;
      if (told && !headings.has(heading) && (whole || kind === 'tags' || items.length > 0)) {
        out(heading);
        headings.add(heading);
      }
      for (const item of items) out(`${words.item} ${host}/${name}${mark}${item}\n`);
      counts[kind] += items.length;
    }
    const left = textAt(repository, 'left');
    if (left !== '') err(`Skipped ${name}: ${reasonOf(left)}.\n`);
  };
  return {
    tell(part: unknown): void {
      const repositories = listAt(part, 'repositories');
      for (const [i, repository] of repositories.entries()) {
        const open = at(part, 'finished') === false && textAt(part, 'cursor') !== textAt(repository, 'name');
        tellOne(repository, i < repositories.length - 1 || !open);
      }
    },
    end(): void {
      out(`\n${words.tags}: ${counts.tags}\n${words.manifests}: ${counts.manifests}\n`);
    },
  };
}

async function hostOf({ api }: Invocation): Promise<string> {
  return new URL((await api()).session.server).host;
}

/** All parts as one answer. */
function merged(parts: readonly unknown[], dryRun: boolean): unknown {
  const repositories = parts.flatMap((part) => listAt(part, 'repositories'));
  const count = (kind: string) =>
    repositories.reduce<number>((sum, one) => sum + listAt(one, kind).length, 0);
  return { dryRun, deletedTags: count('tags'), deletedManifests: count('manifests'), repositories };
}
