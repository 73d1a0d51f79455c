import { expectIncludes, expectLayout } from '../lab/expect.ts';
import { LAYOUT_TAG } from '../lab/image.ts';
import { type Client, type Lab, type Steps } from '../lab/lab.ts';

const PLAIN = ['--src-tls-verify=false', '--dest-tls-verify=false'];

export const skopeo: Client = {
  name: 'skopeo',
  programs: ['skopeo'],
  version: async (lab) => (await lab.run('skopeo', ['--version'])).stdout.trim().split(' ').at(-1) ?? '',
  open,
};

async function open(lab: Lab): Promise<Steps> {
  const image = await lab.image('image');
  const remote = `docker://${lab.reference('skopeo')}`;
  const copy = async (from: string, to: string, ...more: string[]): Promise<void> => {
    await lab.run('skopeo', ['--insecure-policy', 'copy', ...PLAIN, ...more, from, to]);
  };
  const push = async (): Promise<void> => {
    await copy(`oci:${image.layout}:${LAYOUT_TAG}`, `${remote}:one`);
    await lab.expectServed('skopeo', 'one', image);
  };
  return {
    push,
    'push again': push,
    pull: async () => {
      await copy(`${remote}:one`, `oci:${lab.path('pulled')}:one`);
      await expectLayout(lab.path('pulled'), image);
    },
    list: async () => {
      const { stdout } = await lab.run('skopeo', ['list-tags', '--tls-verify=false', remote]);
      expectIncludes('tags', stdout, '"one"');
      await lab.run('skopeo', ['inspect', '--tls-verify=false', `${remote}:one`]);
    },
    copy: async () => {
      await copy(`${remote}:one`, `docker://${lab.reference('skopeo-copy')}:two`);
      await lab.expectServed('skopeo-copy', 'two', image);
    },
    index: async () => {
      const index = await lab.index('index');
      await copy(`oci:${index.layout}:${LAYOUT_TAG}`, `${remote}:multi`, '--all');
      await lab.expectServed('skopeo', 'multi', index);
      await copy(`${remote}:multi`, `oci:${lab.path('multi')}:multi`, '--all');
      await expectLayout(lab.path('multi'), index);
    },
    delete: async () => {
      await lab.run('skopeo', ['delete', '--tls-verify=false', `${remote}:one`]);
      await lab.expectGone('skopeo', image.root.digest);
      await lab.expectGone('skopeo', 'one');
    },
  };
}
