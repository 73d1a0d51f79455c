import { readFile, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';

import { expectEqual, expectLayout, expectLine } from '../lab/expect.ts';
import { LAYOUT_TAG, sha256 } from '../lab/image.ts';
import { type Client, type Lab, type Steps } from '../lab/lab.ts';

export const regctl: Client = {
  name: 'regctl',
  programs: ['regctl'],
  version: async (lab) =>
    (await lab.run('regctl', ['version', '--format', '{{.VCSTag}}'])).stdout.trim().replace(/^v/, ''),
  open,
};

async function open(lab: Lab): Promise<Steps> {
  const image = await lab.image('image');
  const remote = lab.reference('regctl');
  const call = async (...args: string[]): Promise<string> =>
    (await lab.run('regctl', ['--host', `reg=${lab.registry},tls=disabled`, ...args])).stdout;
  const push = async (): Promise<void> => {
    await call('image', 'copy', `ocidir://${image.layout}:${LAYOUT_TAG}`, `${remote}:one`);
    await lab.expectServed('regctl', 'one', image);
  };
  return {
    push,
    'push again': push,
    pull: async () => {
      await call('image', 'copy', `${remote}:one`, `ocidir://${lab.path('pulled')}:one`);
      await expectLayout(lab.path('pulled'), image);
    },
    list: async () => {
      expectLine('tags', await call('tag', 'ls', remote), 'one');
      expectLine('catalog', await call('repo', 'ls', lab.registry), lab.repository('regctl'));
    },
    copy: async () => {
      await call('image', 'copy', `${remote}:one`, `${lab.reference('regctl-copy')}:two`);
      await lab.expectServed('regctl-copy', 'two', image);
    },
    index: async () => {
      const index = await lab.index('index');
      await call('image', 'copy', `ocidir://${index.layout}:${LAYOUT_TAG}`, `${remote}:multi`);
      await lab.expectServed('regctl', 'multi', index);
      await call('image', 'copy', `${remote}:multi`, `ocidir://${lab.path('multi')}:multi`);
      await expectLayout(lab.path('multi'), index);
    },
    artifact: async () => {
      const bytes = randomBytes(2_500_000);
      await writeFile(lab.path('artifact.bin'), bytes);
      const kind = ['--artifact-type', 'application/vnd.example.test'];
      await call('artifact', 'put', ...kind, '-f', 'artifact.bin', '--file-title', `${remote}:file`);
      const folder = await lab.folder('artifact');
      await call('artifact', 'get', '--output', folder, `${remote}:file`);
      expectEqual('artifact', sha256(await readFile(`${folder}/artifact.bin`)), sha256(bytes));
    },
    referrers: async () => {
      const kind = ['--artifact-type', 'application/vnd.example.note'];
      await writeFile(lab.path('note.txt'), randomBytes(20).toString('hex'));
      await call('artifact', 'put', ...kind, '-f', lab.path('note.txt'), '--subject', `${remote}:one`);
      const types = ['--format', '{{range .Descriptors}}{{println .ArtifactType}}{{end}}', `${remote}:one`];
      expectLine('referrers', await call('artifact', 'list', ...types), 'application/vnd.example.note');
      const other = ['--filter-artifact-type', 'application/vnd.example.other'];
      expectEqual(
        'referrers of another type',
        (await call('artifact', 'list', ...other, ...types)).trim(),
        '',
      );
    },
    delete: async () => {
      await call('tag', 'delete', `${remote}:file`);
      await lab.expectGone('regctl', 'file');
      await call('manifest', 'delete', `${remote}@${image.root.digest}`);
      await lab.expectGone('regctl', 'one');
    },
  };
}
