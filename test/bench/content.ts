import { createHash, randomBytes } from 'node:crypto';
import type { RegistryClient } from './client.ts';

const pieceBytes = 1024 * 1024;
const base = randomBytes(pieceBytes);
export const mediaType = 'application/vnd.oci.image.manifest.v1+json';
const layerType = 'application/vnd.oci.image.layer.v1.tar';

/** Bytes that no registry has seen, of any size, in little memory. */
export interface Layer {
  readonly digest: string;
  readonly size: number;
  pieces(): Iterable<Buffer>;
}

/** A fresh layer; its digest is known before anything is timed. */
export function freshLayer(size: number): Layer {
  const first = randomBytes(Math.min(size, 32));
  function* pieces(): Generator<Buffer> {
    yield first;
    for (let left = size - first.length; left > 0; left -= pieceBytes) {
      yield left >= pieceBytes ? base : base.subarray(0, left);
    }
  }
  const hash = createHash('sha256');
  for (const piece of pieces()) hash.update(piece);
  return { digest: `sha256:${hash.digest('hex')}`, size, pieces };
}

/** How a client sends a layer: docker and skopeo stream one PATCH, containerd sends one PUT of known length. */
export type PushWay = 'patch' | 'put';

export async function pushLayer(
  client: RegistryClient,
  repository: string,
  layer: Layer,
  way: PushWay,
): Promise<void> {
  const opened = await client.call(`/v2/${repository}/blobs/uploads/`, { method: 'POST', expect: [202] });
  let location = opened.headers.location ?? '';
  if (way === 'put') {
    await client.call(withDigest(location, layer.digest, client.url), {
      method: 'PUT',
      headers: { 'content-length': String(layer.size), 'content-type': 'application/octet-stream' },
      body: layer.pieces(),
      expect: [201],
    });
    return;
  }
  const streamed = await client.call(location, {
    method: 'PATCH',
    headers: { 'content-type': 'application/octet-stream' },
    body: layer.pieces(),
    expect: [202],
  });
  location = streamed.headers.location ?? '';
  await client.call(withDigest(location, layer.digest, client.url), { method: 'PUT', expect: [201] });
}

export function withDigest(location: string, digest: string, origin: string): string {
  const url = new URL(location, origin);
  url.searchParams.set('digest', digest);
  return url.href;
}

/** A manifest over these layers, the first of which serves as its config too. */
export function manifestOf(layers: readonly Layer[], note = ''): Buffer {
  const descriptors = layers.map(({ digest, size }) => ({ mediaType: layerType, digest, size }));
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: { ...descriptors[0], mediaType: 'application/vnd.oci.image.config.v1+json' },
      layers: descriptors.slice(1),
      annotations: { 'org.example.note': note },
    }),
  );
}

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Pushes the manifest under a tag or its digest, and answers its digest. */
export async function pushManifest(
  client: RegistryClient,
  repository: string,
  reference: string,
  manifest: Buffer,
): Promise<string> {
  await client.call(`/v2/${repository}/manifests/${reference}`, {
    method: 'PUT',
    headers: { 'content-type': mediaType },
    body: manifest,
    expect: [201],
  });
  return digestOf(manifest);
}

/** Runs the tasks, at most `width` at a time, as clients push and pull layers. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await task(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
