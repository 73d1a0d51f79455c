import { type Arguments, type Option, UsageError } from '../arguments.ts';
import type { Api } from '../client/api.ts';
import type { Group } from '../command.ts';
import { type Column, at, lastPart, listAt, textAt } from '../output.ts';

const SCOPE_MAP: Option = { type: 'string', value: 'name', about: 'The scope map that says what it may do' };
const EXPIRY: Option = {
  type: 'string',
  value: 'time',
  about: 'When the passwords end, such as 2030-01-31T00:00:00Z',
};

const COLUMNS: readonly Column[] = [
  ['NAME', 'name'],
  ['SCOPE MAP', (token) => lastPart(textAt(token, 'properties.scopeMapId'))],
  ['STATUS', 'properties.status'],
  ['PASSWORD1 EXPIRY', (token) => expiryOf(token, 'password1')],
  ['PASSWORD2 EXPIRY', (token) => expiryOf(token, 'password2')],
  ['CREATED', 'properties.creationDate'],
];
const PASSWORD_COLUMNS: readonly Column[] = [
  ['USER NAME', 'username'],
  ['PASSWORD', 'name'],
  ['EXPIRY', (password) => at(password, 'expiry') ?? 'never'],
  ['VALUE', 'value'],
];

export const token: Group = {
  name: 'token',
  about: 'Tokens: names with passwords that may do what a scope map says.',
  commands: [
    {
      name: 'list',
      about: 'List all tokens.',
      examples: ['functionary token list'],
      run: async ({ api, print }) => print(await (await api()).list('./tokens'), COLUMNS),
    },
    {
      name: 'show',
      about: 'Show a token.',
      operands: ['token'],
      examples: ['functionary token show ci'],
      run: async ({ api, print, arguments: given }) =>
        print(await (await api()).call('GET', pathOf(given)), COLUMNS),
    },
    {
      name: 'create',
      about: 'Make a token, and show its passwords: the only time that anybody sees them.',
      operands: ['token'],
      options: {
        'scope-map': SCOPE_MAP,
        expiry: EXPIRY,
        'no-passwords': { type: 'boolean', about: 'Make no passwords yet' },
      },
      examples: [
        'functionary token create ci-builder --scope-map _repositories_push',
        'functionary token create deploy --scope-map _repositories_pull --expiry 2030-01-31T00:00:00Z',
      ],
      run: async ({ api, print, arguments: given }) => {
        if (given.text('scope-map') === undefined) throw new UsageError('--scope-map is missing');
        const client = await api();
        const properties = { ...readChange(client, given), status: 'enabled' };
        const made = await client.call('PUT', pathOf(given), { properties });
        if (given.flag('no-passwords')) print(made, COLUMNS);
        else print(await generate(client, given), PASSWORD_COLUMNS);
      },
    },
    {
      name: 'update',
      about: 'Change what a token may do, or turn it on or off.',
      operands: ['token'],
      options: {
        'scope-map': SCOPE_MAP,
        status: { type: 'string', value: 'enabled|disabled', about: 'Whether it may sign in' },
      },
      examples: [
        'functionary token update ci --status disabled',
        'functionary token update ci --scope-map mine',
      ],
      run: async ({ api, print, arguments: given }) => {
        const client = await api();
        const properties = readChange(client, given);
        if (Object.keys(properties).length === 0) throw new UsageError('there is nothing to change');
        print(await client.call('PATCH', pathOf(given), { properties }), COLUMNS);
      },
    },
    {
      name: 'delete',
      about: 'Delete a token; who is signed in with it is refused within seconds.',
      operands: ['token'],
      examples: ['functionary token delete ci'],
      run: async ({ api, surroundings, arguments: given }) => {
        await (await api()).remove(pathOf(given));
        surroundings.err(`The token ${given.operand('token')} is gone.\n`);
      },
    },
    {
      name: 'generate',
      about: 'Make passwords of a token anew, and show them: the only time that anybody sees them.',
      operands: ['token'],
      options: {
        password: { type: 'string', value: 'password1|password2', about: 'Which one; both unless told' },
        expiry: EXPIRY,
      },
      examples: [
        'functionary token generate ci --password password2',
        'functionary token generate ci --output json',
      ],
      run: async ({ api, print, arguments: given }) =>
        print(await generate(await api(), given), PASSWORD_COLUMNS),
    },
  ],
};

/** New passwords, one entry each with the user name. */
async function generate(api: Api, given: Arguments): Promise<readonly unknown[]> {
  const name = given.choice('password', ['password1', 'password2']);
  const expiry = given.text('expiry');
  const made = await api.call('POST', './generateCredentials', {
    tokenId: `${api.session.registry}/tokens/${given.operand('token')}`,
    ...(name && { name }),
    ...(expiry !== undefined && { expiry }),
  });
  return listAt(made, 'passwords').map((password) => ({
    username: textAt(made, 'username'),
    ...(typeof password === 'object' ? password : {}),
  }));
}

function readChange(api: Api, given: Arguments) {
  const map = given.text('scope-map');
  const status = given.choice('status', ['enabled', 'disabled']);
  return {
    ...(map !== undefined && { scopeMapId: `${api.session.registry}/scopeMaps/${map}` }),
    ...(status && { status }),
  };
}

function pathOf(given: Arguments): string {
  return `./tokens/${encodeURIComponent(given.operand('token'))}`;
}

function expiryOf(made: unknown, name: string): unknown {
  const password = listAt(made, 'properties.credentials.passwords').find((one) => at(one, 'name') === name);
  return password === undefined ? '-' : (at(password, 'expiry') ?? 'never');
}
