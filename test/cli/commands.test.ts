import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { getToken, matchPassword } from '../../src/access/tokens.ts';
import { listAssignments } from '../../src/access/roles.ts';
import { readRegistry } from '../../src/access/registry.ts';
import { program } from '../../src/cli/program.ts';
import { type Shell, openShell } from './shell.ts';

let shell: Shell;
beforeEach(async () => {
  shell = await openShell();
  await shell.login();
});
afterEach(async () => {
  await shell.close();
});

/** Runs a command that must succeed; its words are parted by spaces. */
async function ok(line: string): Promise<string> {
  const { code, out, err } = await shell.run(line.split(' '));
  expect([code, err]).toEqual([0, expect.not.stringContaining('functionary:')]);
  return out;
}

async function refused(line: string, code: number, message: string): Promise<void> {
  expect(await shell.run(line.split(' '))).toMatchObject({
    code,
    out: '',
    err: expect.stringContaining(message),
  });
}

/** The cells of a printed table. */
function cells(out: string): string[][] {
  return out
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().split(/ {2,}/));
}

async function document() {
  return await readRegistry(shell.app.app.context, shell.app.registry);
}

describe('help', () => {
  const paths = program.flatMap((entry) =>
    'commands' in entry
      ? [[entry.name], ...entry.commands.map(({ name }) => [entry.name, name])]
      : [[entry.name]],
  );

  test.each(paths)('of %s %s tells usage and examples', async (...path) => {
    const { code, out, err } = await shell.run([...path, '--help']);
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain(`functionary ${path.join(' ')}`);
    expect(out).toMatch(/\nExamples:\n {2}functionary /);
  });

  test('is shown where a command is missing, as an error', async () => {
    expect(await shell.run([])).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining('Commands:'),
    });
    expect(await shell.run(['token'])).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining('Commands:'),
    });
  });
});

describe('registry', () => {
  test('is shown as lines, or as the JSON of the API', async () => {
    expect(await ok('registry show')).toMatch(
      new RegExp(`^Name +${shell.registry}\nLogin server +${shell.server}\n`),
    );
    expect(JSON.parse(await ok('registry show -o json'))).toMatchObject({
      name: shell.registry,
      properties: { loginServer: shell.server },
    });
  });

  test('takes new settings and keeps the others', async () => {
    const out = await ok(
      'registry update --anonymous-pull on --anonymous-repository public/* --anonymous-repository hello --public-network-access off --role-mode repository --sku Standard --tag a=b --tag c=d=e',
    );
    expect(out).toMatch(/Anonymous repositories +public\/\*, hello\n/);
    expect(await document()).toMatchObject({
      anonymousPull: true,
      anonymousRepositories: ['public/*', 'hello'],
      publicNetworkAccess: false,
      repositoryRoles: true,
      sku: 'Standard',
      tags: { a: 'b', c: 'd=e' },
      admin: { enabled: true },
    });
    expect((await shell.run(['registry', 'update', '--anonymous-repository', '', '--tag', ''])).code).toBe(0);
    expect(await document()).toMatchObject({ anonymousPull: true, anonymousRepositories: [], tags: {} });
  });
});

describe('admin', () => {
  test('shows the two passwords', async () => {
    expect(await ok('admin show')).toContain(await shell.password());
  });

  test('stays signed in when it makes its own password anew', async () => {
    const before = await shell.password();
    const out = await ok('admin regenerate password');
    expect(await shell.password()).not.toBe(before);
    expect(out).toContain(await shell.password());
    expect(await ok('admin show')).toBe(out);
    await ok('admin regenerate password2');
    await ok('admin enable');
    await refused('admin regenerate password3', 2, 'must be password or password2');
  });

  test('is refused once it has turned itself off', async () => {
    await ok('admin disable');
    expect((await document()).admin.enabled).toBe(false);
    await refused('admin show', 1, '401 AuthenticationFailed');
  });
});

