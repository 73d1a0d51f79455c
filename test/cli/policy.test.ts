import { afterEach, beforeEach, expect, test } from 'vitest';
import { readRegistry } from '../../src/access/registry.ts';
import { type Shell, openShell } from './shell.ts';

let shell: Shell;
beforeEach(async () => {
  shell = await openShell();
  await shell.login();
});
afterEach(async () => {
  await shell.close();
});

/** Lines of `policy <line>`, which must succeed. */
async function policy(line: string): Promise<readonly string[]> {
  const { code, out, err } = await shell.run(['policy', ...line.split(' ')]);
  expect([code, err]).toEqual([0, '']);
  return out.split('\n').map((text) => text.replace(/ +/g, ' '));
}

async function document() {
  return await readRegistry(shell.app.app.context, shell.app.registry);
}

test('policies are shown, set one by one, and the others stay', async () => {
  expect(await policy('show')).toEqual(
    expect.arrayContaining(['Retention off', 'Soft delete off', 'Soft delete days 7', 'Quarantine off']),
  );
  expect(await policy('retention --days 30 --status on --docker-only')).toEqual(
    expect.arrayContaining([
      'Retention on',
      'Retention days 30',
      "Retention of Docker's media types alone",
      'Soft delete off',
    ]),
  );
  await policy('quarantine --status on');
  await policy('retention --all-media-types --status off');
  await policy('soft-delete --days 14 --status on');
  expect(await policy('show')).toEqual(
    expect.arrayContaining([
      'Retention off',
      'Retention days 30',
      'Retention of all media types',
      'Soft delete on',
      'Soft delete days 14',
      'Quarantine on',
    ]),
  );
  expect(await document()).toMatchObject({
    quarantine: { enabled: true },
    retention: { enabled: false, days: 30, dockerOnly: false },
    softDelete: { enabled: true, days: 14 },
  });
});

test('policies are printed as the JSON of the API', async () => {
  const { out } = await shell.run(['policy', 'soft-delete', '--status', 'on', '-o', 'json']);
  expect(JSON.parse(out)).toMatchObject({ softDeletePolicy: { status: 'enabled', retentionDays: 7 } });
});

test.each([
  ['retention', 2, 'nothing to change'],
  ['retention --days soon', 2, '--days must be a whole number, not "soon"'],
  ['retention --days 366', 1, 'must be a whole number from 0 to 365'],
  ['retention --docker-only --all-media-types', 2, 'cannot be together'],
  ['soft-delete --days 0', 1, 'must be a whole number from 1 to 90'],
  ['soft-delete --status maybe', 2, '--status must be on or off'],
  ['quarantine', 2, 'nothing to change'],
])('policy %s is refused', async (line, code, message) => {
  expect(await shell.run(['policy', ...line.split(' ')])).toMatchObject({
    code,
    out: '',
    err: expect.stringContaining(message),
  });
});
