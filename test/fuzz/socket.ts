import { connect } from 'node:net';

/** What came back over a connection: everything until the server closed it. */
export interface Conversation {
  readonly text: string;
  /** Status codes of the answers, in order. */
  readonly statuses: readonly number[];
}

/** Longest time that a server may leave a connection open without a word, in milliseconds. */
const SILENCE_MS = 5000;

/**
 * Sends pieces over a connection of their own and reads until the server closes it. Rejects when the server neither
 * speaks nor closes.
 */
export async function converse(
  url: string,
  ...pieces: readonly (string | Uint8Array)[]
): Promise<Conversation> {
  const { hostname, port } = new URL(url);
  const received: Buffer[] = [];
  await new Promise<void>((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    socket.setTimeout(SILENCE_MS, () => socket.destroy(new Error('the server is silent')));
    socket.on('data', (piece: Buffer) => received.push(piece));
    socket.once('close', () => resolve());
    // A reset after an answer is a way to close; the answer counts.
    socket.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' || error.code === 'EPIPE' ? resolve() : reject(error),
    );
    for (const piece of pieces)
      socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
  });
  const text = Buffer.concat(received).toString('latin1');
  return { text, statuses: [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status)) };
}

/** A request of these lines, its connection closed after it. */
export function lines(...text: readonly string[]): string {
  return `${[...text, 'Connection: close'].join('\r\n')}\r\n\r\n`;
}