describe('tokens', () => {
  test('are created with passwords that work, shown once', async () => {
    const lines = cells(await ok('token create builder --scope-map _repositories_push'));
    expect(lines[0]).toEqual(['USER NAME', 'PASSWORD', 'EXPIRY', 'VALUE']);
    expect(lines.slice(1).map((line) => line.slice(0, 3))).toEqual([
      ['builder', 'password1', 'never'],
      ['builder', 'password2', 'never'],
    ]);
    const token = await getToken(shell.app.app.context, shell.app.registry, 'builder');
    for (const [, , , value = ''] of lines.slice(1)) {
      expect(token && matchPassword(token, value, shell.app.clock.now())).toBeDefined();
      expect(await ok('token show builder -o json')).not.toContain(value);
    }
    expect(cells(await ok('token list'))).toEqual([
      ['NAME', 'SCOPE MAP', 'STATUS', 'PASSWORD1 EXPIRY', 'PASSWORD2 EXPIRY', 'CREATED'],
      ['builder', '_repositories_push', 'enabled', 'never', 'never', expect.any(String)],
    ]);
  });

  test('are created without passwords, changed, given one, and deleted', async () => {
    await ok('token create builder --scope-map _repositories_push --no-passwords');
    await ok('token update builder --status disabled --scope-map _repositories_pull');
    const out = await ok('token generate builder --password password2 --expiry 2999-01-31T00:00:00Z');
    expect(cells(out)).toHaveLength(2);
    expect(cells(await ok('token list'))[1]?.slice(0, 5)).toEqual([
      'builder',
      '_repositories_pull',
      'disabled',
      '-',
      '2999-01-31T00:00:00.0000000Z',
    ]);
    await ok('token delete builder');
    await refused('token delete builder', 1, 'there is no builder');
    await refused(
      'token show builder',
      1,
      "registries/tokens/builder' was not found. (404 ResourceNotFound)",
    );
  });
});

describe('scope maps', () => {
  test('are made of repositories and words, and changed by them', async () => {
    await ok(
      'scope-map create team-a --allow team-a/*=pull,push --allow base=content/read --description mine',
    );
    expect(JSON.parse(await ok('scope-map show team-a -o json'))).toMatchObject({
      properties: {
        description: 'mine',
        actions: [
          'repositories/team-a/*/content/read',
          'repositories/team-a/*/content/write',
          'repositories/base/content/read',
        ],
      },
    });
    const out = await ok('scope-map update team-a --allow base=delete --disallow team-a/*=push');
    expect(out).toMatch(
      /ACTIONS +repositories\/team-a\/\*\/content\/read, repositories\/base\/content\/read, repositories\/base\/content\/delete\n/,
    );
    await ok('scope-map update team-a --description ours');
    expect(cells(await ok('scope-map list')).map(([name]) => name)).toEqual([
      'NAME',
      '_repositories_admin',
      '_repositories_pull',
      '_repositories_pull_metadata_read',
      '_repositories_push',
      '_repositories_push_metadata_write',
      'team-a',
    ]);
    await ok('token create builder --scope-map team-a --no-passwords');
    await refused('scope-map delete team-a', 1, 'in use by the token builder (409 Conflict)');
    await ok('token delete builder');
    await ok('scope-map delete team-a');
  });
});

describe('roles', () => {
  const PRINCIPAL = 'bbbbbbbb-0000-4000-8000-000000000001';

  test('are given, listed and taken back', async () => {
    await ok(`role assign acrpull --principal ${PRINCIPAL} --type User`);
    const words = ['role', 'assign', 'Container Registry Repository Writer', '--principal', PRINCIPAL];
    expect((await shell.run([...words, '--repository', 'a', '--repository', 'b/*'])).code).toBe(0);
    const found = await listAssignments(shell.app.app.context, shell.app.registry);
    expect(Object.fromEntries(found.map(({ role, patterns }) => [role, patterns]))).toEqual({
      AcrPull: ['*'],
      'Container Registry Repository Writer': ['a', 'b/*'],
    });
    const lines = cells(await ok(`role list --principal ${PRINCIPAL}`));
    expect(new Set(lines.map(([, role]) => role))).toEqual(
      new Set(['ROLE', 'AcrPull', 'Container Registry Repository Writer']),
    );
    for (const [id = ''] of lines.slice(1)) await ok(`role delete ${id}`);
    expect(cells(await ok('role list'))).toHaveLength(1);
  });
});

