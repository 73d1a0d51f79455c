import { type Digest, digestOf } from '../../src/model/digest.ts';
import type { TestApp } from './app.ts';

export const IMAGE_TYPE = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';
export const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';
export const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar';
export const EMPTY_TYPE = 'application/vnd.oci.empty.v1+json';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
}

export interface Pushed extends Descriptor {
  readonly bytes: Uint8Array;
}

export function descriptorOf(bytes: Uint8Array, mediaType = LAYER_TYPE): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

/** Whatever answers requests: an app without a socket, or a registry elsewhere. */
export type Target = Pick<TestApp, 'fetch'>;

/** The answer's `Location`; throws when it has none. */
export function locationOf(response: Response): string {
  const location = response.headers.get('location');
  if (location === null) throw new Error(`no Location in an answer ${response.status}`);
  return location;
}

/** `Location` of a new upload session. */
export async function beginUpload(to: Target, repository: string): Promise<string> {
  const answer = await to.fetch('POST', `/v2/${repository}/blobs/uploads/`);
  if (answer.status !== 202) throw new Error(`POST of an upload: ${answer.status} ${await answer.text()}`);
  return locationOf(answer);
}

/** The URL that ends an upload. */
export function closing(location: string, digest: string): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`;
}

/** Pushes a blob by POST and one PUT. Throws when it is refused. */
export async function pushBlob(
  to: Target,
  repository: string,
  bytes: Uint8Array,
  mediaType = LAYER_TYPE,
): Promise<Pushed> {
  const pushed = { ...descriptorOf(bytes, mediaType), bytes };
  const answer = await to.fetch('PUT', closing(await beginUpload(to, repository), pushed.digest), {
    body: bytes,
  });
  if (answer.status !== 201) throw new Error(`PUT of a blob: ${answer.status} ${await answer.text()}`);
  return pushed;
}

/** Puts any text as manifest and returns the answer. */
export async function putManifest(
  to: Target,
  repository: string,
  reference: string,
  body: Uint8Array | string,
  contentType = IMAGE_TYPE,
): Promise<Response> {
  return await to.fetch('PUT', `/v2/${repository}/manifests/${reference}`, {
    body,
    headers: { 'content-type': contentType },
  });
}

/** Pushes an object as manifest, by tag or, without one, by digest. Throws when it is refused. */
export async function pushManifest(
  to: Target,
  repository: string,
  manifest: Readonly<Record<string, unknown>>,
  tag?: string,
): Promise<Pushed> {
  const bytes = new TextEncoder().encode(JSON.stringify(manifest));
  const { mediaType: declared } = manifest;
  const mediaType = typeof declared === 'string' ? declared : IMAGE_TYPE;
  const pushed = { mediaType, digest: digestOf(bytes), size: bytes.length, bytes };
  const answer = await putManifest(to, repository, tag ?? pushed.digest, bytes, mediaType);
  if (answer.status !== 201) throw new Error(`PUT of a manifest: ${answer.status} ${await answer.text()}`);
  return pushed;
}

/** The manifest of an image over blobs; `more` adds or replaces fields, such as `subject`. */
export function imageManifest(
  config: Descriptor,
  layers: readonly Descriptor[],
  more: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const plain = ({ mediaType, digest, size }: Descriptor) => ({ mediaType, digest, size });
  return {
    schemaVersion: 2,
    mediaType: IMAGE_TYPE,
    config: plain(config),
    layers: layers.map(plain),
    ...more,
  };
}

/** An index over manifests. */
export function indexManifest(
  manifests: readonly object[],
  more: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return { schemaVersion: 2, mediaType: INDEX_TYPE, manifests, ...more };
}

/** Pushes an image of one layer: its texts make it differ from others. Returns manifest, config and layer. */
export async function pushImage(
  to: Target,
  repository: string,
  tag?: string,
  text = 'image',
): Promise<{ manifest: Pushed; config: Pushed; layer: Pushed }> {
  const bytes = (part: string) => new TextEncoder().encode(JSON.stringify({ text, part }));
  const config = await pushBlob(to, repository, bytes('config'), CONFIG_TYPE);
  const layer = await pushBlob(to, repository, bytes('layer'));
  const manifest = await pushManifest(to, repository, imageManifest(config, [layer]), tag);
  return { manifest, config, layer };
}

/** The bytes of a blob, wherever the registry sends for them. Throws when there are none. */
export async function pullBlob(to: Target, repository: string, digest: string): Promise<Uint8Array> {
  const answer = await to.fetch('GET', `/v2/${repository}/blobs/${digest}`);
  const last = answer.status === 307 ? await fetch(locationOf(answer)) : answer;
  if (last.status !== 200) throw new Error(`GET of a blob: ${last.status} ${await last.text()}`);
  return new Uint8Array(await last.arrayBuffer());
}

/** A body without an announced length, as chunked encoding has. */
export async function* streamed(...pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}
