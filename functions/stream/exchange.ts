import { subscribe } from 'node:diagnostics_channel';
import { IncomingMessage, Server, ServerResponse } from 'node:http';
import { fault } from '../fault.ts';

/** The header by which the host ties a forwarded HTTP request to the invocation that it announces on its own line. */
export const INVOCATION_HEADER = 'x-ms-invocation-id';

/** How long a forwarded request may lie without an invocation; both leave the host in the same moment. */
const UNCLAIMED_MS = 30_000;

/** Longer than the host's proxy keeps an idle connection (1 min), so that it never sends into one that just closed. */
const KEEP_ALIVE_MS = 120_000;

/** One forwarded request as it lies on the wire between the Functions host and this process. */
export interface Exchange {
  /** The client's headers. The ones that the library offers can be forged by a query or a JSON body. */
  readonly headers: Headers;
  /** Aborts when the client goes away before its answer is complete. */
  readonly gone: AbortSignal;
  readonly response: ServerResponse;
}

export interface Exchanges {
  /** Takes the exchange of an invocation; undefined when Node did not announce it, and then the library's view serves. */
  claim(invocationId: string): Exchange | undefined;
}

/**
 * Watches the HTTP server that `@azure/functions` runs for the host, through Node's diagnostics channel (the library
 * gives no access to it). A request for which no invocation comes is answered with 500 after `unclaimedMs`: the library
 * forgets it when it cannot build its request object, and the client would wait for the front end's 230 s.
 */
export function watchExchanges(unclaimedMs: number = UNCLAIMED_MS): Exchanges {
  const waiting = new Map<string, Exchange>();
  subscribe('http.server.request.start', (message) => {
    const { request, response, server }: { request?: unknown; response?: unknown; server?: unknown } =
      Object(message);
    if (!(request instanceof IncomingMessage && response instanceof ServerResponse)) return;
    const id = request.headers[INVOCATION_HEADER];
    if (typeof id !== 'string') return;
    if (server instanceof Server) relax(server);
    waiting.set(id, toExchange(request, response));
    const timer = setTimeout(() => {
      if (!waiting.delete(id) || response.headersSent) return;
      const { status, headers, body } = fault('UNKNOWN');
      response.writeHead(status, headers).end(body);
      request.resume();
    }, unclaimedMs).unref();
    response.once('close', () => {
      clearTimeout(timer);
      waiting.delete(id);
    });
  });
  return {
    claim(invocationId) {
      const exchange = waiting.get(invocationId);
      waiting.delete(invocationId);
      return exchange;
    },
  };
}

/** Node ends a request that takes over five minutes to arrive; a layer may, as long as the front end sees it move. */
function relax(server: Server): void {
  server.requestTimeout = 0;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
}

function toExchange(request: IncomingMessage, response: ServerResponse): Exchange {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new Error('the client went away'));
  });
  const headers = new Headers();
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  return { headers, gone: gone.signal, response };
}
