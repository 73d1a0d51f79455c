import { oneOf } from '../arguments.ts';
import type { Api } from '../client/api.ts';
import type { Group, Invocation } from '../command.ts';
import { type Column, at, listAt, textAt } from '../output.ts';

const COLUMNS: readonly Column[] = [
  ['User name', 'username'],
  ['Password', (admin) => passwordOf(admin, 'password')],
  ['Password 2', (admin) => passwordOf(admin, 'password2')],
];

export const admin: Group = {
  name: 'admin',
  about: 'The admin user: one name and two passwords that may do everything.',
  commands: [
    {
      name: 'show',
      about: 'Show whether the admin user is on, and its passwords.',
      examples: ['functionary admin show'],
      run: async ({ api, print }) => {
        const client = await api();
        const registry = await client.call('GET', '.');
        if (at(registry, 'properties.adminUserEnabled') === true) await showPasswords(client, print);
        else
          print({ username: textAt(registry, 'name'), enabled: false }, [
            ['User name', 'username'],
            ['Status', () => 'off; turn it on with "functionary admin enable"'],
          ]);
      },
    },
    {
      name: 'enable',
      about: 'Turn the admin user on and show its passwords.',
      examples: ['functionary admin enable'],
      run: async ({ api, print }) => {
        const client = await api();
        await client.call('PATCH', '.', { properties: { adminUserEnabled: true } });
        await showPasswords(client, print);
      },
    },
    {
      name: 'disable',
      about: 'Turn the admin user off; who is signed in as it is refused within seconds.',
      examples: ['functionary admin disable'],
      run: async ({ api, surroundings }) => {
        await (await api()).call('PATCH', '.', { properties: { adminUserEnabled: false } });
        surroundings.err('The admin user is off.\n');
      },
    },
    {
      name: 'regenerate',
      about: 'Make one of the passwords anew; the old one is refused at once.',
      operands: ['password|password2'],
      examples: ['functionary admin regenerate password2'],
      run: async ({ api, sessions, print, arguments: given }) => {
        const name = oneOf('the password', given.operand('password|password2'), ['password', 'password2']);
        const client = await api();
        const made = await client.call('POST', './regenerateCredential', { name });
        const { session } = client;
        const own = session.username === textAt(made, 'username');
        const valid = ['password', 'password2'].some((one) => passwordOf(made, one) === session.password);
        // Whoever signed in by the password that just ended goes on with the new one.
        if (own && !valid) await sessions.save({ ...session, password: String(passwordOf(made, name)) });
        print(made, COLUMNS);
      },
    },
  ],
};

async function showPasswords(api: Api, print: Invocation['print']): Promise<void> {
  print(await api.call('POST', './listCredentials'), COLUMNS);
}

function passwordOf(credentials: unknown, name: string): unknown {
  return at(
    listAt(credentials, 'passwords').find((one) => at(one, 'name') === name),
    'value',
  );
}
