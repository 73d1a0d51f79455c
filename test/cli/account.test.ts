import { execFile } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseServer } from '../../src/cli/client/api.ts';
import { type Shell, openShell } from './shell.ts';

let shell: Shell;
beforeEach(async () => {
  shell = await openShell();
});
afterEach(async () => {
  await shell.close();
});

function sessionFile(): string {
  return join(shell.config, 'functionary', 'session.json');
}

describe('login', () => {
  test('remembers the registry in a file that only its owner can read', async () => {
    const { code, err } = await shell.run(
      ['login', shell.server, '--username', shell.registry, '--password-stdin'],
      `${await shell.password()}\n`,
    );
    expect([code, err]).toEqual([0, `Signed in to registry ${shell.registry} at http://${shell.server}.\n`]);
    expect((await stat(sessionFile())).mode & 0o777).toBe(0o600);
    expect((await stat(join(shell.config, 'functionary'))).mode & 0o777).toBe(0o700);
    expect(await shell.run(['registry', 'show'])).toMatchObject({ code: 0 });
  });

  test('does not widen a file that was there before', async () => {
    await shell.login();
    await shell.run(['logout']);
    await writeFile(sessionFile(), 'old', { mode: 0o644 });
    await shell.login();
    expect((await stat(sessionFile())).mode & 0o777).toBe(0o600);
  });

  test('with a wrong password is refused, and keeps the sign-in that was there', async () => {
    await shell.login();
    const before = await readFile(sessionFile(), 'utf8');
    const wrong = await shell.run(['login', shell.server, '-u', shell.registry, '--password-stdin'], 'wrong');
    expect(wrong).toMatchObject({
      code: 1,
      err: expect.stringContaining('are user name and password right?'),
    });
    expect(await readFile(sessionFile(), 'utf8')).toBe(before);
  });

  test.each([
    [['login'], '', '<server> is missing'],
    [['login', 'localhost:1'], 'x', '--username is missing'],
    [['login', 'localhost:1', '-u', 'x'], 'x', 'use --password-stdin'],
    [['login', 'localhost:1', '-u', 'x', '--password-stdin'], '\n', 'the password is empty'],
    [
      ['login', 'http://example.com', '-u', 'x', '--password-stdin'],
      'x',
      'plain HTTP would show the password',
    ],
    [['login', 'localhost/path', '-u', 'x', '--password-stdin'], 'x', 'is not a server'],
  ])('called as %j says what is wrong', async (words, input, message) => {
    expect(await shell.run(words, input)).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining(message),
    });
  });

  test('says when a server cannot be reached', async () => {
    const { server } = shell;
    await shell.login();
    await shell.close();
    shell = await openShell();
    const words = ['login', server, '-u', shell.registry, '--password-stdin'];
    expect(await shell.run(words, 'x')).toMatchObject({
      code: 1,
      err: expect.stringMatching(`cannot reach http://${server}: .*ECONNREFUSED`),
    });
  });

  test('to a registry that is not there names those that are', async () => {
    const words = ['login', shell.server, '-u', shell.registry, '--password-stdin', '--registry', 'another'];
    expect(await shell.run(words, await shell.password())).toMatchObject({
      code: 1,
      err: expect.stringContaining(`the server has: ${shell.registry}`),
    });
  });
});

describe('logout', () => {
  test('forgets the password', async () => {
    await shell.login();
    expect(await shell.run(['logout'])).toMatchObject({ code: 0, err: 'Signed out.\n' });
    expect(await shell.run(['logout'])).toMatchObject({ code: 0, err: 'Nobody was signed in.\n' });
    expect(await shell.run(['token', 'list'])).toMatchObject({
      code: 1,
      err: 'functionary: nobody is signed in; run "functionary login" first\n',
    });
  });
});

test.each(['not json', '{}', '[]', '{"server":1}'])(
  'a damaged session file is told, not followed: %s',
  async (text) => {
    await shell.login();
    await writeFile(sessionFile(), text);
    expect(await shell.run(['token', 'list'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('is damaged'),
    });
  },
);

test.each([
  ['registry.example.com', false, 'https://registry.example.com'],
  ['registry.example.com:8443', false, 'https://registry.example.com:8443'],
  ['https://registry.example.com/', false, 'https://registry.example.com'],
  ['localhost:5000', false, 'http://localhost:5000'],
  ['127.0.0.1:5000', false, 'http://127.0.0.1:5000'],
  ['[::1]:5000', false, 'http://[::1]:5000'],
  ['https://localhost:5000', false, 'https://localhost:5000'],
  ['registry.lan:5000', true, 'http://registry.lan:5000'],
  ['http://registry.lan', true, 'http://registry.lan'],
])('the server %s (plain HTTP: %s) is %s', (text, plain, url) => {
  expect(parseServer(text, plain)).toBe(url);
});

test('the command runs as a program, with the exit code of what it did', async () => {
  const program = fileURLToPath(new URL('../../src/cli/functionary.mjs', import.meta.url));
  const start = (...words: string[]) =>
    new Promise<readonly [number, string]>((done) => {
      execFile(
        process.execPath,
        [program, ...words],
        { env: { XDG_CONFIG_HOME: shell.config } },
        (error, out) => done([typeof error?.code === 'number' ? error.code : 0, out]),
      );
    });
  const [[shown, help], [failed], [misused]] = await Promise.all([
    start('--help'),
    start('token', 'list'),
    start('token', 'frobnicate'),
  ]);
  expect([shown, failed, misused]).toEqual([0, 1, 2]);
  expect(help).toContain('functionary login registry.example.com');
});
