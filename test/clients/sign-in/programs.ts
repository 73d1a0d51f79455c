import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';

import { cosign } from '../client/cosign.ts';
import { crane } from '../client/crane.ts';
import { helm } from '../client/helm.ts';
import { oras } from '../client/oras.ts';
import { podman } from '../client/podman.ts';
import { skopeo } from '../client/skopeo.ts';
import { expectIncludes, expectLayout } from '../lab/expect.ts';
import { LAYOUT_TAG, type TestImage } from '../lab/image.ts';
import type { Lab } from '../lab/lab.ts';
import type { Login, SignInClient } from './station.ts';

const UNVERIFIED = '--tls-verify=false';

export const podmanSignIn: SignInClient = {
  client: podman,
  async open(lab) {
    await lab.folder('home', '.config', 'containers');
    const policy = '{"default":[{"type":"insecureAcceptAnything"}]}';
    await writeFile(lab.path('home', '.config', 'containers', 'policy.json'), policy);
    const where = ['--root', lab.path('store'), '--runroot', lab.path('run'), '--storage-driver', 'vfs'];
    const globals = [...where, '--events-backend', 'none', '--cgroup-manager', 'cgroupfs'];
    const call = async (args: readonly string[], input = ''): Promise<string> =>
      (await lab.run('podman', [...globals, ...args], { input })).stdout.trim();
    const ids = new Map<string, string>();
    return {
      login: async ({ username, password }) =>
        void (await call(['login', UNVERIFIED, '-u', username, '--password-stdin', lab.registry], password)),
      logout: async () => void (await call(['logout', lab.registry])),
      async push(name) {
        const image = await lab.smallImage(`image-${name}`);
        const id = await call(['pull', '--quiet', `oci:${image.layout}:${LAYOUT_TAG}`]);
        ids.set(name, id);
        await call(['push', UNVERIFIED, '--quiet', id, `docker://${lab.reference(name)}:one`]);
        await lab.expectLayers(name, 'one', image);
      },
      async pull(name) {
        await call(['rmi', '--force', ids.get(name) ?? '']);
        const pulled = await call(['pull', UNVERIFIED, '--quiet', `docker://${lab.reference(name)}:one`]);
        expectIncludes('image', pulled, ids.get(name) ?? 'one that was pushed');
      },
    };
  },
};

export const skopeoSignIn: SignInClient = {
  client: skopeo,
  async open(lab) {
    const files = openFiles(lab);
    return await Promise.resolve({
      login: async ({ username, password }: Login) =>
        void (await lab.run(
          'skopeo',
          ['login', UNVERIFIED, '-u', username, '--password-stdin', lab.registry],
          {
            input: password,
          },
        )),
      logout: async () => void (await lab.run('skopeo', ['logout', lab.registry])),
      push: async (name: string) =>
        await files.push(name, async ({ layout }, to) => {
          const from = `oci:${layout}:${LAYOUT_TAG}`;
          const plain = '--dest-tls-verify=false';
          await lab.run('skopeo', ['--insecure-policy', 'copy', plain, from, `docker://${to}`]);
        }),
      pull: async (name: string) =>
        await files.pull(name, async (from, folder) => {
          const plain = '--src-tls-verify=false';
          await lab.run('skopeo', [
            '--insecure-policy',
            'copy',
            plain,
            `docker://${from}`,
            `oci:${folder}:one`,
          ]);
        }),
    });
  },
};

export const orasSignIn: SignInClient = {
  client: oras,
  async open(lab) {
    const files = openFiles(lab);
    return await Promise.resolve({
      login: async ({ username, password }: Login) =>
        void (await lab.run(
          'oras',
          ['login', '--plain-http', '-u', username, '--password-stdin', lab.registry],
          {
            input: password,
          },
        )),
      logout: async () => void (await lab.run('oras', ['logout', lab.registry])),
      push: async (name: string) =>
        await files.push(name, async ({ layout }, to) => {
          const from = `${layout}:${LAYOUT_TAG}`;
          await lab.run('oras', ['cp', '--from-oci-layout', '--to-plain-http', from, to]);
        }),
      pull: async (name: string) =>
        await files.pull(name, async (from, folder) => {
          await lab.run('oras', ['cp', '--to-oci-layout', '--from-plain-http', from, `${folder}:one`]);
        }),
    });
  },
};

