import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';

import { expectEqual, expectIncludes, expectLayout, expectLine } from '../lab/expect.ts';
import { LAYOUT_TAG, sha256 } from '../lab/image.ts';
import { type Client, type Lab, type Steps } from '../lab/lab.ts';

export const oras: Client = {
  name: 'oras',
  programs: ['oras'],
  sameHost: true,
  version: async (lab) => /Version:\s+(\S+)/.exec((await lab.run('oras', ['version'])).stdout)?.[1] ?? '',
  open,
};

async function open(lab: Lab): Promise<Steps> {
  const image = await lab.image('image');
  const remote = lab.reference('oras');
  const call = async (...args: string[]): Promise<string> => (await lab.run('oras', args)).stdout;
  const copyIn = ['cp', '--from-oci-layout', '--to-plain-http'];
  const copyOut = ['cp', '--to-oci-layout', '--from-plain-http'];
  const push = async (): Promise<void> => {
    await call(...copyIn, `${image.layout}:${LAYOUT_TAG}`, `${remote}:one`);
    await lab.expectServed('oras', 'one', image);
  };
  return {
    push,
    'push again': push,
    pull: async () => {
      await call(...copyOut, `${remote}:one`, `${lab.path('pulled')}:one`);
      await expectLayout(lab.path('pulled'), image);
    },
    list: async () => {
      expectLine('tags', await call('repo', 'tags', '--plain-http', remote), 'one');
      expectLine('catalog', await call('repo', 'ls', '--plain-http', lab.registry), lab.repository('oras'));
    },
    copy: async () => {
      const both = ['--from-plain-http', '--to-plain-http'];
      await call('cp', ...both, `${remote}:one`, `${lab.reference('oras-copy')}:two`);
      await lab.expectServed('oras-copy', 'two', image);
      await call('tag', '--plain-http', `${remote}:one`, 'three', 'four');
      await lab.expectServed('oras', 'four', image);
    },
    index: async () => {
      const index = await lab.index('index');
      await call(...copyIn, `${index.layout}:${LAYOUT_TAG}`, `${remote}:multi`);
      await lab.expectServed('oras', 'multi', index);
      await call(...copyOut, `${remote}:multi`, `${lab.path('multi')}:multi`);
      await expectLayout(lab.path('multi'), index);
    },
    artifact: async () => {
      const bytes = randomBytes(2_500_000);
      await writeFile(lab.path('artifact.bin'), bytes);
      const kind = ['--artifact-type', 'application/vnd.example.test'];
      await call(
        'push',
        '--plain-http',
        ...kind,
        `${remote}:file`,
        'artifact.bin:application/vnd.example.bin',
      );
      const folder = await lab.folder('artifact');
      await call('pull', '--plain-http', '--output', folder, `${remote}:file`);
      expectEqual('artifact', sha256(await readFile(`${folder}/artifact.bin`)), sha256(bytes));
    },
    referrers: async () => {
      await writeFile(lab.path('note.txt'), randomBytes(20).toString('hex'));
      const kind = ['--artifact-type', 'application/vnd.example.note'];
      await call('attach', '--plain-http', ...kind, `${remote}:one`, 'note.txt:text/plain');
      const discover = async (subject: string, ...more: string[]): Promise<string> =>
        await call('discover', '--plain-http', '--format', 'json', ...more, subject);
      expectIncludes('referrers', await discover(`${remote}:one`), 'application/vnd.example.note');
      const none = await discover(`${remote}:one`, '--artifact-type', 'application/vnd.example.other');
      if (none.includes('vnd.example.note')) throw new Error(`the filter let a note through: ${none}`);
      const both = ['--from-plain-http', '--to-plain-http'];
      await call('cp', '-r', ...both, `${remote}:one`, `${lab.reference('oras-copy')}:with-notes`);
      const copied = await discover(`${lab.reference('oras-copy')}:with-notes`);
      expectIncludes('referrers of the copy', copied, 'application/vnd.example.note');
    },
    delete: async () => {
      await call('manifest', 'delete', '--plain-http', '--force', `${remote}@${image.root.digest}`);
      await lab.expectGone('oras', 'one');
      const layer = image.digests.at(-1) ?? '';
      await call('blob', 'delete', '--plain-http', '--force', `${remote}@${layer}`);
      const gone = await fetch(`http://${lab.registry}/v2/${lab.repository('oras')}/blobs/${layer}`);
      expectEqual('status of the deleted blob', String(gone.status), '404');
    },
  };
}
