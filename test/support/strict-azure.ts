import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';

export interface WireCall {
  readonly method: string;
  /** Path and query, as it was sent. */
  readonly url: string;
  /** 0 when the connection broke before an answer. */
  readonly status: number;
}

export interface StrictFront {
  /** The endpoint to use in place of the target. */
  readonly url: string;
  /** Each request that was answered, in order of the answers. */
  readonly requests: readonly WireCall[];
  close(): Promise<void>;
}

const MIB = 1024 * 1024;

/**
 * A proxy before an emulator's endpoint that refuses what Azure refuses and the emulator lets pass, and that keeps a
 * list of the requests, so that tests can count them; over https where a certificate is given. Sources of the rules: the REST reference of Blob Storage
 * ("Put Block", "Put Blob", "Specifying the range header") and azure-sdk-for-js issue 20957 for SAS with a header.
 */
export async function startStrictFront(
  target: string,
  tls?: { readonly key: string; readonly cert: string },
): Promise<StrictFront> {
  const { origin, pathname } = new URL(target);
  const requests: WireCall[] = [];
  const answer = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { method = '', url = '' } = incoming;
    outgoing.once('close', () => {
      requests.push({ method, url, status: outgoing.headersSent ? outgoing.statusCode : 0 });
    });
    const refusal = refusalOf(incoming, new URL(url, origin));
    if (refusal) refuse(incoming, outgoing, refusal);
    else forward(origin, incoming, outgoing);
  };
  const server = tls ? createTlsServer({ key: tls.key, cert: tls.cert }, answer) : createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');
  const { port } = address;
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}${pathname === '/' ? '' : pathname}`,
    requests,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

interface Refusal {
  readonly status: number;
  readonly code: string;
}

function refusalOf({ method, headers }: IncomingMessage, url: URL): Refusal | undefined {
  if (url.searchParams.has('sig') && headers.authorization !== undefined)
    return { status: 400, code: 'InvalidAuthenticationInfo' };
  const range = headers['x-ms-range'] ?? headers.range;
  if (range !== undefined && !/^bytes=\d+-\d*$/.test(String(range)))
    return { status: 400, code: 'InvalidHeaderValue' };
  const hasBody = method === 'PUT' || method === 'POST';
  if (hasBody && headers['content-length'] === undefined)
    return { status: 411, code: 'MissingContentLengthHeader' };
  const comp = url.searchParams.get('comp');
  const most = comp === 'block' ? 4000 * MIB : 5000 * MIB;
  if (hasBody && Number(headers['content-length']) > most)
    return { status: 413, code: 'RequestBodyTooLarge' };
  return undefined;
}

function refuse(incoming: IncomingMessage, outgoing: ServerResponse, { status, code }: Refusal): void {
  incoming.resume();
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>refused</Message></Error>`;
  outgoing.writeHead(status, {
    'content-type': 'application/xml',
    'content-length': Buffer.byteLength(body),
    'x-ms-error-code': code,
    connection: 'close',
  });
  outgoing.end(incoming.method === 'HEAD' ? undefined : body);
}

function forward(origin: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const { method, headers, url } = incoming;
  const onward = request(`${origin}${url}`, { method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
    answer.pipe(outgoing);
    answer.once('error', () => outgoing.destroy());
  });
  onward.once('error', () => outgoing.destroy());
  // An answer may come before the end of the request, whose rest must be read or its connection stays stuck.
  outgoing.once('finish', () => incoming.unpipe(onward).resume());
  outgoing.once('close', () => onward.destroy());
  incoming.pipe(onward);
}