export const craneSignIn: SignInClient = {
  client: crane,
  async open(lab) {
    const files = openFiles(lab);
    const call = async (args: readonly string[], input = ''): Promise<void> =>
      void (await lab.run('crane', ['--insecure', ...args], { input }));
    return await Promise.resolve({
      trusting: true,
      login: async ({ username, password }: Login) =>
        await call(['auth', 'login', '-u', username, '--password-stdin', lab.registry], password),
      logout: async () => await call(['auth', 'logout', lab.registry]),
      push: async (name: string) =>
        await files.push(name, async ({ layout }, to) => await call(['push', layout, to])),
      pull: async (name: string) =>
        await files.pull(name, async (from, folder) => await call(['pull', '--format=oci', from, folder])),
    });
  },
};

export const helmSignIn: SignInClient = {
  client: helm,
  async open(lab) {
    await lab.folder('chart', 'templates');
    // The name of a chart is the last part of its repository's name.
    const pack = async (name: string): Promise<string> => {
      const chart = `apiVersion: v2\nname: ${name}\ntype: application\nversion: 1.0.0\n`;
      await writeFile(lab.path('chart', 'Chart.yaml'), chart);
      await writeFile(lab.path('chart', 'values.yaml'), `word: ${randomBytes(3000).toString('hex')}\n`);
      await lab.run('helm', ['package', 'chart', '--destination', lab.path()]);
      return lab.path(`${name}-1.0.0.tgz`);
    };
    const parent = `oci://${lab.reference('')}`.replace(/\/$/, '');
    return {
      login: async ({ username, password }) =>
        void (await lab.run(
          'helm',
          ['registry', 'login', '--plain-http', '-u', username, '--password-stdin', lab.registry],
          { input: password },
        )),
      logout: async () => void (await lab.run('helm', ['registry', 'logout', lab.registry])),
      push: async (name) => void (await lab.run('helm', ['push', '--plain-http', await pack(name), parent])),
      async pull(name) {
        const folder = await lab.folder(`pulled-${name}`);
        const where = ['--version', '1.0.0', '--destination', folder];
        await lab.run('helm', ['pull', '--plain-http', `${parent}/${name}`, ...where]);
        await lab.run('cmp', [lab.path(`${name}-1.0.0.tgz`), `${folder}/${name}-1.0.0.tgz`]);
      },
    };
  },
};

/** Signs what lies there already, which reads and writes; then verifies it. */
export const cosignSignIn: SignInClient = {
  client: cosign,
  async open(lab) {
    const plain = ['--allow-http-registry', '--allow-insecure-registry'];
    await lab.run('cosign', ['generate-key-pair']);
    // No transparency log, no timestamps: a signing configuration without any server.
    await lab.run('cosign', ['signing-config', 'create', '--out', 'signing.json']);
    const subjects = new Map<string, string>();
    return {
      trusting: true,
      seeds: true,
      login: async ({ username, password }) =>
        void (await lab.run('cosign', ['login', '-u', username, '--password-stdin', lab.registry], {
          input: password,
        })),
      async push(name) {
        const image = await lab.smallImage(`image-${name}`);
        await lab.seed(name, 'one', image);
        const subject = `${lab.reference(name)}@${image.root.digest}`;
        subjects.set(name, subject);
        const how = ['--key', 'cosign.key', '--signing-config', 'signing.json', '--yes', ...plain];
        await lab.run('cosign', ['sign', ...how, subject]);
      },
      async pull(name) {
        const how = ['--key', 'cosign.pub', '--insecure-ignore-tlog', ...plain];
        await lab.run('cosign', ['verify', ...how, subjects.get(name) ?? '']);
      },
    };
  },
};

/** Images as directories, for clients that push and pull those; each is compared on both ends. */
function openFiles(lab: Lab) {
  const images = new Map<string, TestImage>();
  return {
    async push(name: string, send: (image: TestImage, to: string) => Promise<void>): Promise<void> {
      const image = await lab.smallImage(`image-${name}`);
      images.set(name, image);
      await send(image, `${lab.reference(name)}:one`);
      await lab.expectServed(name, 'one', image);
    },
    async pull(name: string, take: (from: string, folder: string) => Promise<void>): Promise<void> {
      const image = images.get(name);
      if (!image) throw new Error(`nothing was pushed to ${name}`);
      const folder = lab.path(`pulled-${name}`);
      await lab.run('rm', ['-rf', folder]);
      await take(`${lab.reference(name)}:one`, folder);
      await expectLayout(folder, image);
    },
  };
}
