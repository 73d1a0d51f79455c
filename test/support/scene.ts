import { digestOf } from '../../src/model/digest.ts';
import { type Answer, IMAGE, type Send, begin, document, end, patch, publish, upload } from './client.ts';
import { noise } from './sample.ts';

/** Prepares a registry, and gives back the one request that a test is about. */
export type Scene = (send: Send) => Promise<() => Promise<Answer>>;

/** The repository of all scenes. */
export const NAME = 'team/app';

const ACR = `/acr/v1/${NAME}`;
const V2 = `/v2/${NAME}`;
const DELETED = `/acr/v1/_deleted/${NAME}`;
const MIB = 1024 * 1024;

/** Each request that costs something of its own. */
export const scenes = {
  ping: get('/v2/'),
  postUpload: async (send) => () => send('POST', `${V2}/blobs/uploads/`),
  getUpload: inUpload((send, at) => send('GET', at)),
  headTag: withTag((send) => send('HEAD', `${V2}/manifests/v1`)),
  getTag: withTag((send) => send('GET', `${V2}/manifests/v1`)),
  getDigest: withTag((send, digest) => send('GET', `${V2}/manifests/${digest}`)),
  getNone: get(`${V2}/manifests/none`),
  getLarge: async (send) => {
    await publish(send, NAME, 'large', document('x'.repeat(70_000)));
    return () => send('GET', `${V2}/manifests/large`);
  },
  headBlob: withBlob((send, digest) => send('HEAD', `${V2}/blobs/${digest}`)),
  getBlob: withBlob((send, digest) => send('GET', `${V2}/blobs/${digest}`)),
  patchByte: inUpload((send, at) => piece(send, at, 1)),
  patchBlock: inUpload((send, at) => piece(send, at, 8 * MIB)),
  patchBlocks: inUpload((send, at) => piece(send, at, 17 * MIB)),
  putSmall: inUpload((send, at) => whole(send, at, noise(1000))),
  putEmpty: inUpload((send, at) => end(send, at, digestOf(noise(0)))),
  putBlocks: inUpload((send, at) => whole(send, at, noise(9 * MIB))),
  putEnd: async (send) => {
    const bytes = noise(100);
    const location = await patch(send, await begin(send, NAME), bytes);
    return () => end(send, location, digestOf(bytes));
  },
  putChain: async (send) => {
    let location = await begin(send, NAME);
    const parts = Array.from({ length: 41 }, () => noise(3));
    for (const part of parts) location = await patch(send, location, part, {});
    return () => end(send, location, digestOf(Buffer.concat(parts)));
  },
  putStreams: async (send) => {
    const parts = [noise(100), noise(100)];
    let location = await begin(send, NAME);
    for (const part of parts) location = await patch(send, location, part);
    return () => end(send, location, digestOf(Buffer.concat(parts)));
  },
  putKnown: async (send) => {
    const bytes = noise(100);
    await upload(send, 'other', bytes);
    const location = await begin(send, NAME);
    return () => whole(send, location, bytes);
  },
  putAgain: async (send) => {
    const bytes = noise(100);
    const location = await begin(send, NAME);
    await whole(send, location, bytes);
    return () => whole(send, location, bytes);
  },
  postWhole: async (send) => {
    const body = noise(100);
    return () => send('POST', `${V2}/blobs/uploads/?digest=${digestOf(body)}`, { body });
  },
  mount: async (send) => {
    const bytes = noise(100);
    await upload(send, 'other', bytes);
    return () => send('POST', `${V2}/blobs/uploads/?mount=${digestOf(bytes)}&from=other`);
  },
  mountNone: async (send) => {
    return () => send('POST', `${V2}/blobs/uploads/?mount=${digestOf(noise(9))}&from=other`);
  },
  cancel: inUpload((send, at) => send('DELETE', at)),
  deleteBlob: withBlob((send, digest) => send('DELETE', `${V2}/blobs/${digest}`)),
  pushImage: image({ first: false }),
  pushFirst: image({ first: true }),
  pushDigest: async (send) => {
    await publish(send, NAME, 'before', document('before'));
    const next = document('next');
    return () => publish(send, NAME, next.digest, next);
  },
  pushAgain: withTag((send) => publish(send, NAME, 'v1', document('v1'))),
  pushRetag: withTag((send) => publish(send, NAME, 'v2', document('v1'))),
  pushMove: withTag((send) => publish(send, NAME, 'v1', document('v2'))),
  pushLarge: withTag((send) => publish(send, NAME, 'v2', document('x'.repeat(70_000)))),
  deleteTag: withTag((send) => send('DELETE', `${V2}/manifests/v1`)),
  deleteManifest: withTag((send, digest) => send('DELETE', `${V2}/manifests/${digest}`)),
  deleteMany: async (send) => {
    const manifest = document('tagged');
    for (const names of [0, 1, 2].map((part) => Array.from({ length: 11 }, (_, i) => `tag=t${part}-${i}`)))
      await publish(send, NAME, `${manifest.digest}?${names.join('&')}`, manifest);
    return () => send('DELETE', `${V2}/manifests/${manifest.digest}`);
  },
  tags: withTag((send) => send('GET', `${V2}/tags/list`)),
  tagsNone: get(`${V2}/tags/list`),
  catalog: withTag((send) => send('GET', '/v2/_catalog')),
  showRepository: withTag((send) => send('GET', ACR)),
  deleteRepository: withTag((send) => send('DELETE', ACR)),
  acrTags: withTag((send) => send('GET', `${ACR}/_tags`)),
  acrTagsByTime: async (send) => {
    const manifest = document('tagged');
    for (let part = 0; part < 51; part++) {
      const names = Array.from({ length: 20 }, (_, i) => `tag=t${part}-${i}`);
      await publish(send, NAME, `${manifest.digest}?${names.join('&')}`, manifest);
    }
    return () => send('GET', `${ACR}/_tags?orderby=timedesc`);
  },
  acrTagsOfOne: withTag((send, digest) => send('GET', `${ACR}/_tags?digest=${digest}`)),
  acrTag: withTag((send) => send('GET', `${ACR}/_tags/v1`)),
  acrTagNone: withTag((send) => send('GET', `${ACR}/_tags/v2`)),
  acrRetag: withTag((send) => setTag(send, 'v2', { tag: 'v1' })),
  acrRetagAgain: withTag((send) => setTag(send, 'v1', { tag: 'v1' })),
  acrCopy: async (send) => {
    const layers = [noise(10), noise(10), noise(10)];
    for (const bytes of layers) await upload(send, 'other', bytes);
    await publish(send, 'other', 'v1', document('image', { layers: layers.map(descriptor) }));
    await publish(send, NAME, 'before', document('before'));
    return () => setTag(send, 'v1', { repository: 'other', tag: 'v1' });
  },
  patchTag: withTag((send) => patchAttributes(send, '/_tags/v1', { deleteEnabled: false })),
  patchTagSame: withTag((send) => patchAttributes(send, '/_tags/v1', { deleteEnabled: true })),
  patchManifest: withTag((send, digest) =>
    patchAttributes(send, `/_manifests/${digest}`, { writeEnabled: false }),
  ),
  patchManifestFirst: withTag((send, digest) =>
    patchAttributes(send, `/_manifests/${digest}`, { readEnabled: false }),
  ),
  passManifest: withTag((send, digest) =>
    patchAttributes(send, `/_manifests/${digest}`, { quarantineState: 'Passed' }),
  ),
  patchRepository: withTag((send) => patchAttributes(send, '', { deleteEnabled: false })),
  patchHidden: withTag((send) => patchAttributes(send, '', { listEnabled: false })),
  acrUntag: withTag((send) => send('DELETE', `${ACR}/_tags/v1`)),
  acrManifests: withConfigs(async (send) => () => send('GET', `${ACR}/_manifests`)),
  acrManifestsAgain: withConfigs(async (send) => {
    await send('GET', `${ACR}/_manifests`);
    return () => send('GET', `${ACR}/_manifests`);
  }),
  acrManifestsByTime: withConfigs(async (send) => {
    await send('GET', `${ACR}/_manifests`);
    return () => send('GET', `${ACR}/_manifests?orderby=timeasc`);
  }),
  acrManifest: withConfigs(
    async (send, [digest]) =>
      () =>
        send('GET', `${ACR}/_manifests/${digest}`),
  ),
  acrManifestNone: withTag((send) => send('GET', `${ACR}/_manifests/${document('none').digest}`)),
  acrIndex: withConfigs(async (send, digests) => {
    const manifests = digests.map((digest) => ({ mediaType: IMAGE, digest, size: 1 }));
    const index = document('index', { manifests });
    await publish(send, NAME, 'index', index);
    return () => send('GET', `${ACR}/_manifests/${index.digest}`);
  }),
  referrers: withTag((send, digest) => send('GET', `${V2}/referrers/${digest}`)),
  restore: withDeleted({}, (send, digest) => restore(send, digest)),
  restoreLarge: withDeleted({ text: 'x'.repeat(70_000) }, (send, digest) => restore(send, digest)),
  restoreLast: withDeleted({ last: true }, (send, digest) => restore(send, digest)),
  restoreTag: withDeleted({ untag: true }, (send, digest) => restore(send, digest)),
  restoreForced: async (send) => {
    const act = await withDeleted({}, (_, digest) => restore(send, digest, '?force=true'))(send);
    await publish(send, NAME, 'v1', document('fresh'));
    return act;
  },
  deletedManifests: withDeleted({}, (send) => send('GET', `${DELETED}/_manifests`)),
  deletedTags: withDeleted({}, (send) => send('GET', `${DELETED}/_tags`)),
  deletedCatalog: withDeleted({ last: true }, (send) => send('GET', '/acr/v1/_deleted/_catalog')),
} satisfies Record<string, Scene>;

