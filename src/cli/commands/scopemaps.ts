import { type Arguments, type Option, UsageError } from '../arguments.ts';
import type { Group } from '../command.ts';
import { type Column, listAt } from '../output.ts';

/** Words for the actions of scope maps; the actions themselves do as well. */
const ACTIONS: Readonly<Record<string, string>> = {
  pull: 'content/read',
  push: 'content/write',
  delete: 'content/delete',
  'read-metadata': 'metadata/read',
  'write-metadata': 'metadata/write',
};
const ALLOW: Option = {
  type: 'string',
  multiple: true,
  value: 'repository=actions',
  about: `What it allows where, such as 'team/*=pull,push'; actions: ${Object.keys(ACTIONS).join(', ')}`,
};
const DESCRIPTION: Option = { type: 'string', value: 'text', about: 'What it is for' };

const COLUMNS: readonly Column[] = [
  ['NAME', 'name'],
  ['TYPE', 'properties.type'],
  ['CREATED', 'properties.creationDate'],
  ['DESCRIPTION', 'properties.description'],
];
const DETAILS: readonly Column[] = [...COLUMNS, ['ACTIONS', 'properties.actions']];

export const scopeMap: Group = {
  name: 'scope-map',
  about: 'Scope maps: what tokens may do in which repositories.',
  commands: [
    {
      name: 'list',
      about: 'List all scope maps.',
      examples: ['functionary scope-map list'],
      run: async ({ api, print }) => print(await (await api()).list('./scopeMaps'), COLUMNS),
    },
    {
      name: 'show',
      about: 'Show a scope map and its actions.',
      operands: ['scope-map'],
      examples: ['functionary scope-map show _repositories_push'],
      run: async ({ api, print, arguments: given }) =>
        print(await (await api()).call('GET', pathOf(given)), DETAILS),
    },
    {
      name: 'create',
      about: 'Make a scope map.',
      operands: ['scope-map'],
      options: { allow: ALLOW, description: DESCRIPTION },
      examples: [
        "functionary scope-map create team-a --allow 'team-a/*=pull,push' --allow base=pull",
        "functionary scope-map create reader --allow '*=pull,read-metadata' --description 'For deployments'",
      ],
      run: async ({ api, print, arguments: given }) => {
        const actions = readActions(given, 'allow');
        if (actions.length === 0) throw new UsageError('--allow is missing');
        const properties = { description: given.text('description') ?? '', actions };
        print(await (await api()).call('PUT', pathOf(given), { properties }), DETAILS);
      },
    },
    {
      name: 'update',
      about: 'Add actions to a scope map or take some away.',
      operands: ['scope-map'],
      options: {
        allow: ALLOW,
        disallow: { ...ALLOW, about: 'What it shall allow no longer' },
        description: DESCRIPTION,
      },
      examples: [
        'functionary scope-map update team-a --allow shared=pull --disallow base=pull',
        "functionary scope-map update team-a --description 'Team A'",
      ],
      run: async ({ api, print, arguments: given }) => {
        const added = readActions(given, 'allow');
        const removed = readActions(given, 'disallow');
        const description = given.text('description');
        const changesActions = added.length + removed.length > 0;
        if (!changesActions && description === undefined) throw new UsageError('there is nothing to change');
        const client = await api();
        const current = listAt(await client.call('GET', pathOf(given)), 'properties.actions').map(String);
        const actions = [...new Set([...current, ...added])].filter((action) => !removed.includes(action));
        const properties = {
          ...(description !== undefined && { description }),
          ...(changesActions && { actions }),
        };
        print(await client.call('PATCH', pathOf(given), { properties }), DETAILS);
      },
    },
    {
      name: 'delete',
      about: 'Delete a scope map that no token uses.',
      operands: ['scope-map'],
      examples: ['functionary scope-map delete team-a'],
      run: async ({ api, surroundings, arguments: given }) => {
        await (await api()).remove(pathOf(given));
        surroundings.err(`The scope map ${given.operand('scope-map')} is gone.\n`);
      },
    },
  ],
};

/** `repository=action,action` → `repositories/<repository>/<action>` each. */
function readActions(given: Arguments, option: string): readonly string[] {
  return (given.texts(option) ?? []).flatMap((text) => {
    const end = text.lastIndexOf('=');
    if (end < 1) throw new UsageError(`--${option} is repository=actions, not "${text}"`);
    return text
      .slice(end + 1)
      .split(',')
      .map((word) => `repositories/${text.slice(0, end)}/${toAction(word.trim())}`);
  });
}

function toAction(word: string): string {
  const action = Object.hasOwn(ACTIONS, word) ? ACTIONS[word] : undefined;
  if (action !== undefined) return action;
  if (Object.values(ACTIONS).includes(word)) return word;
  throw new UsageError(`"${word}" is not an action; there are ${Object.keys(ACTIONS).join(', ')}`);
}

function pathOf(given: Arguments): string {
  return `./scopeMaps/${encodeURIComponent(given.operand('scope-map'))}`;
}
