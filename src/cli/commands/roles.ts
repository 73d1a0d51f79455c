import { randomUUID } from 'node:crypto';
import { CommandError, UsageError } from '../arguments.ts';
import type { Api } from '../client/api.ts';
import type { Group } from '../command.ts';
import { type Column, at, lastPart, textAt } from '../output.ts';

const BELOW = './providers/Microsoft.Authorization';
const NAME = '@Request[Microsoft.ContainerRegistry/registries/repositories:name]';

const COLUMNS: readonly Column[] = [
  ['ID', 'name'],
  ['ROLE', 'role'],
  ['PRINCIPAL', 'properties.principalId'],
  ['TYPE', 'properties.principalType'],
  ['CONDITION', (assignment) => at(assignment, 'properties.condition') ?? '-'],
];

export const role: Group = {
  name: 'role',
  about: 'Roles of Microsoft Entra users, groups and service principals on the registry.',
  commands: [
    {
      name: 'list',
      about: 'List who has which role.',
      options: { principal: { type: 'string', value: 'id', about: 'Only the roles of this principal' } },
      examples: [
        'functionary role list',
        'functionary role list --principal 11111111-2222-3333-4444-555555555555',
      ],
      run: async ({ api, print, arguments: given }) => {
        const client = await api();
        const principal = given.text('principal');
        const query =
          principal === undefined ? '' : `?$filter=${encodeURIComponent(`principalId eq '${principal}'`)}`;
        const [assignments, names] = await Promise.all([
          client.list(`${BELOW}/roleAssignments${query}`),
          roleNames(client),
        ]);
        print(
          assignments.map((assignment) => withRole(assignment, names)),
          COLUMNS,
        );
      },
    },
    {
      name: 'assign',
      about: 'Give a principal a role, on the registry or on some repositories.',
      operands: ['role'],
      options: {
        principal: {
          type: 'string',
          value: 'id',
          about: 'Object id of the user, group or service principal',
        },
        type: { type: 'string', value: 'User|Group|ServicePrincipal', about: 'What the principal is' },
        repository: {
          type: 'string',
          multiple: true,
          value: 'name|prefix/*',
          about: 'Only these repositories; for the roles "Container Registry Repository ..."',
        },
      },
      examples: [
        'functionary role assign AcrPull --principal 11111111-2222-3333-4444-555555555555',
        "functionary role assign 'Container Registry Repository Writer' --principal 11111111-2222-3333-4444-555555555555 --repository 'team/*'",
      ],
      run: async ({ api, print, arguments: given }) => {
        const principalId = given.text('principal');
        if (principalId === undefined) throw new UsageError('--principal is missing');
        const principalType = given.choice('type', ['User', 'Group', 'ServicePrincipal']);
        const repositories = given.texts('repository') ?? [];
        const client = await api();
        const names = await roleNames(client);
        const wanted = given.operand('role');
        const found = [...names].find(([, name]) => name.toLowerCase() === wanted.toLowerCase());
        if (!found)
          throw new CommandError(`there is no role "${wanted}"; there are ${[...names.values()].join(', ')}`);
        const properties = {
          roleDefinitionId: found[0],
          principalId,
          ...(principalType && { principalType }),
          ...(repositories.length > 0 && { condition: conditionFor(repositories), conditionVersion: '2.0' }),
        };
        const made = await client.call('PUT', `${BELOW}/roleAssignments/${randomUUID()}`, { properties });
        print(withRole(made, names), COLUMNS);
      },
    },
    {
      name: 'delete',
      about: 'Take a role back, by the id of its assignment.',
      operands: ['id'],
      examples: ['functionary role delete aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'],
      run: async ({ api, surroundings, arguments: given }) => {
        const id = given.operand('id');
        await (await api()).remove(`${BELOW}/roleAssignments/${encodeURIComponent(id)}`);
        surroundings.err(`The role assignment ${id} is gone.\n`);
      },
    },
  ],
};

/** Id of a role definition → name. */
async function roleNames(api: Api): Promise<ReadonlyMap<string, string>> {
  const definitions = await api.list(`${BELOW}/roleDefinitions`);
  return new Map(definitions.map((one) => [textAt(one, 'id'), textAt(one, 'properties.roleName')]));
}

function withRole(assignment: unknown, names: ReadonlyMap<string, string>): unknown {
  const id = textAt(assignment, 'properties.roleDefinitionId');
  const title = names.get(id) ?? lastPart(id);
  return { ...(typeof assignment === 'object' ? assignment : {}), role: title };
}

/** A condition that allows these repositories alone. */
function conditionFor(repositories: readonly string[]): string {
  return repositories
    .map((name) => {
      if (name.includes("'")) throw new UsageError(`"${name}" is not a repository`);
      return name.endsWith('/*')
        ? `${NAME} StringStartsWithIgnoreCase '${name.slice(0, -1)}'`
        : `${NAME} StringEqualsIgnoreCase '${name}'`;
    })
    .join(' OR ');
}
