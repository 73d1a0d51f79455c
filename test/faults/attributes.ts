import { type Answer, type Document, type Send, document, publish } from '../support/client.ts';
import { NAME, descriptor } from '../support/scene.ts';
import type { Attempt, Operation } from './operations.ts';

const ACR = `/acr/v1/${NAME}`;
const V2 = `/v2/${NAME}`;

/** Every change of attributes: afterwards they are told, and what they forbid is refused. */
export const attributeOperations: readonly Operation[] = [
  {
    name: 'the lock of a tag',
    async prepare(send) {
      const { digest } = await tagged(send);
      const gone = () => send('DELETE', `${V2}/manifests/${digest}`);
      return change(send, '/_tags/v1', { deleteEnabled: false }, gone);
    },
  },
  {
    name: 'the lock of a manifest against reading, the first in its repository',
    async prepare(send) {
      const { digest } = await tagged(send);
      const pull = () => send('GET', `${V2}/manifests/v1`);
      return change(send, `/_manifests/${digest}`, { readEnabled: false }, pull);
    },
  },
  {
    name: 'the hiding of a referrer',
    async prepare(send) {
      const subject = await tagged(send);
      const referrer = document('signature', { subject: descriptor(subject.bytes) });
      await publish(send, NAME, referrer.digest, referrer);
      const attempt = change(send, `/_manifests/${referrer.digest}`, { listEnabled: false });
      return {
        ...attempt,
        holds: async () => {
          const list = await send('GET', `${V2}/referrers/${subject.digest}`);
          return (await attempt.holds()) && !text(list).includes(referrer.digest);
        },
      };
    },
  },
  {
    name: 'the verdict on a manifest',
    async prepare(send) {
      const { digest } = await tagged(send);
      const verdict = { quarantineState: 'Failed', quarantineDetails: '{}' };
      return change(send, `/_manifests/${digest}`, verdict);
    },
  },
  {
    name: 'the lock of a repository',
    async prepare(send) {
      await tagged(send);
      const push = () => publish(send, NAME, 'v2', document('late'));
      return change(send, '', { writeEnabled: false }, push);
    },
  },
  {
    name: 'the hiding of a repository',
    async prepare(send) {
      await tagged(send);
      const attempt = change(send, '', { listEnabled: false });
      return {
        ...attempt,
        holds: async () =>
          (await attempt.holds()) && text(await send('GET', '/v2/_catalog')) === '{"repositories":[]}',
      };
    },
  },
  {
    name: 'the showing of a repository that was hidden',
    async prepare(send) {
      await tagged(send);
      await patch(send, '', { listEnabled: false });
      const attempt = change(send, '', { listEnabled: true });
      return {
        ...attempt,
        holds: async () => (await attempt.holds()) && text(await send('GET', '/v2/_catalog')).includes(NAME),
      };
    },
  },
];

async function tagged(send: Send): Promise<Document> {
  const manifest = document('tagged');
  await publish(send, NAME, 'v1', manifest);
  return manifest;
}

async function patch(send: Send, tail: string, attributes: object): Promise<Answer> {
  return await send('PATCH', `${ACR}${tail}`, { body: Buffer.from(JSON.stringify(attributes)) });
}

/** `forbidden` is refused when it is done. */
function change(send: Send, tail: string, attributes: object, forbidden?: () => Promise<Answer>): Attempt {
  return {
    run: () => patch(send, tail, attributes),
    done: [200],
    holds: async () => {
      const told = text(await send('GET', `${ACR}${tail}`));
      const isTold = Object.entries(attributes).every(([key, value]) =>
        told.includes(`"${key}":${JSON.stringify(value)}`),
      );
      return isTold && (!forbidden || (await forbidden()).status === 405);
    },
  };
}

function text({ bytes }: Answer): string {
  return Buffer.from(bytes).toString();
}