describe('network', () => {
  test('ranges are added and taken out, and the default is set', async () => {
    await ok('network allow 203.0.113.0/24 2001:db8::/32');
    await ok('network allow 203.0.113.0/24 192.0.2.7');
    await ok('network deny 2001:db8::/32');
    const out = await ok('network default deny');
    expect(out).toMatch(/Addresses not named +deny\nAllowed +203\.0\.113\.0\/24, 192\.0\.2\.7\n/);
    expect(await ok('network show')).toBe(out);
    expect((await document()).networkRules).toEqual({
      allowByDefault: false,
      rules: [{ value: '203.0.113.0/24' }, { value: '192.0.2.7' }],
    });
  });
});

describe('what cannot be is refused, in the words of the server (1) or of the command (2):', () => {
  const PRINCIPAL = '--principal bbbbbbbb-0000-4000-8000-000000000001';

  test.each([
    ['frobnicate', 2, 'there is no command "frobnicate"\nTry "functionary --help"'],
    ['token frobnicate', 2, 'Try "functionary token --help"'],
    ['token show a b', 2, 'there is no argument "b"\nTry "functionary token show --help"'],
    ['token show --frob x', 2, "Unknown option '--frob'"],
    ['token list -o xml', 2, '--output must be table or json, not "xml"'],
    ['registry update', 2, 'nothing to change'],
    ['registry update --anonymous-pull maybe', 2, '--anonymous-pull must be on or off'],
    ['registry update --tag x', 2, 'a tag is name=value'],
    ['registry update --anonymous-repository UPPER', 1, "'UPPER' is neither a repository name"],
    ['token create builder', 2, '--scope-map is missing'],
    ['token create builder --scope-map nothing', 1, 'does not exist in this registry'],
    ['token update builder', 2, 'nothing to change'],
    ['token generate nobody --password password9', 2, '--password must be password1 or password2'],
    ['token show ../scopeMaps', 1, 'ResourceNotFound'],
    ['scope-map create team-a', 2, '--allow is missing'],
    ['scope-map create team-a --allow x', 2, '--allow is repository=actions'],
    ['scope-map create team-a --allow x=fly', 2, '"fly" is not an action; there are pull'],
    ['scope-map create team-a --allow X=pull', 1, 'not a scope map action'],
    ['scope-map update team-a', 2, 'nothing to change'],
    ['scope-map delete _repositories_pull', 1, 'system scope maps cannot be deleted'],
    ['role assign AcrPull', 2, '--principal is missing'],
    [`role assign Emperor ${PRINCIPAL}`, 1, 'there is no role "Emperor"; there are AcrPull'],
    [`role assign AcrPull ${PRINCIPAL} --repository a`, 1, 'takes no condition'],
    [`role assign AcrPull ${PRINCIPAL} --repository a'b`, 2, 'is not a repository'],
    ['role delete aaaaaaaa-0000-4000-8000-000000000001', 1, 'there is no aaaaaaaa'],
    ['network allow', 2, '<range>... is missing'],
    ['network allow example.com', 1, "'example.com' is not an IPv4 or IPv6 address"],
    ['network default perhaps', 2, 'must be Allow or Deny'],
  ])('%s', async (line, code, message) => {
    expect(await shell.run(line.split(' '))).toMatchObject({
      code,
      out: '',
      err: expect.stringContaining(message),
    });
  });
});
