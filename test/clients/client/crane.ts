import { expectIncludes, expectLayout, expectLine } from '../lab/expect.ts';
import { type Client, type Lab, type Steps } from '../lab/lab.ts';

export const crane: Client = {
  name: 'crane',
  programs: ['crane'],
  version: async (lab) => (await lab.run('crane', ['version'])).stdout.trim().replace(/^v/, ''),
  open,
};

async function open(lab: Lab): Promise<Steps> {
  const image = await lab.image('image');
  const remote = lab.reference('crane');
  const call = async (...args: string[]): Promise<string> =>
    (await lab.run('crane', ['--insecure', ...args])).stdout;
  const push = async (): Promise<void> => {
    await call('push', image.layout, `${remote}:one`);
    await lab.expectServed('crane', 'one', image);
  };
  return {
    push,
    'push again': push,
    pull: async () => {
      await call('pull', '--format=oci', `${remote}:one`, lab.path('pulled'));
      await expectLayout(lab.path('pulled'), image);
      await call('validate', '--remote', `${remote}:one`);
    },
    list: async () => {
      expectLine('tags', await call('ls', remote), 'one');
      expectLine('catalog', await call('catalog', lab.registry), lab.repository('crane'));
    },
    copy: async () => {
      await call('copy', `${remote}:one`, `${lab.reference('crane-copy')}:two`);
      await lab.expectServed('crane-copy', 'two', image);
      await call('tag', `${remote}:one`, 'three');
      await lab.expectServed('crane', 'three', image);
    },
    index: async () => {
      const index = await lab.index('index');
      await call('push', '--index', index.layout, `${remote}:multi`);
      // crane takes the layout's own list of images for the index, so ours comes to lie inside it.
      const { digests } = await lab.served('crane', 'multi');
      for (const digest of index.digests) expectIncludes('index', digests.join(' '), digest);
      await call('pull', '--format=oci', `${remote}:multi`, lab.path('multi'));
      await expectLayout(lab.path('multi'), index);
    },
    delete: async () => {
      await call('delete', `${remote}@${image.root.digest}`);
      await lab.expectGone('crane', image.root.digest);
      await lab.expectGone('crane', 'three');
    },
  };
}
