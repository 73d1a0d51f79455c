import { writeFile } from 'node:fs/promises';

import { expectEqual, expectLayout } from '../lab/expect.ts';
import { LAYOUT_TAG, type TestImage } from '../lab/image.ts';
import { type Client, type Lab, type Steps } from '../lab/lab.ts';

export const containerd: Client = {
  name: 'containerd-ctr',
  programs: ['containerd', 'ctr'],
  version: async (lab) =>
    /v?(\d+\.\d+\.\d+)/.exec((await lab.run('containerd', ['--version'])).stdout)?.[1] ?? '',
  open,
};

/**
 * Starts a containerd of our own, which keeps everything inside the client's directory.
 * Gives the address of its socket.
 */
export async function startContainerd(lab: Lab): Promise<string> {
  // The path of a socket may have no more than 107 characters.
  const socket = lab.path('c.sock');
  const settings = [
    'version = 2',
    `root = "${lab.path('c-root')}"`,
    `state = "${lab.path('c-state')}"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]',
    `[grpc]\n  address = "${socket}"`,
    `[ttrpc]\n  address = "${socket}.ttrpc"`,
  ];
  await writeFile(lab.path('containerd.toml'), `${settings.join('\n')}\n`);
  await lab.daemon(
    'containerd',
    ['--config', lab.path('containerd.toml')],
    async () =>
      await lab.run('ctr', ['--address', socket, 'version']).then(
        () => true,
        () => false,
      ),
  );
  return socket;
}

/** Puts an image, or an index with all its images, into a namespace of containerd under a full reference. */
export async function importImage(
  lab: Lab,
  options: {
    readonly socket: string;
    readonly namespace: string;
    readonly image: TestImage;
    readonly reference: string;
  },
): Promise<void> {
  const where = ['--address', options.socket, '--namespace', options.namespace, 'images'];
  const archive = lab.path('load.tar');
  await lab.run('tar', ['-cf', archive, '-C', options.image.layout, '.']);
  const how = ['--base-name', 'localhost/loaded', '--all-platforms', '--no-unpack'];
  await lab.run('ctr', [...where, 'import', ...how, archive]);
  await lab.run('ctr', [...where, 'tag', `localhost/loaded:${LAYOUT_TAG}`, options.reference]);
  await lab.run('ctr', [...where, 'rm', '--sync', `localhost/loaded:${LAYOUT_TAG}`]);
}

async function open(lab: Lab): Promise<Steps> {
  const socket = await startContainerd(lab);
  const image = await lab.image('image');
  const remote = lab.reference('containerd');
  const call = async (...args: string[]): Promise<string> =>
    (await lab.run('ctr', ['--address', socket, '--namespace', 'test', ...args])).stdout;
  const empty = async (): Promise<void> => {
    const names = (await call('images', 'ls', '--quiet')).split('\n').filter((name) => name !== '');
    await call('images', 'rm', '--sync', ...names);
    expectEqual('content left', (await call('content', 'ls', '--quiet')).trim(), '');
  };
  const pulled = async (reference: string, folder: string, wanted: TestImage): Promise<void> => {
    await empty();
    const how = ['--plain-http', '--all-platforms', '--snapshotter', 'native'];
    await call('images', 'pull', ...how, reference);
    await call('images', 'export', '--all-platforms', lab.path('export.tar'), reference);
    await lab.run('tar', ['-xf', lab.path('export.tar'), '-C', await lab.folder(folder)]);
    await expectLayout(lab.path(folder), wanted);
  };
  const push = async (): Promise<void> => {
    await call('images', 'push', '--plain-http', `${remote}:test`);
    await lab.expectServed('containerd', 'test', image);
  };
  await importImage(lab, { socket, namespace: 'test', image, reference: `${remote}:test` });
  return {
    push,
    'push again': push,
    pull: async () => await pulled(`${remote}:test`, 'pulled', image),
    copy: async () => {
      const other = `${lab.reference('containerd-copy')}:two`;
      await call('images', 'tag', `${remote}:test`, other);
      await call('images', 'push', '--plain-http', other);
      await lab.expectServed('containerd-copy', 'two', image);
    },
    index: async () => {
      const index = await lab.index('index');
      const reference = `${lab.reference('containerd-index')}:test`;
      await importImage(lab, { socket, namespace: 'test', image: index, reference });
      await call('images', 'push', '--plain-http', reference);
      await lab.expectServed('containerd-index', 'test', index);
      await pulled(reference, 'multi', index);
    },
  };
}