function get(path: string): Scene {
  return async (send) => () => send('GET', path);
}

/** With a manifest of that name tagged `v1`. */
function withTag(act: (send: Send, digest: string) => Promise<Answer>): Scene {
  return async (send) => {
    const manifest = document('v1');
    await publish(send, NAME, 'v1', manifest);
    return () => act(send, manifest.digest);
  };
}

/** With a deleted manifest of two layers that was tagged `v1`, or one that lost the tag alone. */
function withDeleted(
  { text = 'deleted', last = false, untag = false },
  act: (send: Send, digest: string) => Promise<Answer>,
): Scene {
  return async (send) => {
    const layers = [noise(10), noise(20)];
    for (const bytes of layers) await upload(send, NAME, bytes);
    const manifest = document(text, { layers: layers.map(descriptor) });
    await publish(send, NAME, 'v1', manifest);
    if (!last) await publish(send, NAME, 'other', document('other'));
    await send('DELETE', `${V2}/manifests/${untag ? 'v1' : manifest.digest}`);
    return () => act(send, manifest.digest);
  };
}

async function restore(send: Send, digest: string, query = ''): Promise<Answer> {
  return await send('POST', `${DELETED}/_manifests/${digest}${query}`, { body: Buffer.from('{"tag":"v1"}') });
}

