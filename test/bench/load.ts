// A process of its own: sends one request over and over on kept-alive connections and prints what it counted.
// It speaks HTTP over bare sockets because node:http costs more per request than the servers it would measure,
// and because wrk cannot measure HEAD: it waits for the body that Content-Length announces.
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { pathToFileURL } from 'node:url';

/** What the load generator is told, as JSON in its only argument. */
export interface LoadOrder {
  readonly port: number;
  readonly method: 'GET' | 'HEAD';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly seconds: number;
  readonly status: number;
}

/** What it prints, as JSON. */
export interface LoadReport {
  readonly requests: number;
  readonly seconds: number;
  /** Answers of another status than asked for. */
  readonly wrong: number;
  /** Milliseconds. */
  readonly median: number;
  readonly p99: number;
}

const headEnd = Buffer.from('\r\n\r\n');
const lastChunk = Buffer.from('0\r\n\r\n');

class Connection {
  readonly #order: LoadOrder;
  readonly #request: Buffer;
  readonly #socket: Socket;
  readonly #done: (milliseconds: number, status: number) => boolean;
  #pending: Buffer = Buffer.alloc(0);
  #sent = 0;

  constructor(order: LoadOrder, done: (milliseconds: number, status: number) => boolean) {
    this.#order = order;
    this.#done = done;
    const lines = Object.entries(order.headers).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#request = Buffer.from(
      `${order.method} ${order.path} HTTP/1.1\r\nHost: 127.0.0.1:${order.port}\r\n${lines.join('')}\r\n`,
    );
    this.#socket = connect({ port: order.port, host: '127.0.0.1', noDelay: true });
  }

  open(): void {
    this.#socket.on('connect', () => this.#send());
    this.#socket.on('data', (piece: Buffer) => this.#receive(piece));
    this.#socket.on('error', (error) => {
      throw error;
    });
  }

  #send(): void {
    this.#sent = performance.now();
    this.#socket.write(this.#request);
  }

  #receive(piece: Buffer): void {
    const bytes = this.#pending.length === 0 ? piece : Buffer.concat([this.#pending, piece]);
    const end = bytes.indexOf(headEnd);
    const head = end === -1 ? '' : bytes.toString('latin1', 0, end + 2).toLowerCase();
    if (end === -1 || !complete(head, bytes, end + headEnd.length, this.#order.method)) {
      this.#pending = bytes;
      return;
    }
    this.#pending = Buffer.alloc(0);
    const more = this.#done(performance.now() - this.#sent, Number(head.slice(9, 12)));
    if (more) this.#send();
    else this.#socket.destroy();
  }
}

function complete(head: string, bytes: Buffer, bodyStart: number, method: string): boolean {
  if (method === 'HEAD') return true;
  const length = /\r\ncontent-length: *(\d+)\r\n/.exec(head)?.[1];
  if (length !== undefined) return bytes.length >= bodyStart + Number(length);
  return bytes.length > bodyStart && bytes.subarray(-lastChunk.length).equals(lastChunk);
}

function run(order: LoadOrder): void {
  const times: number[] = [];
  const started = performance.now();
  const until = started + order.seconds * 1000;
  let wrong = 0;
  let open = order.connections;
  const done = (milliseconds: number, status: number): boolean => {
    times.push(milliseconds);
    if (status !== order.status) wrong += 1;
    const now = performance.now();
    if (now < until) return true;
    open -= 1;
    if (open === 0) report(times, (now - started) / 1000, wrong);
    return false;
  };
  for (let index = 0; index < order.connections; index += 1) new Connection(order, done).open();
}

function report(times: number[], seconds: number, wrong: number): void {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
  const result: LoadReport = { requests: sorted.length, seconds, wrong, median: at(0.5), p99: at(0.99) };
  process.stdout.write(JSON.stringify(result));
}

const program = process.argv[1];
if (program !== undefined && import.meta.url === pathToFileURL(program).href) {
  const order: LoadOrder = JSON.parse(process.argv[2] ?? '{}');
  run(order);
}
