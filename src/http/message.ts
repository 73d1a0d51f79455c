/**
 * A request as the core reads it: what web `Request` offers, so that one fits without conversion; the local host
 * passes a lighter object, since building a `Request` costs more than answering a HEAD (see `npm run bench`).
 */
export interface RegistryRequest {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly headers: { get(name: string): string | null };
  readonly body: AsyncIterable<Uint8Array> | null;
  /** The other end of the connection, where the host knows it. */
  readonly address?: string;
}

/** An answer before it meets a host: what to send, and nothing else. */
export interface Reply {
  readonly status: number;
  /** A list is sent as one header line each. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** Left out for none; a stream must be accompanied by `content-length`. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
}

/** The length that `content-length` announces; undefined when absent or not a plain number (a chunked body). */
export function announcedLength(request: RegistryRequest): number | undefined {
  const text = request.headers.get('content-length');
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
