import { type Send, document, publish, upload } from '../support/client.ts';
import { noise } from '../support/sample.ts';
import { NAME, descriptor } from '../support/scene.ts';
import type { Operation } from './operations.ts';

const ACR = `/acr/v1/${NAME}`;
const V2 = `/v2/${NAME}`;

/** Operations on whole repositories, and what copies between them. */
export const repositoryOperations: readonly Operation[] = [
  {
    name: 'the deletion of the last manifest of a repository',
    async prepare(send) {
      const manifest = document('last');
      await publish(send, NAME, 'v1', manifest);
      return {
        run: () => send('DELETE', `${V2}/manifests/${manifest.digest}`),
        done: [202, 404],
        holds: async () => (await listed(send)) === '{"repositories":[]}',
      };
    },
  },
  {
    name: 'the deletion of a repository in two transactions',
    async prepare(send) {
      for (let i = 0; i < 30; i++) await publish(send, NAME, `v${i}`, document(`${i}`));
      await publish(send, 'elsewhere', 'v1', document('elsewhere'));
      return {
        run: () => send('DELETE', ACR),
        done: [202, 404],
        holds: async () =>
          (await send('GET', ACR)).status === 404 &&
          (await listed(send)) === '{"repositories":["elsewhere"]}',
      };
    },
  },
  {
    name: 'a tag set on a manifest that is there',
    async prepare(send) {
      const manifest = document('one');
      await publish(send, NAME, 'v1', manifest);
      return {
        run: () => setTag(send, { tag: 'v1' }),
        done: [200, 201],
        holds: async () => (await pull(send, `${V2}/manifests/v2`)).equals(manifest.bytes),
      };
    },
  },
  {
    name: 'the copy of an image to a new repository',
    async prepare(send) {
      const layers = [noise(20), noise(30)];
      for (const bytes of layers) await upload(send, 'elsewhere', bytes);
      const image = document('image', { layers: layers.map(descriptor) });
      await publish(send, 'elsewhere', 'v1', image);
      return {
        run: () => setTag(send, { repository: 'elsewhere', tag: 'v1' }),
        done: [200, 201],
        holds: async () => {
          const blobs = await Promise.all(
            layers.map((bytes) => pull(send, `${V2}/blobs/${descriptor(bytes).digest}`)),
          );
          const manifest = await pull(send, `${V2}/manifests/v2`);
          return (
            manifest.equals(image.bytes) && blobs.every((bytes, i) => bytes.equals(layers[i] ?? noise(0)))
          );
        },
      };
    },
  },
];

async function listed(send: Send): Promise<string> {
  return (await pull(send, '/v2/_catalog')).toString();
}

async function pull(send: Send, path: string): Promise<Buffer> {
  return Buffer.from((await send('GET', path)).bytes);
}

async function setTag(send: Send, to: object) {
  return await send('PUT', `${ACR}/_tags/v2`, { body: Buffer.from(JSON.stringify(to)) });
}
