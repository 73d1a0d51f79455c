import { writeFile } from 'node:fs/promises';

import { expectEqual, expectIncludes, expectTree } from '../lab/expect.ts';
import { LAYOUT_TAG, type TestImage } from '../lab/image.ts';
import { type Client, type Lab, type Steps } from '../lab/lab.ts';
import { importImage, startContainerd } from './containerd.ts';

/** The distribution's docker, which keeps images by graph driver: it recompresses each layer as it pushes. */
export const docker: Client = {
  name: 'docker',
  programs: ['docker', 'dockerd', 'skopeo'],
  version: async (lab) =>
    /version (\d+\.\d+\.\d+)/.exec((await lab.run('dockerd', ['--version'])).stdout)?.[1] ?? '',
  open: openGraphDriver,
};

/** The current docker daemon over containerd's image store, which pushes the very bytes it holds. */
export const dockerContainerd: Client = {
  name: 'docker-containerd',
  programs: ['docker', 'dockerd-moby', 'containerd', 'ctr'],
  version: async () => await Promise.resolve('29 (moby v2.0.0-beta.24)'),
  open: openContainerdStore,
};

/** The two kinds of store in what the shared steps need to know of them. */
type Store = {
  readonly lab: Lab;
  readonly name: string;
  readonly image: TestImage;
  readonly call: (...args: string[]) => Promise<string>;
  /** Throws unless the registry serves what was pushed; gives its digest. */
  readonly served: (name: string, tag: string) => Promise<string>;
};

async function openGraphDriver(lab: Lab): Promise<Steps> {
  const call = await startDockerd(lab, 'dockerd', {}, []);
  const load = async (image: TestImage, reference: string): Promise<void> => {
    const archive = lab.path('load.tar');
    await lab.run('rm', ['-f', archive]);
    const from = `oci:${image.layout}:${LAYOUT_TAG}`;
    await lab.run('skopeo', ['--insecure-policy', 'copy', from, `docker-archive:${archive}:${reference}`]);
    await call('load', '--input', archive);
  };
  const image = await lab.image('image');
  await load(image, `${lab.reference('docker')}:one`);
  const served = async (name: string, tag: string): Promise<string> =>
    (await lab.expectLayers(name, tag, image)).digest;
  const store: Store = { lab, name: 'docker', image, call, served };
  const index = async (): Promise<void> => {
    const name = lab.reference('docker-index');
    const architectures = ['amd64', 'arm64'];
    const parts = architectures.map((architecture) => `${name}:${architecture}`);
    for (const architecture of architectures) {
      await load(await lab.smallImage(architecture, architecture), `${name}:${architecture}`);
      await call('push', `${name}:${architecture}`);
    }
    await call('manifest', 'create', '--insecure', `${name}:multi`, ...parts);
    await call('manifest', 'push', '--insecure', `${name}:multi`);
    const { digests } = await lab.served('docker-index', 'multi');
    // A list, two manifests, two configurations, four layers.
    expectEqual('parts of the list', String(new Set(digests).size), '9');
    await pullPlatforms(store, `${name}:multi`, architectures);
  };
  return { ...sharedSteps(store), index };
}

async function openContainerdStore(lab: Lab): Promise<Steps> {
  const socket = await startContainerd(lab);
  const features = { features: { 'containerd-snapshotter': true } };
  const call = await startDockerd(lab, 'dockerd-moby', features, [
    '--containerd',
    socket,
    '--ip6tables=false',
  ]);
  const image = await lab.image('image');
  const load = async (from: TestImage, reference: string): Promise<void> =>
    await importImage(lab, { socket, namespace: 'moby', image: from, reference });
  await load(image, `${lab.reference('dockerc')}:one`);
  const served = async (name: string, tag: string): Promise<string> => {
    await lab.expectServed(name, tag, image);
    return image.root.digest;
  };
  const store: Store = { lab, name: 'dockerc', image, call, served };
  const index = async (): Promise<void> => {
    const multi = await lab.index('index');
    const reference = `${lab.reference('dockerc-index')}:multi`;
    await load(multi, reference);
    await call('push', reference);
    await lab.expectServed('dockerc-index', 'multi', multi);
    await pullPlatforms(store, reference, ['amd64', 'arm64']);
  };
  return { ...sharedSteps(store), index };
}

