import type { RegistryDocument } from '../../src/model/access.ts';
import { digestOf } from '../../src/model/digest.ts';
import {
  type Answer,
  type Document,
  type Send,
  begin,
  document,
  end,
  header,
  publish,
  upload,
} from '../support/client.ts';
import { noise } from '../support/sample.ts';
import { NAME, descriptor } from '../support/scene.ts';

/** What a client wants, and how it goes about it. */
export interface Operation {
  readonly name: string;
  /** What is set of the registry before. */
  readonly document?: Partial<RegistryDocument>;
  /** Prepares the registry; the answer is about the client's first attempt. */
  readonly prepare: (send: Send) => Promise<Attempt>;
}

export interface Attempt {
  /** One attempt, up to its first refusal. A client that got 503 calls it again. */
  readonly run: () => Promise<Answer>;
  /** Statuses that say it is done: also those for what an earlier attempt has done. */
  readonly done: readonly number[];
  /** Whether the registry now serves what it should. */
  readonly holds: () => Promise<boolean>;
}

const V2 = `/v2/${NAME}`;

const KEPT = { softDelete: { enabled: true, days: 7, updated: 0 } };

/** Every operation that writes. */
export const operations: readonly Operation[] = [
  blob('a blob by PUT, and the same PUT again', 50, async (send) => {
    const location = await begin(send, NAME);
    return (bytes) => end(send, location, digestOf(bytes), bytes);
  }),
  blob('a blob by POST and PUT, from the start again', 50, async (send) => {
    return (bytes) => upload(send, NAME, bytes);
  }),
  blob('a blob of three blocks by PUT, and the same PUT again', 150, async (send) => {
    const location = await begin(send, NAME);
    return (bytes) => end(send, location, digestOf(bytes), bytes);
  }),
  blob('a blob by PATCH and PUT, from the start again, as docker does', 150, async (send) => {
    return (bytes) => streamed(send, bytes);
  }),
  blob('a blob by PATCH and PUT, and the same PUT again', 150, async (send) => {
    const location = await begin(send, NAME);
    let rest: string | undefined;
    return async (bytes) => {
      const sent =
        rest === undefined ? await send('PATCH', location, { body: bytes, chunked: true }) : undefined;
      if (sent && sent.status !== 202) return sent;
      rest ??= sent && header(sent, 'location');
      return await end(send, rest ?? '', digestOf(bytes));
    };
  }),
  blob('a blob in pieces, each of them again', 150, async (send) =>
    pieceByPiece(send, await begin(send, NAME)),
  ),
  blob('a blob whose bytes are read back, from the start again', 150, async (send) => {
    return (bytes) => streamed(send, bytes.subarray(0, 70), bytes.subarray(70));
  }),
  blob(
    'a blob known elsewhere, and the same PUT again',
    50,
    async (send) => {
      const location = await begin(send, NAME);
      return async (bytes) => await end(send, location, digestOf(bytes), bytes);
    },
    'elsewhere',
  ),
  blob(
    'a mount',
    50,
    async (send) => {
      return (bytes) => send('POST', `${V2}/blobs/uploads/?mount=${digestOf(bytes)}&from=elsewhere`);
    },
    'elsewhere',
  ),
  {
    name: 'the first manifest of a repository',
    prepare: async (send) => push(send, document('first'), 'v1'),
  },
  {
    name: 'a manifest with layers, a tag and a subject',
    async prepare(send) {
      const subject = document('subject');
      await publish(send, NAME, 'subject', subject);
      const layers = [noise(10), noise(20)];
      for (const layer of layers) await upload(send, NAME, layer);
      const fields = { layers: layers.map(descriptor), subject: descriptor(subject.bytes) };
      const manifest = document('signature', fields);
      const { holds, ...attempt } = push(send, manifest, 'v1');
      return {
        ...attempt,
        holds: async () => (await holds()) && (await referrersOf(send, subject)).includes(manifest.digest),
      };
    },
  },
  {
    name: 'a manifest too large for a row',
    async prepare(send) {
      await publish(send, NAME, 'before', document('before'));
      return push(send, document('x'.repeat(70_000)), 'v1');
    },
  },
  {
    name: 'a tag moved to another manifest',
    async prepare(send) {
      await publish(send, NAME, 'v1', document('before'));
      return push(send, document('after'), 'v1');
    },
  },
  {
    name: 'a new tag for a manifest that is there',
    async prepare(send) {
      await publish(send, NAME, 'v1', document('same'));
      return push(send, document('same'), 'v2');
    },
  },
  {
    name: 'the deletion of a tag',
    async prepare(send) {
      const manifest = document('tagged');
      for (const tag of ['v1', 'v2']) await publish(send, NAME, tag, manifest);
      return removal(send, 'manifests/v1', ['manifests/v2', `manifests/${manifest.digest}`]);
    },
  },
  {
    name: 'the deletion of a manifest with its tags',
    async prepare(send) {
      const [manifest, other] = [document('tagged'), document('other')];
      for (const tag of ['v1', 'v2']) await publish(send, NAME, tag, manifest);
      await publish(send, NAME, 'v3', other);
      return removal(send, `manifests/${manifest.digest}`, ['manifests/v3']);
    },
  },
  {
    name: 'the deletion of a manifest with 40 tags',
    async prepare(send) {
      const manifest = document('tagged');
      for (const part of [0, 1]) {
        const query = Array.from({ length: 20 }, (_, i) => `tag=t${part}-${i}`).join('&');
        await publish(send, NAME, `${manifest.digest}?${query}`, manifest);
      }
      return removal(send, `manifests/${manifest.digest}`, []);
    },
  },
  {
    name: 'the deletion of a manifest that can be restored',
    document: KEPT,
    async prepare(send) {
      const manifest = document('tagged');
      await publish(send, NAME, 'v1', manifest);
      const attempt = removal(send, `manifests/${manifest.digest}`, []);
      return {
        ...attempt,
        holds: async () =>
          (await attempt.holds()) &&
          (await listedAsDeleted(send)) &&
          (await restore(send, manifest, 'v1')).status === 200,
      };
    },
  },
  restoration('the restoration of a manifest', 'deleted'),
  restoration('the restoration of a large manifest', 'x'.repeat(70_000)),
  restoration('the restoration of a repository', 'deleted', true),
  {
    name: 'the deletion of a blob',
    async prepare(send) {
      const bytes = noise(50);
      await upload(send, 'elsewhere', bytes);
      await upload(send, NAME, bytes);
      return removal(send, `blobs/${digestOf(bytes)}`, [], `/v2/elsewhere/blobs/${digestOf(bytes)}`);
    },
  },
  {
    name: 'a cancelled upload',
    async prepare(send) {
      const bytes = noise(150);
      const location = header(await send('PATCH', await begin(send, NAME), { body: bytes }), 'location');
      return {
        run: () => send('DELETE', location),
        done: [204],
        holds: async () => (await end(send, location, digestOf(bytes))).status === 404,
      };
    },
  },
];

