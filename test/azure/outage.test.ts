import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { RestError } from '@azure/core-rest-pipeline';
import { afterEach, describe, expect, test } from 'vitest';
import { type AzureStorage, openAzure } from '../../src/azure/account.ts';
import { BRIEF, carrying, insist } from '../../src/azure/outcome.ts';
import { digestOf } from '../../src/model/digest.ts';
import { always, put, Unavailable } from '../../src/store/records.ts';
import { holds, newBlob } from '../support/blob-sample.ts';
import { newKey } from '../support/row-sample.ts';
import { freshName, freshRegistry, gather, noise, sameBytes } from '../support/sample.ts';

let closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers) close();
  closers = [];
});

/** The ports over a server of the test's own making. */
async function over(listener: RequestListener): Promise<AzureStorage> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');
  return at(address.port);
}

function at(port: number): AzureStorage {
  const endpoint = `http://127.0.0.1:${port}/acct`;
  return openAzure({
    blobEndpoint: endpoint,
    tableEndpoint: endpoint,
    queueEndpoint: endpoint,
    credential: { kind: 'key', account: 'acct', key: 'a2V5' },
  });
}

/** A port on which nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');
  server.close();
  await once(server, 'close');
  return address.port;
}

const CALLS: readonly [string, (storage: AzureStorage) => Promise<unknown>][] = [
  ['a point read', ({ records }) => records.get(newKey())],
  [
    'a range',
    ({ records }) => records.range({ table: 'repos', partition: 'p', from: 'a', before: 'b', limit: 10 }),
  ],
  ['a scan', ({ records }) => records.scan({ table: 'repos', from: 'a', before: 'b', limit: 10 })],
  [
    'a batch',
    ({ records }) => {
      const key = newKey();
      const other = { ...key, row: 'other' };
      return records.batch(key.table, key.partition, [put(key, {}, always), put(other, {}, always)]);
    },
  ],
  [
    'a single write',
    ({ records }) => {
      const key = newKey();
      return records.batch(key.table, key.partition, [put(key, {}, always)]);
    },
  ],
  ['staging', ({ blobs }) => blobs.stage(newBlob(), 'AAAA', noise(10))],
  ['a commit', ({ blobs }) => blobs.commit(newBlob(), ['AAAA'], undefined)],
  ['a put', ({ blobs }) => blobs.put(newBlob(), noise(10), undefined)],
  ['a blob read', ({ blobs }) => blobs.read(newBlob())],
  ['a blob stat', ({ blobs }) => blobs.stat(newBlob())],
  ['a blob delete', ({ blobs }) => blobs.delete(newBlob())],
  ['a blob list', ({ blobs }) => blobs.list(freshRegistry(), 10)],
  [
    'sending a job',
    ({ work }) =>
      work.send({
        kind: 'discard',
        registry: freshRegistry(),
        name: freshName(),
        digest: digestOf(Buffer.from('x')),
      }),
  ],
  ['receiving jobs', ({ work }) => work.receive(1, 10)],
];

describe('an outage', () => {
  test('where nobody listens, every call says within seconds that storage is unavailable', async () => {
    const storage = at(await deadPort());
    const started = Date.now();
    const outcomes = await Promise.all(
      CALLS.map(([name, call]) =>
        call(storage).then(
          () => name,
          (error: unknown) => error,
        ),
      ),
    );
    for (const outcome of outcomes) expect(outcome).toBeInstanceOf(Unavailable);
    expect(Date.now() - started).toBeLessThan(10_000);
  });

  test.each([500, 502, 503, 429, 408])(
    'a service that keeps answering %i is unavailable to every call, after a few tries',
    async (status) => {
      let tries = 0;
      const storage = await over((request, answer) => {
        tries++;
        request.resume();
        answer.writeHead(status, { 'content-length': 0 }).end();
      });
      const outcomes = await Promise.all(
        CALLS.map(([name, call]) =>
          call(storage).then(
            () => name,
            (error: unknown) => error,
          ),
        ),
      );
      for (const outcome of outcomes) expect(outcome).toBeInstanceOf(Unavailable);
      expect(tries).toBe(CALLS.length * BRIEF.tries);
    },
  );

  test.each([400, 403])('an answer of %i is a fault of ours: not repeated, not an outage', async (status) => {
    let tries = 0;
    const storage = await over((request, answer) => {
      tries++;
      request.resume();
      answer.writeHead(status, { 'content-length': 0 }).end();
    });
    for (const [name, call] of CALLS) {
      const outcome = await call(storage).then(
        () => name,
        (error: unknown) => error,
      );
      expect(outcome).toMatchObject({ name: 'RestError', statusCode: status });
    }
    expect(tries).toBe(CALLS.length);
  });

  test('a call that fails once succeeds', async () => {
    let tries = 0;
    const storage = await over((request, answer) => {
      request.resume();
      if (++tries === 1) answer.destroy();
      else answer.writeHead(201, { 'content-length': 0 }).end();
    });
    expect(await storage.blobs.put(newBlob(), noise(10), undefined)).toBe('committed');
  });
});

/** Fails when it is told to stop, and not before. */
function never(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('aborted')));
  });
}

