import { afterEach, beforeEach, expect, test } from 'vitest';
import { measure } from '../lifecycle/measuring.ts';
import { listAt } from '../../src/cli/output.ts';
import { createApi } from '../../src/cli/client/api.ts';
import { pushBlob, pushImage } from '../support/push.ts';
import { type Shell, openShell } from './shell.ts';

let shell: Shell;
beforeEach(async () => {
  shell = await openShell();
  await shell.login();
});
afterEach(async () => {
  await shell.close();
});

/** Cells of `usage <words>`, which must succeed. */
async function usage(...words: readonly string[]): Promise<string[][]> {
  const { code, out, err } = await shell.run(['usage', ...words]);
  expect([code, err]).toEqual([0, '']);
  return out
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().split(/ {2,}/));
}

test('usage shows what the registry stores and may store', async () => {
  await pushBlob(shell.app, 'app', new Uint8Array(1536 * 1024));
  expect(await usage()).toEqual(
    expect.arrayContaining([
      ['NAME', 'LIMIT', 'CURRENT VALUE'],
      ['Size', '500.0 GiB', '1.5 MiB'],
      ['Geo-replications', 'none', '0'],
      ['Tokens', '50000', '0'],
      ['MaximumStorageCapacity', '100.0 TiB', '1.5 MiB'],
    ]),
  );
});

test('usage shows what every repository stores, however many there are', async () => {
  const names = Array.from({ length: 130 }, (_, i) => `app-${String(i).padStart(3, '0')}`);
  for (const name of names) await pushImage(shell.app, name, 'v1', name);
  const before = await usage('--repositories');
  expect(before.slice(1).map(([name]) => name)).toEqual(names);
  expect(before[1]).toEqual([
    'app-000',
    expect.stringMatching(/ bytes$/),
    '1',
    '1',
    expect.any(String),
    'never',
  ]);
  await measure(shell.app);
  const { out } = await shell.run(['usage', '--repositories', '-o', 'json']);
  const rows = listAt({ value: JSON.parse(out) }, 'value');
  expect(rows).toHaveLength(130);
  expect(rows[0]).toMatchObject({
    name: 'app-000',
    size: expect.any(Number),
    uniqueSize: expect.any(Number),
    measuredTime: new Date(shell.app.clock.now()).toISOString().replace('Z', '0000Z'),
  });
});

test('the password goes to no other host, wherever a list says that it goes on', async () => {
  const hosts: string[] = [];
  const ask: typeof fetch = (input) => {
    const url = new URL(input instanceof Request ? input.url : input);
    hosts.push(url.host);
    const nextLink = url.searchParams.has('page') ? undefined : 'https://elsewhere.example/next?page=2';
    return Promise.resolve(Response.json({ value: [url.pathname], nextLink }));
  };
  const session = { server: 'https://registry.example', registry: '/r', username: 'u', password: 'p' };
  expect(await createApi(session, ask).list('./things')).toEqual(['/r/things', '/next']);
  expect(hosts).toEqual(['registry.example', 'registry.example']);
  for (const nextLink of [
    'https://registry.example//elsewhere.example/',
    '/%5c\\..//elsewhere.example',
    'http://',
  ]) {
    const stray = () => Promise.resolve(Response.json({ value: [], nextLink }));
    await expect(createApi(session, stray).list('./things')).rejects.toThrow('leads nowhere');
  }
});
