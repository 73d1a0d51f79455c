import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { run } from './program.ts';

process.exitCode = await run(process.argv.slice(2), {
  env: process.env,
  out: (line) => void process.stdout.write(line),
  err: (line) => void process.stderr.write(line),
  readInput: () => text(process.stdin),
  askSecret: process.stdin.isTTY ? askSecret : undefined,
  fetch,
});

/** The terminal echoes what readline prints: so it prints nowhere. */
async function askSecret(question: string): Promise<string> {
  process.stderr.write(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  const stop = new AbortController();
  lines.on('SIGINT', () => stop.abort());
  try {
    return await lines.question('', { signal: stop.signal });
  } catch {
    process.exit(130);
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}
