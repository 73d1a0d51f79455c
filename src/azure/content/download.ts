import type { BlockBlobClient } from '@azure/storage-blob';
import type { ByteRange } from '../../store/blobs.ts';
import { BRIEF, insist, unavailable } from '../outcome.ts';

/** Broken connections survived in a row without a byte between them. */
const TRIES = 3;
/** The longest silence of a stream, in milliseconds. */
const SILENCE = 30_000;

/**
 * Streams a blob, or a range of it, and goes on where a connection broke: the bytes under a name never change. The
 * SDK's own resuming gives up on reset connections and has no time limit. Rejects with 404 when there is no blob.
 */
export async function resume(
  client: BlockBlobClient,
  range: ByteRange | undefined,
): Promise<AsyncIterable<Uint8Array>> {
  const first = await open(client, range?.first ?? 0, range && range.last - range.first + 1);
  // A stream that nobody reads must not hold its connection for ever; a late reader makes it resume.
  const forgotten = setTimeout(() => first.controller.abort(), SILENCE);
  return stream(client, first, range?.first ?? 0, forgotten.unref());
}

interface Source {
  readonly body: NodeJS.ReadableStream;
  /** Bytes that `body` will give. */
  readonly length: number;
  readonly controller: AbortController;
}

async function open(client: BlockBlobClient, offset: number, count: number | undefined): Promise<Source> {
  return await insist(BRIEF, async (signal) => {
    // The try's signal would also end the body, which may take its time.
    const controller = new AbortController();
    const stop = () => controller.abort();
    signal.addEventListener('abort', stop);
    try {
      const answer = await client.download(offset, count, {
        abortSignal: controller.signal,
        maxRetryRequests: 0,
      });
      const { readableStreamBody: body, contentLength: length } = answer;
      if (!body || length === undefined) throw new Error('a download without a body');
      return { body, length, controller };
    } finally {
      signal.removeEventListener('abort', stop);
    }
  });
}

async function* stream(
  client: BlockBlobClient,
  first: Source,
  start: number,
  forgotten: NodeJS.Timeout,
): AsyncGenerator<Uint8Array> {
  clearTimeout(forgotten);
  let source = first;
  let offset = start;
  const end = start + first.length;
  for (let failures = 0; offset < end;) {
    try {
      for await (const chunk of chunks(source)) {
        failures = 0;
        offset += chunk.length;
        yield chunk;
      }
      if (offset < end) throw new Error('the stream ended early');
    } catch (error) {
      if (++failures >= TRIES) throw unavailable(error);
      source = await open(client, offset, end - offset);
    }
  }
}

/** The chunks of a source, which is destroyed when the loop over them ends in any way. */
async function* chunks({ body, controller }: Source): AsyncGenerator<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const timer = setTimeout(() => controller.abort(), SILENCE);
      try {
        const { done, value } = await iterator.next();
        if (done) return;
        yield typeof value === 'string' ? Buffer.from(value) : value;
      } finally {
        clearTimeout(timer);
      }
    }
  } finally {
    await iterator.return?.();
  }
}
