import { CommandError, UsageError } from '../arguments.ts';
import { createApi, parseServer } from '../client/api.ts';
import type { Command, Invocation } from '../command.ts';
import { textAt } from '../output.ts';

const NOWHERE = '/subscriptions/00000000-0000-0000-0000-000000000000';

export const login: Command = {
  name: 'login',
  about: 'Sign in to a registry and remember it.',
  operands: ['server'],
  options: {
    username: {
      type: 'string',
      short: 'u',
      value: 'name',
      about: 'The admin user (the registry name), or a client id',
    },
    'password-stdin': { type: 'boolean', about: 'Read the password from standard input' },
    registry: { type: 'string', value: 'name', about: 'Which registry, where a server has several' },
    'plain-http': { type: 'boolean', about: 'Do without TLS on a network that you trust' },
  },
  examples: [
    'functionary login registry.example.com --username myregistry',
    'functionary login localhost:5000 -u registry --password-stdin < password.txt',
  ],
  run: async (invocation) => {
    const { surroundings, sessions, arguments: given } = invocation;
    const server = parseServer(given.operand('server'), given.flag('plain-http'));
    const username = given.text('username');
    if (username === undefined) throw new UsageError('--username is missing');
    const password = await readPassword(invocation);
    const api = createApi({ server, username, password, registry: NOWHERE }, surroundings.fetch);
    const found = await api.list(`${NOWHERE}/providers/Microsoft.ContainerRegistry/registries`);
    const registry = choose(found, given.text('registry'), server);
    await sessions.save({ server, username, password, registry: textAt(registry, 'id') });
    surroundings.err(`Signed in to registry ${textAt(registry, 'name')} at ${server}.\n`);
  },
};

export const logout: Command = {
  name: 'logout',
  about: 'Forget the registry and its password.',
  examples: ['functionary logout'],
  run: async ({ sessions, surroundings }) => {
    surroundings.err((await sessions.erase()) ? 'Signed out.\n' : 'Nobody was signed in.\n');
  },
};

async function readPassword({ surroundings, arguments: given }: Invocation): Promise<string> {
  const { readInput, askSecret } = surroundings;
  if (!given.flag('password-stdin') && !askSecret)
    throw new UsageError('there is no terminal to ask for the password on; use --password-stdin');
  const typed =
    given.flag('password-stdin') || !askSecret ? await readInput() : await askSecret('Password: ');
  const password = typed.replace(/\r?\n$/, '');
  if (password === '') throw new UsageError('the password is empty');
  return password;
}

/** The registry that was named, else the one that lives at the server's host, else the only one. */
function choose(found: readonly unknown[], wanted: string | undefined, server: string): unknown {
  const { host } = new URL(server);
  const matches =
    wanted === undefined
      ? found.filter((one) => found.length === 1 || textAt(one, 'properties.loginServer') === host)
      : found.filter((one) => textAt(one, 'name') === wanted.toLowerCase());
  const [registry] = matches;
  if (matches.length === 1 && registry !== undefined) return registry;
  const names = found.map((one) => textAt(one, 'name')).join(', ') || 'none';
  throw new CommandError(`choose a registry by --registry; the server has: ${names}`);
}
