import { readFile } from 'node:fs/promises';

import { containerd, importImage, startContainerd } from '../client/containerd.ts';
import { docker, dockerContainerd, startDockerd } from '../client/docker.ts';
import { expectLayout } from '../lab/expect.ts';
import { LAYOUT_TAG, type TestImage } from '../lab/image.ts';
import type { Lab } from '../lab/lab.ts';
import type { Login, SignInClient, Station } from './station.ts';

const REFRESH_USER = '00000000-0000-0000-0000-000000000000';

export const dockerSignIn: SignInClient = {
  client: docker,
  async open(lab) {
    const call = await startDockerd(lab, 'dockerd', {}, []);
    const archive = lab.path('load.tar');
    const load = async (image: TestImage, reference: string): Promise<void> => {
      const from = `oci:${image.layout}:${LAYOUT_TAG}`;
      await lab.run('skopeo', ['--insecure-policy', 'copy', from, `docker-archive:${archive}:${reference}`]);
      await call('load', '--input', archive);
      await lab.run('rm', [archive]);
    };
    return stationOf(lab, call, load);
  },
};

/** The daemon of today, which leaves signing in to containerd's resolver. */
export const dockerContainerdSignIn: SignInClient = {
  client: dockerContainerd,
  async open(lab) {
    const socket = await startContainerd(lab);
    const features = { features: { 'containerd-snapshotter': true } };
    const more = ['--containerd', socket, '--ip6tables=false'];
    const call = await startDockerd(lab, 'dockerd-moby', features, more);
    const load = async (image: TestImage, reference: string): Promise<void> =>
      await importImage(lab, { socket, namespace: 'moby', image, reference });
    return stationOf(lab, call, load);
  },
};

function stationOf(
  lab: Lab,
  call: (...args: string[]) => Promise<string>,
  load: (image: TestImage, reference: string) => Promise<void>,
): Station {
  return {
    async login({ username, password }) {
      const config = ['--username', username, '--password', password];
      await call('login', ...config, lab.registry);
      await expectStored(lab, username);
    },
    logout: async () => void (await call('logout', lab.registry)),
    async push(name) {
      const reference = `${lab.reference(name)}:one`;
      const image = await lab.smallImage(`image-${name}`);
      await load(image, reference);
      await call('push', reference);
      await lab.expectLayers(name, 'one', image);
    },
    async pull(name) {
      const reference = `${lab.reference(name)}:one`;
      await call('image', 'rm', '--force', reference);
      await call('pull', reference);
    },
  };
}

/** Docker keeps a password for a password, and the refresh token alone for a refresh token. */
async function expectStored(lab: Lab, username: string): Promise<void> {
  const config = await readFile(lab.path('home', '.docker', 'config.json'), 'utf8');
  const kept = config.includes('"identitytoken"') ? 'a refresh token' : 'a password';
  const wanted = username === REFRESH_USER ? 'a refresh token' : 'a password';
  if (kept !== wanted) throw new Error(`docker kept ${kept}, not ${wanted}`);
}

/** `ctr` keeps nothing: credentials come with each command. */
export const containerdSignIn: SignInClient = {
  client: containerd,
  async open(lab) {
    const socket = await startContainerd(lab);
    const call = async (...args: string[]): Promise<string> =>
      (await lab.run('ctr', ['--address', socket, '--namespace', 'test', ...args])).stdout;
    const images = new Map<string, TestImage>();
    let current: Login = { username: '', password: '' };
    const user = () => ['--plain-http', '--user', `${current.username}:${current.password}`];
    return {
      trusting: true,
      login: (login) => {
        current = login;
        return Promise.resolve();
      },
      async push(name) {
        const reference = `${lab.reference(name)}:one`;
        const image = await lab.smallImage(`image-${name}`);
        images.set(name, image);
        await importImage(lab, { socket, namespace: 'test', image, reference });
        await call('images', 'push', ...user(), reference);
        await lab.expectServed(name, 'one', image);
      },
      async pull(name) {
        const reference = `${lab.reference(name)}:one`;
        const image = images.get(name);
        if (!image) throw new Error(`nothing was pushed to ${name}`);
        await call('images', 'rm', '--sync', reference);
        await call('content', 'fetch', '--all-platforms', ...user(), reference);
        const archive = lab.path(`pulled-${name}.tar`);
        await call('images', 'export', '--all-platforms', archive, reference);
        const folder = await lab.folder(`pulled-${name}`);
        await lab.run('tar', ['-xf', archive, '-C', folder]);
        await expectLayout(folder, image);
      },
    };
  },
};
