import { expectEqual, expectIncludes, expectTree } from '../lab/expect.ts';
import { LAYOUT_TAG, type TestImage } from '../lab/image.ts';
import { type Client, type Lab, type Steps } from '../lab/lab.ts';

export const podman: Client = {
  name: 'podman',
  programs: ['podman'],
  version: async (lab) => (await lab.run('podman', ['--version'])).stdout.trim().split(' ').at(-1) ?? '',
  open: async (lab) =>
    await open(lab, 'podman', ['--events-backend', 'none', '--cgroup-manager', 'cgroupfs']),
};

export const buildah: Client = {
  name: 'buildah',
  programs: ['buildah'],
  version: async (lab) => (await lab.run('buildah', ['--version'])).stdout.split(' ')[2] ?? '',
  open: async (lab) => await open(lab, 'buildah', []),
};

const PLAIN = '--tls-verify=false';

/** The two share their commands, but for listing tags and for looking into an image. */
async function open(lab: Lab, program: 'podman' | 'buildah', globals: readonly string[]): Promise<Steps> {
  const policy = lab.path('home', '.config', 'containers');
  await lab.folder('home', '.config', 'containers');
  await lab.run('tee', [`${policy}/policy.json`], {
    input: '{"default":[{"type":"insecureAcceptAnything"}]}',
  });
  const image = await lab.image('image');
  const remote = lab.reference(program);
  const within = async (store: string, ...args: string[]): Promise<string> => {
    // The plain driver copies instead of stacking: slow, yet it works inside any container.
    const where = [
      '--root',
      lab.path(store),
      '--runroot',
      lab.path(`${store}-run`),
      '--storage-driver',
      'vfs',
    ];
    return (await lab.run(program, [...where, ...globals, ...args])).stdout;
  };
  const load = async (store: string, from: TestImage): Promise<string> =>
    (await within(store, 'pull', '--quiet', `oci:${from.layout}:${LAYOUT_TAG}`)).trim();
  const id = await load('store', image);
  const push = async (): Promise<void> => {
    await within('store', 'push', PLAIN, '--quiet', id, `docker://${remote}:one`);
    await lab.expectLayers(program, 'one', image);
  };
  const looked = async (store: string, reference: string): Promise<void> => {
    if (program === 'podman') {
      await expectTree((await within(store, 'image', 'mount', reference)).trim(), image);
      await within(store, 'image', 'unmount', reference);
    } else {
      const container = (await within(store, 'from', '--pull-never', reference)).trim();
      await expectTree((await within(store, 'mount', container)).trim(), image);
      await within(store, 'rm', container);
    }
  };
  return {
    push,
    'push again': push,
    pull: async () => {
      const pulled = (await within('empty', 'pull', PLAIN, '--quiet', `docker://${remote}:one`)).trim();
      expectEqual('image', pulled, id);
      await looked('empty', pulled);
    },
    ...(program === 'podman' && {
      list: async () => {
        expectIncludes('tags', await within('store', 'search', PLAIN, '--list-tags', remote), 'one');
      },
    }),
    copy: async () => {
      const other = lab.reference(`${program}-copy`);
      await within('store', 'push', PLAIN, '--quiet', id, `docker://${other}:two`);
      await lab.expectLayers(`${program}-copy`, 'two', image);
    },
    index: async () => {
      await within('store', 'manifest', 'create', 'localhost/multi');
      for (const architecture of ['amd64', 'arm64']) {
        const part = await lab.smallImage(architecture, architecture);
        const name = `oci:${part.layout}:${LAYOUT_TAG}`;
        await within('store', 'manifest', 'add', 'localhost/multi', name);
      }
      const to = `docker://${remote}:multi`;
      await within('store', 'manifest', 'push', PLAIN, '--all', 'localhost/multi', to);
      const served = await lab.served(program, 'multi');
      // An index, two manifests, two configurations, four layers.
      expectEqual('parts of the index', String(new Set(served.digests).size), '9');
      const pull = ['pull', PLAIN, '--quiet', `docker://${remote}:multi`];
      await within('other', ...pull);
    },
  };
}
