import { request as connect } from 'node:http';
import type { Agent, IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { Invocation, Metadata, RpcData } from './functions-worker.ts';

/** Kestrel's limit; the Functions host answers 500 above it (azure-functions-host #10519). */
const BODY_LIMIT = 104_857_600;
/** What does not travel from one connection to the next; the proxy puts its own `host`. */
const HOP_BY_HOP = new Set([
  'host',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'te',
  'trailer',
  'expect',
]);

export interface Forwarding {
  readonly invocationId: string;
  readonly functions: readonly Metadata[];
  /** The worker's HTTP server. */
  readonly httpUri: string;
  /** Keeps connections open, as the host's proxy does: a body that is not read is then drained, not cut off. */
  readonly agent: Agent;
  readonly invoke: (invocation: Invocation) => Promise<void>;
}

/**
 * Does with a request what the Functions host does when HTTP streams are on: finds the function, reads a body that has
 * a length whole, derives trigger metadata (which a query or a JSON body can forge), and sends the request to the worker
 * twice, as an invocation and over HTTP.
 */
export function forward(request: IncomingMessage, response: ServerResponse, forwarding: Forwarding): void {
  forwarded(request, response, forwarding).catch(() => {
    if (response.headersSent) response.destroy();
    else response.writeHead(502).end();
  });
}

async function forwarded(request: IncomingMessage, response: ServerResponse, to: Forwarding): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const name = match(request.method ?? '', url.pathname, to.functions);
  if (name === undefined) {
    response.writeHead(404).end();
    return;
  }
  const length = Number(request.headers['content-length'] ?? 0);
  if (length > BODY_LIMIT) {
    response.writeHead(500).end();
    return;
  }
  const body = length > 0 ? await buffer(request) : undefined;
  const id = to.invocationId;
  const triggerMetadata = metadata(request, url, body);
  const outgoing = connect(new URL(to.httpUri.replace('localhost', '127.0.0.1')), {
    method: request.method,
    path: request.url,
    headers: {
      ...endToEnd(request.headers),
      // Newer hosts overwrite the id that a client sent.
      'x-ms-invocation-id': id,
      'x-forwarded-host': request.headers.host,
      'x-forwarded-proto': 'http',
    },
    agent: to.agent,
  });
  response.once('close', () => {
    if (!response.writableFinished) outgoing.destroy();
  });
  // A failed invocation sends nothing back by itself: the client waits on the HTTP side.
  to.invoke({ id, name, data: { http: {} }, triggerMetadata }).catch(() => undefined);
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
  });
  // The answer may come, and be passed on, before the body has ended.
  pipeline(body ? Readable.from([body]) : request, outgoing).catch(() => undefined);
  const answer = await answered;
  response.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers));
  await pipeline(answer, response);
}

/** Matches one catch-all route, as the registry has it; the host takes its own paths first. */
function match(method: string, pathname: string, functions: readonly Metadata[]): string | undefined {
  if (/^\/(?:admin|runtime)(?:\/|$)/i.test(pathname)) return undefined;
  return functions.find(({ bindings }) =>
    Object.values(bindings).some(
      ({ type, route, methods }) =>
        type === 'httpTrigger' && route === '{*path}' && Array.isArray(methods) && methods.includes(method),
    ),
  )?.name;
}

/**
 * Names compare without case, and what the client sent comes first: so the host lets headers be forged. Kestrel reads
 * header values as UTF-8, so that they can hold what a web Request refuses.
 */
function metadata(request: IncomingMessage, url: URL, body: Buffer | undefined): Record<string, RpcData> {
  const query = Object.fromEntries(url.searchParams);
  const found: Record<string, RpcData> = {};
  const add = (name: string, value: RpcData): void => {
    if (!Object.keys(found).some((known) => known.toLowerCase() === name.toLowerCase())) found[name] = value;
  };
  for (const [name, value] of Object.entries(query)) add(name, { string: value });
  for (const [name, value] of Object.entries(jsonObject(body))) add(name, { json: JSON.stringify(value) });
  const headers = Object.entries(request.headers).map(([name, value]) => [name, fromLatin1(String(value))]);
  add('Headers', { json: JSON.stringify(Object.fromEntries(headers)) });
  add('Query', { json: JSON.stringify(query) });
  return found;
}

function fromLatin1(value: string): string {
  return Buffer.from(value, 'latin1').toString('utf8');
}

function jsonObject(body: Buffer | undefined): object {
  try {
    const value: unknown = JSON.parse(body?.toString() ?? '');
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

function endToEnd(headers: NodeJS.Dict<string | string[]>): NodeJS.Dict<string | string[]> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name)));
}
