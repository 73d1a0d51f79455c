import { Agent, request } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Call {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes to send: pieces are sent chunked unless `content-length` is among the headers. */
  readonly body?: Buffer | Iterable<Buffer>;
  /** The statuses that are an answer; any other throws. */
  readonly expect: readonly number[];
}

/** A registry client that keeps connections alive, as the clients of the field do, and holds nothing else. */
export class RegistryClient {
  readonly url: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(url: string) {
    this.url = url;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Sends one request to a path or a whole URL and reads the answer whole. */
  async call(target: string, call: Call): Promise<Answer> {
    const answer = await this.#send(target, call);
    const pieces: Buffer[] = [];
    for await (const piece of answer as AsyncIterable<Buffer>) pieces.push(piece);
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(pieces) };
  }

  /** Downloads, following one redirect, and counts the bytes without keeping them. */
  async drain(target: string): Promise<number> {
    let answer = await this.#send(target, { method: 'GET', expect: [200, 302, 307] });
    if (answer.statusCode !== 200) {
      answer.resume();
      answer = await this.#send(answer.headers.location ?? '', { method: 'GET', expect: [200] });
    }
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    let bytes = 0;
    answer.on('data', (piece: Buffer) => {
      bytes += piece.length;
    });
    answer.on('end', () => resolve(bytes));
    answer.on('error', reject);
    return await promise;
  }

  async #send(target: string, call: Call): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const url = new URL(target, this.url);
    const whole = Buffer.isBuffer(call.body) ? { 'content-length': String(call.body.length) } : {};
    const empty = call.body === undefined && hasBody(call.method) ? { 'content-length': '0' } : {};
    const sent = request(url, {
      agent: this.#agent,
      method: call.method,
      headers: { ...empty, ...whole, ...call.headers },
    });
    sent.on('response', resolve);
    sent.on('error', reject);
    if (call.body === undefined) sent.end();
    else if (Buffer.isBuffer(call.body)) sent.end(call.body);
    else await writeAll(sent, call.body, promise);
    const answer = await promise;
    if (!call.expect.includes(answer.statusCode ?? 0)) {
      answer.setEncoding('utf8');
      let text = '';
      for await (const piece of answer) text += String(piece);
      throw new Error(`${call.method} ${url.pathname}: ${answer.statusCode} ${text.slice(0, 300)}`);
    }
    return answer;
  }
}

function hasBody(method: string): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH';
}

async function writeAll(
  sent: ReturnType<typeof request>,
  pieces: Iterable<Buffer>,
  answered: Promise<IncomingMessage>,
): Promise<void> {
  for (const piece of pieces) {
    if (sent.write(piece)) continue;
    const { promise: drained, resolve } = Promise.withResolvers<void>();
    sent.once('drain', resolve);
    // A server may refuse before it has read everything; then nothing drains any more.
    await Promise.race([drained, answered]);
  }
  sent.end();
}