describe('patience', () => {
  test('a call without an answer is given up', async () => {
    let tries = 0;
    const outcome = insist({ tries: 5, tryMs: 20, totalMs: 60 }, (signal) => {
      tries++;
      return never(signal);
    });
    await expect(outcome).rejects.toBeInstanceOf(Unavailable);
    expect(tries).toBeLessThan(5);
  });

  test('calls that carry little give up within ten seconds, and larger ones have longer', () => {
    expect(BRIEF.totalMs).toBeLessThanOrEqual(10_000);
    expect(carrying(0).tryMs).toBe(BRIEF.tryMs);
    expect(carrying(8 * 1024 * 1024).tryMs).toBeGreaterThan(20_000);
  });

  test('an error that will not pass is not tried again', async () => {
    let tries = 0;
    const fault = new RestError('no', { statusCode: 409, code: 'SomethingElse' });
    await expect(
      insist(BRIEF, () => {
        tries++;
        return Promise.reject(fault);
      }),
    ).rejects.toBe(fault);
    expect(tries).toBe(1);
  });

  test('what is being deleted, or has no token at the moment, is unavailable', async () => {
    const quick = { tries: 1, tryMs: 1000, totalMs: 1000 };
    const deleting = new RestError('wait', { statusCode: 409, code: 'ContainerBeingDeleted' });
    await expect(insist(quick, () => Promise.reject(deleting))).rejects.toBeInstanceOf(Unavailable);
    const tokenless = Object.assign(new Error('no token'), { name: 'CredentialUnavailableError' });
    await expect(insist(quick, () => Promise.reject(tokenless))).rejects.toMatchObject({ cause: tokenless });
  });
});

describe('a download', () => {
  const bytes = noise(300_000);

  /** Serves `bytes`, but breaks each connection after `most` of them; `breaks` times. */
  function breaking(most: number, breaks: number): { listener: RequestListener; ranges: string[] } {
    const ranges: string[] = [];
    const listener: RequestListener = (request, answer) => {
      const range = String(request.headers['x-ms-range'] ?? request.headers.range ?? 'bytes=0-');
      ranges.push(range);
      const [first = 0, last = bytes.length - 1] = range
        .slice('bytes='.length)
        .split('-')
        .filter((part) => part !== '')
        .map(Number);
      const body = bytes.subarray(first, last + 1);
      answer.writeHead(206, { 'content-length': body.length, etag: '"1"', 'x-ms-blob-type': 'BlockBlob' });
      if (ranges.length > breaks) answer.end(body);
      else answer.write(body.subarray(0, most), () => answer.destroy());
    };
    return { listener, ranges };
  }

  test('goes on where a connection broke, whole and in a range', async () => {
    const whole = breaking(100_000, 2);
    const { blobs } = await over(whole.listener);
    expect(await holds(blobs, newBlob(), bytes)).toBe(true);
    expect(whole.ranges.length).toBe(3);

    const part = breaking(10, 1);
    const other = await over(part.listener);
    const source = await other.blobs.read(newBlob(), { first: 100, last: 199 });
    expect(source && sameBytes(await gather(source), bytes.subarray(100, 200))).toBe(true);
    expect(part.ranges).toEqual(['bytes=100-199', 'bytes=110-199']);
  });

  test('that breaks again and again without a byte is unavailable', async () => {
    const { blobs } = await over(breaking(0, 100).listener);
    await expect(holds(blobs, newBlob(), bytes)).rejects.toBeInstanceOf(Unavailable);
  });

  test('frees its connection when the loop is broken off', async () => {
    const closed = Promise.withResolvers<void>();
    const { blobs } = await over((_, answer) => {
      answer.once('close', () => closed.resolve());
      answer.writeHead(200, { 'content-length': 10 ** 9, etag: '"1"', 'x-ms-blob-type': 'BlockBlob' });
      answer.write(noise(1000));
    });
    let seen = 0;
    for await (const chunk of (await blobs.read(newBlob())) ?? []) {
      seen += chunk.length;
      break;
    }
    expect(seen).toBeGreaterThan(0);
    await closed.promise;
  });
});
