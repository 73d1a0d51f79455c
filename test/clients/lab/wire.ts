import { gunzipSync } from 'node:zlib';

import { readBlob, sha256, type TestImage } from './image.ts';

/** The registry's own bytes, fetched without any of the clients, so that no client vouches for itself. */
export type Served = {
  readonly digest: string;
  readonly mediaType: string;
  /** Every digest reachable from it, itself included. */
  readonly digests: readonly string[];
  /** Digests of the uncompressed layers, bottom first. */
  readonly diffIds: readonly string[];
};

/** Headers that show who asks, where the registry wants to know. */
export type Proof = { readonly authorization?: string };

type Child = { readonly digest: string; readonly size: number };
type Parsed = {
  readonly config: Child | undefined;
  readonly layers: readonly Child[];
  readonly manifests: readonly Child[];
};

const ACCEPT = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ');

/**
 * Fetches a manifest and all that it refers to, and checks each digest, length and header.
 * Throws an Error that names the URL and what was wrong.
 */
export async function fetchServed(
  registry: string,
  repository: string,
  reference: string,
  proof: Proof = {},
): Promise<Served> {
  const url = `http://${registry}/v2/${repository}/manifests/${reference}`;
  const { bytes, headers } = await fetchBytes(url, { accept: ACCEPT, ...proof });
  const digest = sha256(bytes);
  const named = headers.get('docker-content-digest');
  if (named !== digest) throw new Error(`${url}: Docker-Content-Digest ${named}, bytes ${digest}`);
  if (reference.startsWith('sha256:') && reference !== digest) throw new Error(`${url}: bytes ${digest}`);
  const mediaType = headers.get('content-type') ?? '';
  const manifest = parseManifest(bytes);

  const digests = [digest];
  const diffIds: string[] = [];
  for (const child of manifest.manifests) {
    digests.push(...(await fetchServed(registry, repository, child.digest, proof)).digests);
  }
  if (manifest.config) {
    await fetchBlob(registry, repository, manifest.config, proof);
    digests.push(manifest.config.digest);
  }
  for (const layer of manifest.layers) {
    const blob = await fetchBlob(registry, repository, layer, proof);
    digests.push(layer.digest);
    diffIds.push(sha256(blob[0] === 0x1f && blob[1] === 0x8b ? gunzipSync(blob) : blob));
  }
  return { digest, mediaType, digests, diffIds };
}

/** The status of a HEAD for a manifest: 200 when it is there, 404 when it is not. */
export async function manifestStatus(
  registry: string,
  repository: string,
  reference: string,
  proof: Proof = {},
): Promise<number> {
  const url = `http://${registry}/v2/${repository}/manifests/${reference}`;
  return (await fetch(url, { method: 'HEAD', headers: { accept: ACCEPT, ...proof } })).status;
}

/** Puts a test image into the registry without any client, for those that only work on what is there. */
export async function seed(
  registry: string,
  repository: string,
  tag: string,
  image: TestImage,
  proof: Proof = {},
): Promise<void> {
  const base = `http://${registry}/v2/${repository}`;
  for (const digest of image.digests) {
    if (digest === image.root.digest) continue;
    const begun = await expectStatus(
      `${base}/blobs/uploads/`,
      { method: 'POST', headers: { ...proof } },
      202,
    );
    const location = new URL(begun.headers.get('location') ?? '', `${base}/blobs/uploads/`);
    location.searchParams.set('digest', digest);
    const body = new Uint8Array(await readBlob(image.layout, digest));
    const headers = { 'content-type': 'application/octet-stream', ...proof };
    await expectStatus(location.href, { method: 'PUT', body, headers }, 201);
  }
  const body = new Uint8Array(await readBlob(image.layout, image.root.digest));
  const headers = { 'content-type': image.root.mediaType, ...proof };
  await expectStatus(`${base}/manifests/${tag}`, { method: 'PUT', body, headers }, 201);
}

async function fetchBlob(registry: string, repository: string, child: Child, proof: Proof): Promise<Buffer> {
  const url = `http://${registry}/v2/${repository}/blobs/${child.digest}`;
  const { bytes } = await fetchBytes(url, { ...proof });
  if (bytes.length !== child.size) throw new Error(`${url}: ${bytes.length} bytes, not ${child.size}`);
  if (sha256(bytes) !== child.digest) throw new Error(`${url}: bytes are ${sha256(bytes)}`);
  return bytes;
}

async function fetchBytes(
  url: string,
  headers: Record<string, string>,
): Promise<{ bytes: Buffer; headers: Headers }> {
  const response = await expectStatus(url, { headers }, 200);
  return { bytes: Buffer.from(await response.arrayBuffer()), headers: response.headers };
}

async function expectStatus(url: string, init: RequestInit, status: number): Promise<Response> {
  const response = await fetch(url, init);
  if (response.status === status) return response;
  const said = (await response.text()).slice(0, 500);
  throw new Error(`${init.method ?? 'GET'} ${url}: ${response.status} instead of ${status}: ${said}`);
}

/** Reads what a manifest or index refers to. Throws on anything without the expected shape. */
export function parseManifest(bytes: Uint8Array): Parsed {
  const value: unknown = JSON.parse(Buffer.from(bytes).toString());
  if (typeof value !== 'object' || value === null) throw new Error('a manifest that is no object');
  const list = (name: string): Child[] => {
    const found: unknown = Reflect.get(value, name) ?? [];
    if (!Array.isArray(found)) throw new Error(`a manifest whose ${name} is no list`);
    return found.map(parseChild);
  };
  const config: unknown = Reflect.get(value, 'config');
  return {
    config: config === undefined ? undefined : parseChild(config),
    layers: list('layers'),
    manifests: list('manifests'),
  };
}

function parseChild(value: unknown): Child {
  if (typeof value !== 'object' || value === null) throw new Error('a descriptor that is no object');
  const digest: unknown = Reflect.get(value, 'digest');
  const size: unknown = Reflect.get(value, 'size');
  if (typeof digest !== 'string' || typeof size !== 'number') {
    throw new Error('a descriptor without digest or size');
  }
  return { digest, size };
}
