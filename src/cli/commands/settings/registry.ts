import { type Arguments, UsageError } from '../../arguments.ts';
import type { Group } from '../../command.ts';
import { type Column, at, lastPart } from '../../output.ts';

const SWITCH = ['on', 'off'] as const;

const COLUMNS: readonly Column[] = [
  ['Name', 'name'],
  ['Login server', 'properties.loginServer'],
  ['Location', 'location'],
  ['Tier', 'sku.name'],
  ['Created', 'properties.creationDate'],
  ['Admin user', (registry) => onOff(at(registry, 'properties.adminUserEnabled'))],
  ['Anonymous pull', (registry) => onOff(at(registry, 'properties.anonymousPullEnabled'))],
  ['Anonymous repositories', 'properties.anonymousPullRepositories'],
  [
    'Public network access',
    (registry) => onOff(at(registry, 'properties.publicNetworkAccess') === 'Enabled'),
  ],
  ['Role mode', (registry) => roleMode(at(registry, 'properties.roleAssignmentMode'))],
  [
    'Tags',
    (registry) =>
      Object.entries(at(registry, 'tags') ?? {}).map(([name, value]) => `${name}=${String(value)}`),
  ],
  ['Resource group', (registry) => lastPart(String(at(registry, 'id')).split('/providers/')[0] ?? '')],
];

export const registry: Group = {
  name: 'registry',
  about: 'Show and change the settings of the registry.',
  commands: [
    {
      name: 'show',
      about: 'Show the registry.',
      examples: ['functionary registry show', 'functionary registry show --output json'],
      run: async ({ api, print }) => print(await (await api()).call('GET', '.'), COLUMNS),
    },
    {
      name: 'update',
      about: 'Change settings; those that are not named stay.',
      options: {
        'anonymous-pull': { type: 'string', value: 'on|off', about: 'Whether anybody may pull everything' },
        'anonymous-repository': {
          type: 'string',
          multiple: true,
          value: 'name|prefix/*',
          about: 'Repositories that anybody may pull, in place of those so far; "" for none',
        },
        'public-network-access': {
          type: 'string',
          value: 'on|off',
          about: 'Whether networks may reach it at all',
        },
        'role-mode': {
          type: 'string',
          value: 'registry|repository',
          about: 'Which roles count: those on the registry, or those with conditions on repositories',
        },
        sku: { type: 'string', value: 'Basic|Standard|Premium', about: 'Limits of which tier' },
        tag: {
          type: 'string',
          multiple: true,
          value: 'name=value',
          about: 'Tags in place of those so far; "" for none',
        },
      },
      examples: [
        'functionary registry update --anonymous-pull on',
        "functionary registry update --anonymous-repository 'public/*' --anonymous-repository hello-world",
        'functionary registry update --role-mode repository --tag team=platform',
      ],
      run: async ({ api, print, arguments: given }) =>
        print(await (await api()).call('PATCH', '.', readUpdate(given)), COLUMNS),
    },
  ],
};

function readUpdate(given: Arguments): unknown {
  const anonymous = given.choice('anonymous-pull', SWITCH);
  const repositories = given.texts('anonymous-repository')?.filter((name) => name !== '');
  const access = given.choice('public-network-access', SWITCH);
  const mode = given.choice('role-mode', ['registry', 'repository']);
  const sku = given.choice('sku', ['Basic', 'Standard', 'Premium']);
  const tags = given.texts('tag')?.filter((tag) => tag !== '');
  const properties = {
    ...(anonymous && { anonymousPullEnabled: anonymous === 'on' }),
    ...(repositories && { anonymousPullRepositories: repositories }),
    ...(access && { publicNetworkAccess: access === 'on' ? 'Enabled' : 'Disabled' }),
    ...(mode && {
      roleAssignmentMode: mode === 'repository' ? 'AbacRepositoryPermissions' : 'LegacyRegistryPermissions',
    }),
  };
  const update = {
    ...(sku && { sku: { name: sku } }),
    ...(tags && { tags: Object.fromEntries(tags.map(readTag)) }),
    ...(Object.keys(properties).length > 0 && { properties }),
  };
  if (Object.keys(update).length === 0) throw new UsageError('there is nothing to change');
  return update;
}

function readTag(text: string): readonly [string, string] {
  const end = text.indexOf('=');
  if (end < 1) throw new UsageError(`a tag is name=value, not "${text}"`);
  return [text.slice(0, end), text.slice(end + 1)];
}

function roleMode(mode: unknown): string {
  return mode === 'AbacRepositoryPermissions' ? 'repository' : 'registry';
}

function onOff(value: unknown): string {
  return value === true ? 'on' : 'off';
}
