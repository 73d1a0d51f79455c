import type { App } from '../../src/app/compose.ts';
import { handle } from '../../src/app/http.ts';
import type { Reply } from '../../src/http/message.ts';
import { type Digest, digestOf } from '../../src/model/digest.ts';
import { HOST } from './app.ts';
import { gather } from './sample.ts';

/** An answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Reply['headers'];
  readonly bytes: Uint8Array;
}

export interface SendOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Sends the body without announcing its length. */
  readonly chunked?: boolean;
}

/** Sends a request to a registry and reads the answer. */
export type Send = (method: string, path: string, options?: SendOptions) => Promise<Answer>;

/**
 * A client of `app` without a socket and without web streams: between two storage calls of a request nothing waits for
 * anything, so a scheduler that holds storage calls holds all of it.
 */
export function clientOf(app: App): Send {
  return async (method, path, { headers = {}, body, chunked = false } = {}) => {
    const fields = new Map(Object.entries(headers));
    if (body && !chunked) fields.set('content-length', String(body.length));
    const reply = await handle(app, {
      method,
      url: path.startsWith('/') ? `${HOST}${path}` : path,
      headers: { get: (name) => fields.get(name.toLowerCase()) ?? null },
      body: body ? once(body) : null,
    });
    return { status: reply.status, headers: reply.headers, bytes: await bytesOf(reply.body) };
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function bytesOf(body: Reply['body']): Promise<Uint8Array> {
  if (body === undefined) return new Uint8Array(0);
  if (typeof body === 'string') return Buffer.from(body);
  return body instanceof Uint8Array ? body : await gather(body);
}

/** A header that must be there. */
export function header(answer: Answer, name: string): string {
  const value = answer.headers[name];
  if (typeof value !== 'string') throw new Error(`no ${name} in an answer ${answer.status}`);
  return value;
}

/** Begins an upload; `Location`. */
export async function begin(send: Send, repository: string): Promise<string> {
  return header(await send('POST', `/v2/${repository}/blobs/uploads/`), 'location');
}

/** Sends a piece of an upload; the new `Location`. */
export async function patch(
  send: Send,
  location: string,
  body: Uint8Array,
  options: SendOptions = { chunked: true },
): Promise<string> {
  return header(await send('PATCH', location, { ...options, body }), 'location');
}

/** Ends an upload, with its last bytes if there are any left. */
export async function end(send: Send, location: string, digest: string, body?: Uint8Array): Promise<Answer> {
  return await send('PUT', `${location}&digest=${digest}`, body ? { body } : {});
}

/** Uploads a blob by POST and PUT. */
export async function upload(send: Send, repository: string, bytes: Uint8Array): Promise<Answer> {
  return await end(send, await begin(send, repository), digestOf(bytes), bytes);
}

/** Uploads a blob by POST, PATCH of everything and PUT, as docker does. */
export async function stream(send: Send, repository: string, bytes: Uint8Array): Promise<Answer> {
  return await end(send, await patch(send, await begin(send, repository), bytes), digestOf(bytes));
}

/** Uploads a blob by POST, two PATCHes with `Content-Range` and PUT. */
export async function pieces(send: Send, repository: string, bytes: Uint8Array): Promise<Answer> {
  const middle = Math.ceil(bytes.length / 2);
  const piece = (first: number, last: number) => ({
    headers: { 'content-range': `${first}-${last - 1}` },
    body: bytes.subarray(first, last),
  });
  let location = await begin(send, repository);
  for (const [first, last] of [
    [0, middle],
    [middle, bytes.length],
  ] as const) {
    const { body, headers } = piece(first, last);
    location = await patch(send, location, body, { headers });
  }
  return await end(send, location, digestOf(bytes));
}

export interface Document {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
}

export const IMAGE = 'application/vnd.oci.image.manifest.v1+json';

/** A manifest that names no blob; `text` makes it differ from others, `more` adds fields. */
export function document(text: string, more: Readonly<Record<string, unknown>> = {}): Document {
  const fields = { schemaVersion: 2, mediaType: IMAGE, layers: [], annotations: { text }, ...more };
  const bytes = new TextEncoder().encode(JSON.stringify(fields));
  return { bytes, digest: digestOf(bytes) };
}

/** Puts a manifest under a tag or its digest. */
export async function publish(
  send: Send,
  repository: string,
  reference: string,
  { bytes }: Document,
): Promise<Answer> {
  const headers = { 'content-type': IMAGE };
  return await send('PUT', `/v2/${repository}/manifests/${reference}`, { headers, body: bytes });
}
