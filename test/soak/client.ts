import { createHash, randomBytes } from 'node:crypto';

const MEDIA_TYPE = 'application/vnd.oci.image.manifest.v1+json';

/** An image that was acknowledged. */
export interface Image {
  readonly repository: string;
  readonly digest: string;
  readonly manifest: Uint8Array;
  readonly layers: readonly Uint8Array[];
}

/** An answer other than the registry owes. */
export class Broken extends Error {}

/** A client of one instance; each method throws Broken when the registry does other than it must. */
export class Client {
  readonly #url: string;
  readonly #counts: Map<string, number>;

  /** Answers are counted by their status, in `counts`. */
  constructor(url: string, counts: Map<string, number>) {
    this.#url = url;
    this.#counts = counts;
  }

  /** Pushes an image; each layer as `way` says, and by an upload where that does not do. */
  async push(
    repository: string,
    layers: readonly Uint8Array[],
    tag: string,
    way: () => 'ask' | 'mount' | 'upload',
    source: string,
  ): Promise<Image> {
    for (const layer of layers) await this.#bring(repository, layer, way(), source);
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPE,
        layers: layers.map((layer) => ({
          mediaType: 'application/x',
          digest: digestOf(layer),
          size: layer.length,
        })),
        annotations: { id: randomBytes(8).toString('hex') },
      }),
    );
    await this.tag(repository, manifest, tag);
    return { repository, digest: digestOf(manifest), manifest, layers };
  }

  async tag(repository: string, manifest: Uint8Array, tag: string): Promise<void> {
    const path = `/v2/${repository}/manifests/${tag}`;
    await this.#send('PUT', path, [201], manifest, { 'content-type': MEDIA_TYPE });
  }

  /** Pulls an image whole, and compares every byte. */
  async verify({ repository, digest, manifest, layers }: Image): Promise<void> {
    const read = async (path: string, expected: Uint8Array) => {
      const answer = await this.#send('GET', `/v2/${repository}/${path}`, [200]);
      if (Buffer.compare(answer.bytes, expected) !== 0) throw new Broken(`other bytes under ${path}`);
    };
    await read(`manifests/${digest}`, manifest);
    for (const layer of layers) await read(`blobs/${digestOf(layer)}`, layer);
  }

  async remove({ repository, digest }: Image): Promise<void> {
    await this.#send('DELETE', `/v2/${repository}/manifests/${digest}`, [202]);
  }

  async ask(repository: string, layer: Uint8Array): Promise<boolean> {
    const { status } = await this.#send('HEAD', `/v2/${repository}/blobs/${digestOf(layer)}`, [200, 404]);
    return status === 200;
  }

  async #bring(repository: string, layer: Uint8Array, way: string, source: string): Promise<void> {
    if (way === 'ask' && (await this.ask(repository, layer))) return;
    const mount = way === 'mount' ? `?mount=${digestOf(layer)}&from=${source}` : '';
    const begun = await this.#send('POST', `/v2/${repository}/blobs/uploads/${mount}`, [201, 202]);
    if (begun.status === 201) return;
    const end = `${begun.location}&digest=${digestOf(layer)}`;
    await this.#send('PUT', end, [201], layer);
  }

  async #send(
    method: string,
    path: string,
    expected: readonly number[],
    body?: Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ) {
    const answer = await fetch(new URL(path, this.#url), {
      method,
      headers,
      ...(body && { body: new Uint8Array(body) }),
    });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const { status } = answer;
    this.#counts.set(`${status}`, (this.#counts.get(`${status}`) ?? 0) + 1);
    if (!expected.includes(status)) {
      throw new Broken(
        `${method} ${path.slice(0, 120)}: ${status} ${Buffer.from(bytes).toString().slice(0, 300)}`,
      );
    }
    return { status, bytes, location: answer.headers.get('location') ?? '' };
  }
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
