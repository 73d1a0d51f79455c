import { afterEach, beforeEach, expect, test } from 'vitest';
import { pushImage } from '../support/push.ts';
import { type Shell, openShell } from './shell.ts';

let shell: Shell;
beforeEach(async () => {
  shell = await openShell();
  await shell.login();
});
afterEach(() => shell.close());

async function digestOfTag(repository: string, tag: string): Promise<string | null> {
  const answer = await shell.app.fetch('HEAD', `/v2/${repository}/manifests/${tag}`);
  return answer.headers.get('docker-content-digest');
}

test('an image is copied to another repository by tag or by digest, and tagged in its own', async () => {
  const { digest } = (await pushImage(shell.app, 'build/app', '1.4.2')).manifest;
  const { code, out, err } = await shell.run(['image', 'copy', 'build/app:1.4.2', 'prod/app:stable']);
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(new RegExp(`^Repository +prod/app\nTag +stable\nDigest +${digest}\nUpdated +20`));
  expect(await digestOfTag('prod/app', 'stable')).toBe(digest);
  for (const words of [
    ['image', 'copy', `build/app@${digest}`, 'other:v1'],
    ['image', 'tag', 'prod/app:stable', 'latest', '-o', 'json'],
  ])
    expect((await shell.run(words)).code).toBe(0);
  expect(await digestOfTag('other', 'v1')).toBe(digest);
  expect(await digestOfTag('prod/app', 'latest')).toBe(digest);
});

test.each([
  [
    'image copy build/app:none prod/app:v1',
    1,
    'manifest tagged by "none" is not found (404 MANIFEST_UNKNOWN)',
  ],
  ['image copy build/app prod/app:v1', 2, '"build/app" is not an image'],
  ['image copy build/app:v1 prod/app', 2, '"prod/app" is not an image'],
  ['image copy build/app:v1 prod/app@sha256:0', 2, 'the target is repository:tag'],
  ['image tag build/app:v1', 2, '<tag> is missing'],
])('%s is refused (%d)', async (line, code, message) => {
  expect(await shell.run(line.split(' '))).toMatchObject({
    code,
    out: '',
    err: expect.stringContaining(message),
  });
});