function sharedSteps(store: Store): Steps {
  const { lab, name, image, call } = store;
  const remote = lab.reference(name);
  const push = async (): Promise<void> => {
    const said = await call('push', `${remote}:one`);
    expectIncludes('digest', said, await store.served(name, 'one'));
  };
  return {
    push,
    'push again': push,
    pull: async () => {
      const id = await call('image', 'inspect', '--format', '{{.Id}}', `${remote}:one`);
      await emptyStore(store);
      await call('pull', `${remote}:one`);
      expectEqual('image', await call('image', 'inspect', '--format', '{{.Id}}', `${remote}:one`), id);
      const container = await call('create', `${remote}:one`, '/none');
      await call('export', '--output', lab.path('export.tar'), container);
      await call('rm', container);
      await lab.run('tar', ['-xf', lab.path('export.tar'), '-C', await lab.folder('tree')]);
      await expectTree(lab.path('tree'), image);
    },
    list: async () => {
      await call('tag', `${remote}:one`, `${remote}:two`);
      await call('push', `${remote}:two`);
      await emptyStore(store);
      await call('pull', '--all-tags', remote);
      const tags = await call('image', 'ls', '--format', '{{.Tag}}', remote);
      expectEqual('tags', tags.split('\n').toSorted().join(), 'one,two');
    },
    copy: async () => {
      const other = `${lab.reference(`${name}-copy`)}:three`;
      await call('tag', `${remote}:one`, other);
      expectIncludes('push', await call('push', other), 'Mounted from');
      await store.served(`${name}-copy`, 'three');
    },
  };
}

async function emptyStore({ call }: Store): Promise<void> {
  const listed = async (): Promise<string[]> =>
    (await call('image', 'ls', '--all', '--quiet', '--no-trunc')).split('\n').filter((id) => id !== '');
  const ids = new Set(await listed());
  if (ids.size > 0) await call('image', 'rm', '--force', ...ids);
  expectEqual('images left', (await listed()).join(' '), '');
}

async function pullPlatforms(
  store: Store,
  reference: string,
  architectures: readonly string[],
): Promise<void> {
  await emptyStore(store);
  for (const architecture of architectures) {
    await store.call('pull', '--platform', `linux/${architecture}`, reference);
  }
  const last = architectures.at(-1) ?? '';
  const got = await store.call('image', 'inspect', '--format', '{{.Architecture}}', reference);
  if (!architectures.includes(got)) throw new Error(`${last} was pulled, the image is for ${got}`);
}

/** A daemon of our own: no network, no firewall rules, nothing outside the client's directory. */
export async function startDockerd(
  lab: Lab,
  program: string,
  config: object,
  more: readonly string[],
): Promise<Store['call']> {
  const host = `unix://${lab.path('d.sock')}`;
  await writeFile(lab.path('daemon.json'), JSON.stringify(config));
  const args = [
    ['--config-file', lab.path('daemon.json')],
    ['--data-root', lab.path('d-data')],
    ['--exec-root', lab.path('d-exec')],
    ['--pidfile', lab.path('d.pid')],
    ['--host', host],
    ['--bridge', 'none'],
    ['--iptables=false', '--ip-forward=false', '--ip-masq=false', '--userland-proxy=false'],
    ['--insecure-registry', lab.registry],
    more,
  ];
  const call = async (...words: string[]): Promise<string> =>
    (await lab.run('docker', ['--host', host, ...words])).stdout.trim();
  await lab.daemon(
    program,
    args.flat(),
    async () =>
      await call('version', '--format', '{{.Server.Version}}').then(
        (version) => version !== '',
        () => false,
      ),
  );
  return call;
}
