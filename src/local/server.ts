import {
  STATUS_CODES,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  createServer,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { finished } from 'node:stream/promises';
import { type Duplex, Readable } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { App } from '../app/compose.ts';
import { handle } from '../app/http.ts';
import type { RegistryRequest, Reply } from '../http/message.ts';
import { Problem } from '../model/problem.ts';
import type { Tls } from './tls/certificate.ts';

/** Requests under way get this long to end after a stop was asked for, in milliseconds. */
const STOP_MS = 10_000;
const SWEEP_MS = 50;

export interface Listening {
  /** `http://127.0.0.1:5000`; https where there is a certificate. */
  readonly url: string;
  /** Stops accepting, lets requests under way end, then closes. */
  stop(): Promise<void>;
}

/**
 * Serves the registry under node:http, or node:https where there is a certificate. Rejects when the port is taken,
 * with Node's own error.
 */
export async function listen(app: App, host: string, port: number, tls?: Tls): Promise<Listening> {
  // A layer may take hours to arrive; only silence ends a connection.
  const limits = { requestTimeout: 0, keepAliveTimeout: 65_000 };
  const answer = (request: IncomingMessage, response: ServerResponse) => void serve(app, request, response);
  const server = tls
    ? createTlsServer({ ...limits, key: tls.key, cert: tls.cert }, answer)
    : createServer(limits, answer);
  // Of expectations only 100-continue means anything; others may be ignored (RFC 9110 section 10.1.1).
  server.on('checkExpectation', answer);
  server.on('clientError', refuse);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address();
  const actual = typeof address === 'object' && address ? address.port : port;
  const authority = `${host.includes(':') ? `[${host}]` : host}:${actual}`;
  return { url: `${tls ? 'https' : 'http'}://${authority}`, stop: () => stop(server) };
}

async function stop(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  // Again and again, since a client may keep its connection after the answer that it waited for.
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
  const timer = setTimeout(() => server.closeAllConnections(), STOP_MS);
  await closed;
  clearInterval(sweep);
  clearTimeout(timer);
}

async function serve(app: App, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    await send(await handle(app, toRegistryRequest(request)), response);
  } catch (error) {
    // The client went away, or storage broke off in the middle of a body: only a cut connection tells the truth.
    app.context.log('warn', 'answer broken off', { error: String(error) });
    response.destroy();
  }
  // A client may read an early answer only after it has sent all.
  request.resume();
}

/** Answers what is no HTTP, as far as the connection still takes an answer. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const body = new Problem('REQUEST_INVALID').toBody();
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** Costs a tenth of a web `Request`, which is felt where answering costs one point read. */
function toRegistryRequest(request: IncomingMessage): RegistryRequest {
  const { headers, method = 'GET', url = '/' } = request;
  const bodiless = headers['content-length'] === undefined && headers['transfer-encoding'] === undefined;
  return {
    method,
    url: urlOf(url, headers.host, request.socket instanceof TLSSocket ? 'https' : 'http'),
    headers: {
      get(name) {
        const value = headers[name];
        return value === undefined ? null : String(value);
      },
    },
    body: bodiless ? null : bytesOf(request),
    address: request.socket.remoteAddress ?? '',
  };
}

/** Stopping early leaves the connection open, for the answer. A body that breaks off is its sender's problem. */
async function* bytesOf(request: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    yield* request.iterator({ destroyOnReturn: false });
  } catch (cause) {
    throw new Problem('REQUEST_INVALID', 'the body broke off', { cause });
  }
}

/** A target may be a whole URL, whose host then counts (RFC 9112 section 3.2.2). */
function urlOf(target: string, host: string | undefined, scheme: string): string {
  const [, authority = host, path = target] = /^https?:\/\/([^/?#]*)(.*)$/i.exec(target) ?? [];
  return `${scheme}://${validHost(authority)}${path.startsWith('/') ? path : '/'}`;
}

/** A host that cannot stand in a URL must not turn a request into an error of ours. */
function validHost(host: string | undefined): string {
  const plain = host !== undefined && /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(host);
  return plain && URL.canParse(`http://${host}`) ? host : 'localhost';
}

async function send({ status, headers, body }: Reply, response: ServerResponse): Promise<void> {
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) {
    response.end(body);
    return;
  }
  const source = Readable.from(body, { objectMode: false });
  source.once('error', (error) => response.destroy(error));
  response.once('close', () => source.destroy());
  source.pipe(response);
  await finished(response);
}