/** The push of a blob; `known` names a repository that has it before. */
function blob(
  name: string,
  size: number,
  prepare: (send: Send) => Promise<(bytes: Uint8Array) => Promise<Answer>>,
  known?: string,
): Operation {
  return {
    name,
    async prepare(send) {
      const bytes = noise(size);
      if (known !== undefined) await upload(send, known, bytes);
      const attempt = await prepare(send);
      return {
        run: () => attempt(bytes),
        done: [201],
        holds: async () => {
          const answer = await send('GET', `${V2}/blobs/${digestOf(bytes)}`);
          return answer.status === 200 && Buffer.compare(answer.bytes, bytes) === 0;
        },
      };
    },
  };
}

async function streamed(send: Send, ...parts: Uint8Array[]): Promise<Answer> {
  let location = await begin(send, NAME);
  for (const body of parts) {
    const sent = await send('PATCH', location, { body, chunked: true });
    if (sent.status !== 202) return sent;
    location = header(sent, 'location');
  }
  return await end(send, location, digestOf(Buffer.concat(parts)));
}

/** Goes on where it stopped, each time it is called. */
function pieceByPiece(send: Send, start: string): (bytes: Uint8Array) => Promise<Answer> {
  const step = 60;
  let location = start;
  let offset = 0;
  return async (bytes) => {
    while (offset < bytes.length) {
      const body = bytes.subarray(offset, offset + step);
      const headers = { 'content-range': `${offset}-${offset + body.length - 1}` };
      const sent = await send('PATCH', location, { headers, body });
      if (sent.status !== 202) return sent;
      location = header(sent, 'location');
      offset += body.length;
    }
    return await end(send, location, digestOf(bytes));
  };
}

function push(send: Send, manifest: Document, tag: string): Attempt {
  return {
    run: () => publish(send, NAME, tag, manifest),
    done: [201],
    holds: async () => {
      const found = await Promise.all(
        [tag, manifest.digest].map((reference) => send('GET', `${V2}/manifests/${reference}`)),
      );
      const listed = Buffer.from((await send('GET', '/v2/_catalog')).bytes).toString();
      return found.every(({ bytes }) => Buffer.compare(bytes, manifest.bytes) === 0) && listed.includes(NAME);
    },
  };
}

/** A deletion, after which `kept` must still be there. */
function removal(send: Send, path: string, kept: readonly string[], elsewhere?: string): Attempt {
  return {
    run: () => send('DELETE', `${V2}/${path}`),
    done: [202, 404],
    holds: async () => {
      const gone = await send('HEAD', `${V2}/${path}`);
      const others = [...kept.map((one) => `${V2}/${one}`), ...(elsewhere === undefined ? [] : [elsewhere])];
      const left = await Promise.all(others.map((one) => send('HEAD', one)));
      return gone.status === 404 && left.every(({ status }) => status === 200);
    },
  };
}

/** What was deleted comes back with its tag, its layer and the repository. */
function restoration(name: string, text: string, last = false): Operation {
  return {
    name,
    document: KEPT,
    async prepare(send) {
      const layer = noise(20);
      await upload(send, NAME, layer);
      if (!last) await publish(send, NAME, 'other', document('other'));
      const manifest = document(text, { layers: [descriptor(layer)] });
      const { holds } = push(send, manifest, 'v1');
      await publish(send, NAME, 'v1', manifest);
      await send('DELETE', `${V2}/manifests/${manifest.digest}`);
      return { run: () => restore(send, manifest, 'v1'), done: [200], holds };
    },
  };
}

async function restore(send: Send, { digest }: Document, tag: string): Promise<Answer> {
  const body = Buffer.from(JSON.stringify({ tag }));
  return await send('POST', `/acr/v1/_deleted/${NAME}/_manifests/${digest}`, { body });
}

async function listedAsDeleted(send: Send): Promise<boolean> {
  return Buffer.from((await send('GET', '/acr/v1/_deleted/_catalog')).bytes)
    .toString()
    .includes(`"${NAME}"`);
}

async function referrersOf(send: Send, { digest }: Document): Promise<string> {
  return Buffer.from((await send('GET', `${V2}/referrers/${digest}`)).bytes).toString();
}
