import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { ReadableStream } from 'node:stream/web';

type Bytes = ReadableStream<Uint8Array>;

export interface Inbound {
  /** The body; breaking off early leaves the connection open. */
  readonly body: Bytes;
  /** Reads the rest and throws it away; for when the answer is made. */
  drain(): void;
}

/**
 * A request body that nobody has to read to its end. Left as it is, one that is broken off closes the connection under
 * the answer (a 413 would reach the client as 502), and one that is not read keeps the client sending for ever.
 */
export function inbound(source: Bytes): Inbound {
  const reader = source.getReader();
  let draining = false;
  const drain = async (): Promise<void> => {
    if (draining) return;
    draining = true;
    try {
      while (!(await reader.read()).done);
    } catch {
      // The client stopped sending, which is as good.
    }
  };
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => void drain(),
    },
    { highWaterMark: 0 },
  );
  return { body, drain: () => void drain() };
}

export interface PaceOptions {
  /** Where the library writes the body to. */
  readonly response: ServerResponse;
  readonly signal: AbortSignal;
  /** Told why the body broke off, unless the signal was the reason. */
  readonly onFailure: (cause: unknown) => void;
}

/**
 * A response body at the speed of the client: the library writes without waiting (azure-functions-nodejs-library #294),
 * and would put a whole layer into memory. When the source fails or the signal aborts, the connection is cut, so that no
 * client takes the part for the whole.
 */
export function paced(body: Bytes, { response, signal, onFailure }: PaceOptions): Bytes {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          if (response.writableNeedDrain) await once(response, 'drain', { signal });
          signal.throwIfAborted();
          const { done, value } = await reader.read();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          // The library would never end a response whose body fails: cut the connection, then end the body for it.
          if (!signal.aborted) onFailure(error);
          response.destroy();
          controller.close();
          await reader.cancel(error).catch(() => undefined);
        }
      },
      cancel: async (reason) => await reader.cancel(reason),
    },
    // Nothing is read ahead of what the library asks for.
    { highWaterMark: 0 },
  );
}
