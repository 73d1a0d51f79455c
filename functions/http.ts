import { app, HttpResponse } from '@azure/functions';
import type { HttpRequest, InvocationContext } from '@azure/functions';
import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { ReadableStream } from 'node:stream/web';
import { inbound, paced } from './stream/body.ts';
import { INVOCATION_HEADER } from './stream/exchange.ts';
import type { Exchange, Exchanges } from './stream/exchange.ts';
import { fault } from './fault.ts';
import type { FaultCode } from './fault.ts';

/** What answers requests: the application, opened at the first of them. */
export interface Answerer<A> {
  open(): Promise<A>;
  respond(opened: A, request: Request): Promise<Response>;
}

export interface HttpOptions {
  readonly exchanges: Exchanges;
  /** Milliseconds after which a request gives up: under host.json's `functionTimeout`, which kills its neighbours. */
  readonly deadline?: number;
}

const DEADLINE_MS = 28 * 60_000;

/**
 * Registers the one HTTP function: every path, every method that a web Request can have (TRACE and CONNECT cannot be
 * built, and left to the library they would never be answered; the host answers 404 for them). Routing, methods and
 * permissions are the application's. Whatever happens, the client gets an answer: with HTTP streams, a handler that
 * throws, gives nothing, or gives something that cannot be sent leaves it waiting (azure-functions-nodejs-library #324).
 */
export function registerHttp<A>(answerer: Answerer<A>, options: HttpOptions): void {
  app.http('http', {
    route: '{*path}',
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    authLevel: 'anonymous',
    handler: async (request, context) => {
      const exchange = options.exchanges.claim(context.invocationId);
      const received = request.body && inbound(request.body);
      try {
        if (forgesMetadata(request.url)) return toFault('REQUEST_INVALID', request);
        const deadline = options.deadline ?? DEADLINE_MS;
        return await answer(answerer, { request, context, exchange, body: received?.body ?? null, deadline });
      } catch (error) {
        report(context, 'the request failed', error);
        return toFault('UNKNOWN', request);
      } finally {
        received?.drain();
      }
    },
  });
}

interface Call {
  readonly request: HttpRequest;
  readonly context: InvocationContext;
  readonly exchange: Exchange | undefined;
  readonly body: ReadableStream<Uint8Array> | null;
  readonly deadline: number;
}

async function answer<A>(answerer: Answerer<A>, call: Call): Promise<HttpResponse> {
  const { request, context, exchange } = call;
  let opened: A;
  try {
    opened = await answerer.open();
  } catch (error) {
    report(context, 'the application could not be opened', error);
    return toFault('UNAVAILABLE', request);
  }
  const late = AbortSignal.timeout(call.deadline);
  const signal = exchange ? AbortSignal.any([exchange.gone, late]) : late;
  const web = toWeb(request, { headers: exchange?.headers ?? request.headers, body: call.body, signal });
  const response = await settledBy(answerer.respond(opened, web), late);
  return await toAzure(response, { ...call, signal });
}

/**
 * Whether the query holds a name by which the host's trigger metadata, and with it the headers and parameters that the
 * library shows, would be replaced. Refused even though the real headers are used when they can be had.
 */
function forgesMetadata(url: string): boolean {
  for (const name of new URL(url).searchParams.keys()) {
    if (/^(?:headers|query)$/i.test(name)) return true;
  }
  return false;
}

interface Parts {
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array> | null;
  readonly signal: AbortSignal;
}

function toWeb(request: HttpRequest, parts: Parts): Request {
  const headers = new Headers(parts.headers);
  headers.delete(INVOCATION_HEADER);
  // The host forwards to this process by its loopback name; the name that the client asked for is in the URL.
  headers.set('host', new URL(request.url).host);
  return new Request(request.url, { ...parts, method: request.method, headers, duplex: 'half' });
}

/** Rejects when the signal aborts first; what the loser does then is of no interest. */
async function settledBy<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(new Error('the request took too long', { cause: signal.reason }));
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Throws on whatever the library could not send, while there is still time to answer otherwise. */
async function toAzure(response: Response, call: Call & { signal: AbortSignal }): Promise<HttpResponse> {
  const { request, context, exchange, signal } = call;
  const headers = new Headers(response.headers);
  headers.delete(INVOCATION_HEADER);
  for (const [name, value] of headers) {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  }
  const { status } = response;
  if (!response.body || request.method === 'HEAD') {
    await response.body?.cancel();
    return new HttpResponse({ status, headers });
  }
  if (!headers.has('content-length')) {
    // Without a length a body cut short would look complete.
    const bytes = await response.arrayBuffer();
    headers.set('content-length', String(bytes.byteLength));
    return new HttpResponse({ status, headers, body: bytes });
  }
  const onFailure = (cause: unknown): void => report(context, 'the answer broke off', cause);
  const body = exchange
    ? paced(response.body, { response: exchange.response, signal, onFailure })
    : response.body;
  return new HttpResponse({ status, headers, body });
}

function toFault(code: FaultCode, request: HttpRequest): HttpResponse {
  const { status, headers, body } = fault(code);
  return new HttpResponse(request.method === 'HEAD' ? { status, headers } : { status, headers, body });
}

function report(context: InvocationContext, message: string, error: unknown): void {
  const cause =
    error instanceof Error ? { name: error.name, error: error.message, stack: error.stack } : { error };
  context.error(JSON.stringify({ message, invocation: context.invocationId, ...cause }));
}