async function patchAttributes(send: Send, tail: string, change: object): Promise<Answer> {
  return await send('PATCH', `${ACR}${tail}`, { body: Buffer.from(JSON.stringify(change)) });
}

async function setTag(send: Send, tag: string, to: object): Promise<Answer> {
  return await send('PUT', `${ACR}/_tags/${tag}`, { body: Buffer.from(JSON.stringify(to)) });
}

/** With three images whose configs nobody has read; `act` may prepare more. */
function withConfigs(act: (send: Send, digests: readonly string[]) => Promise<() => Promise<Answer>>): Scene {
  return async (send) => {
    const digests: string[] = [];
    for (const text of ['a', 'b', 'c']) {
      const bytes = Buffer.from(JSON.stringify({ os: 'linux', architecture: text }));
      await upload(send, NAME, bytes);
      const config = { ...descriptor(bytes), mediaType: 'application/vnd.oci.image.config.v1+json' };
      const manifest = document(text, { config });
      await publish(send, NAME, text, manifest);
      digests.push(manifest.digest);
    }
    return await act(send, digests);
  };
}

function withBlob(act: (send: Send, digest: string) => Promise<Answer>): Scene {
  return async (send) => {
    const bytes = noise(100);
    await upload(send, NAME, bytes);
    return () => act(send, digestOf(bytes));
  };
}

function inUpload(act: (send: Send, location: string) => Promise<Answer>): Scene {
  return async (send) => {
    const location = await begin(send, NAME);
    return () => act(send, location);
  };
}

async function piece(send: Send, location: string, size: number): Promise<Answer> {
  return await send('PATCH', location, { body: noise(size), chunked: true });
}

async function whole(send: Send, location: string, bytes: Uint8Array): Promise<Answer> {
  return await end(send, location, digestOf(bytes), bytes);
}

/** A descriptor for manifests of tests. */
export function descriptor(bytes: Uint8Array) {
  return { mediaType: 'application/octet-stream', digest: digestOf(bytes), size: bytes.length };
}

/** The push of a manifest with three layers, a tag and a subject. */
function image({ first }: { first: boolean }): Scene {
  return async (send) => {
    const subject = document('subject');
    if (!first) await publish(send, NAME, 'subject', subject);
    const layers = [noise(10), noise(10), noise(10)];
    for (const bytes of layers) await upload(send, NAME, bytes);
    const manifest = document('image', {
      layers: layers.map(descriptor),
      subject: descriptor(subject.bytes),
    });
    return () => publish(send, NAME, 'v1', manifest);
  };
}
