import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { clientOf, document, publish } from '../support/client.ts';
import { type Shell, openShell } from './shell.ts';

const DAY_MS = 86_400_000;
const [one, two] = [document('one'), document('two')];

let shell: Shell;
beforeEach(async () => {
  shell = await openShell();
  await shell.login();
  for (const tag of ['v1', 'v2']) await push('app', tag, one.bytes);
  await push('team/tool', 'pr-1', two.bytes);
  shell.app.clock.advance(10 * DAY_MS);
  await push('app', 'v2', one.bytes);
  shell.app.clock.advance(DAY_MS);
});
afterEach(async () => {
  await shell.close();
});

async function push(repository: string, tag: string, bytes: Uint8Array): Promise<void> {
  await publish(clientOf(shell.app.app), repository, tag, { bytes, digest: one.digest });
}

async function ok(words: readonly string[]): Promise<string> {
  const { code, out, err } = await shell.run(words);
  expect([code, err]).toEqual([0, '']);
  return out;
}

/** The cells of a printed table. */
function cells(out: string): string[][] {
  return out
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().split(/ {2,}/));
}

describe('functionary purge', () => {
  const words = ['purge', '--filter', '.*:.*', '--ago', '7d', '--untagged'];

  test('prints as acr purge does', async () => {
    const { server } = shell;
    expect(await ok([...words, '--dry-run'])).toBe(
      [
        'DRY RUN: The following output shows what WOULD be deleted if the purge command was executed. Nothing is deleted.',
        'Would delete tags for repository: app',
        `Would delete: ${server}/app:v1`,
        'Would delete manifests for repository: app',
        'Would delete tags for repository: team/tool',
        `Would delete: ${server}/team/tool:pr-1`,
        'Would delete manifests for repository: team/tool',
        `Would delete: ${server}/team/tool@${two.digest}`,
        '',
        'Number of tags to be deleted: 2',
        'Number of manifests to be deleted: 1',
        '',
      ].join('\n'),
    );
    expect(await ok(words)).toBe(
      [
        'Deleting tags for repository: app',
        `Deleted ${server}/app:v1`,
        'Deleting manifests for repository: app',
        'Deleting tags for repository: team/tool',
        `Deleted ${server}/team/tool:pr-1`,
        'Deleting manifests for repository: team/tool',
        `Deleted ${server}/team/tool@${two.digest}`,
        '',
        'Number of deleted tags: 2',
        'Number of deleted manifests: 1',
        '',
      ].join('\n'),
    );
    expect(await ok(words)).toBe(
      'Deleting tags for repository: app\nDeleting manifests for repository: app\n\n' +
        'Number of deleted tags: 0\nNumber of deleted manifests: 0\n',
    );
  });

  test('takes the options of acr purge, as JSON, too', async () => {
    const more = ['-f', 'app:^v', '--keep', '1', '--include-locked', '--concurrency', '4'];
    const out = await ok(['purge', ...more, '--ago', '0d', '--filter-timeout-seconds', '9', '-o', 'json']);
    expect(JSON.parse(out)).toEqual({
      dryRun: false,
      deletedTags: 1,
      deletedManifests: 0,
      repositories: [{ name: 'app', tags: ['v1'], manifests: [] }],
    });
  });

  test('goes on until all is done', async () => {
    for (let page = 0; page < 105; page++) {
      const tags = Array.from({ length: 20 }, (_, i) => `tag=t${page}-${i}`).join('&');
      await push('many', `${one.digest}?${tags}`, one.bytes);
    }
    shell.app.clock.advance(10 * DAY_MS);
    const lines = (await ok(['purge', '-f', 'many:.*', '--ago', '7d', '--untagged'])).split('\n');
    expect(lines.filter((line) => line.startsWith('Deleted '))).toHaveLength(2101);
    expect(lines.filter((line) => line.startsWith('Deleting '))).toEqual([
      'Deleting tags for repository: many',
      'Deleting manifests for repository: many',
    ]);
    expect(lines.at(-3)).toBe('Number of deleted tags: 2100');
  });

  test('tells what is locked, and what makes no sense', async () => {
    const lock = { body: Buffer.from('{"writeEnabled":false}') };
    await clientOf(shell.app.app)('PATCH', '/acr/v1/app', lock);
    expect(await shell.run(['purge', '-f', 'app:.*', '--ago', '0d'])).toMatchObject({
      code: 0,
      err: 'Skipped app: it is locked against writing.\n',
    });
    expect(await shell.run(['purge', '-f', 'app', '--ago', '0d'])).toMatchObject({
      code: 1,
      err: expect.stringContaining("The filter 'app' is not"),
    });
    expect(await shell.run(['purge', '--keep', 'all'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--keep is a whole number, not "all"'),
    });
  });
});

describe('functionary purge-schedule', () => {
  test('sets, lists and deletes schedules', async () => {
    const set = ['purge-schedule', 'set', 'nightly', '--cron', '0 1 * * *', '-f', 'app:^v', '--ago', '7d'];
    expect(await ok([...set, '--untagged', '--keep', '3'])).toMatch(
      /^Name +nightly\nSchedule +0 1 \* \* \*\n/,
    );
    expect(cells(await ok(['purge-schedule', 'list']))).toEqual([
      ['Name', 'Schedule', 'Status', 'Next run', 'Filters', 'Ago', 'Keep', 'Besides'],
      ['nightly', '0 1 * * *', 'Enabled', expect.stringContaining('T01:00'), 'app:^v', '7d', '3', 'untagged'],
    ]);
    const { code, err } = await shell.run(['purge-schedule', 'delete', 'nightly']);
    expect([code, err]).toEqual([0, 'The schedule nightly is gone.\n']);
    expect(await shell.run(['purge-schedule', 'set', 'x', '-f', 'a:b', '--ago', '1d'])).toMatchObject({
      code: 1,
      err: expect.stringContaining("'properties.schedule' is required"),
    });
  });
});

describe('functionary lifecycle', () => {
  test('sets rules, previews and runs them, and removes them', async () => {
    const set = ['lifecycle', 'set', 'builds', '--repository', 'team/*', '--tag', 'pr-*'];
    await ok([...set, '--older-than', '7', '--keep', '0']);
    await ok([
      'lifecycle',
      'set',
      'dangling',
      '--repository',
      '*',
      '--state',
      'untagged',
      '--older-than',
      '5',
    ]);
    await ok([...set, '--older-than', '7']);
    expect(cells(await ok(['lifecycle', 'show']))).toEqual([
      ['Rule', 'Repositories', 'State', 'Tags', 'Except', 'Older than days', 'Not pulled for days', 'Keep'],
      ['dangling', '*', 'untagged', '5'],
      ['builds', 'team/*', 'tagged', 'pr-*', '7'],
    ]);
    const deleted = [
      ['Rule', 'What'],
      ['builds', 'team/tool:pr-1'],
    ];
    expect(cells(await ok(['lifecycle', 'preview']))).toEqual(deleted);
    expect(cells(await ok(['lifecycle', 'run']))).toEqual(deleted);
    shell.app.clock.advance(6 * DAY_MS);
    expect(cells(await ok(['lifecycle', 'run']))).toEqual([
      ['Rule', 'What'],
      ['dangling', `team/tool@${two.digest}`],
    ]);
    expect(cells(await ok(['lifecycle', 'remove', 'Builds']))).toHaveLength(2);
    expect(await shell.run(['lifecycle', 'remove', 'builds'])).toMatchObject({
      code: 1,
      err: 'functionary: there is no rule builds\n',
    });
    expect(await shell.run(['lifecycle', 'set', 'x', '--older-than', '1'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--repository is missing'),
    });
    expect(await shell.run(['lifecycle', 'set', 'x', '--repository', '*'])).toMatchObject({
      code: 1,
      err: expect.stringContaining("needs 'olderThanDays'"),
    });
  });
});

describe('functionary collect', () => {
  test('tells what it would free, then frees it', async () => {
    const body = Buffer.from('nobody needs this');
    const digest = digestOf(body);
    await clientOf(shell.app.app)('POST', `/v2/app/blobs/uploads/?digest=${digest}`, { body });
    shell.app.clock.advance(3 * DAY_MS);
    const dry = await ok(['collect', '--dry-run']);
    expect(dry).toMatch(/\nBytes freed +17\n/);
    expect(dry).toContain(`${digest}  app           17\n`);
    expect(JSON.parse(await ok(['collect', '-o', 'json']))).toMatchObject({
      finished: true,
      links: 1,
      bytes: 17,
    });
  });
});
