import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { inbound } from '../functions/stream/body.ts';
import { watchExchanges } from '../functions/stream/exchange.ts';
import { fault, faults } from '../functions/fault.ts';
import { openOnce } from '../functions/opening.ts';
import { problemTable } from '../src/model/problem.ts';
import { portOf, startFunctions } from './support/functions-host.ts';
import type { FunctionsHost } from './support/functions-host.ts';

const UNKNOWN = { errors: [{ code: 'UNKNOWN', message: 'unknown error', detail: null }] };

describe('an HTTP function whose application misbehaves', () => {
  let host: FunctionsHost;
  beforeEach(async () => {
    host = await startFunctions(fileURLToPath(new URL('support/trap-functions.ts', import.meta.url)));
    const first = await host.fetch('/state');
    // The application of this entry cannot be opened at the first try.
    if (first.status !== 503) throw new Error(`the first answer was ${first.status}`);
    await first.arrayBuffer();
  });
  afterEach(async () => await host.close());

  test('answers 503 without a secret while it cannot be opened, and opens at the next request', async () => {
    const answer = await host.fetch('/state');
    expect(await answer.json()).toMatchObject({ opened: 2 });
    expect(host.logs.filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  test.for(['/throw', '/nothing', '/no-status', '/bad-header', '/never'])(
    'answers 500 in the OCI form for %s',
    async (path) => {
      const answer = await host.fetch(path);
      expect(answer.status).toBe(500);
      expect(Number(answer.headers.get('content-length'))).toBeGreaterThan(0);
      expect(await answer.json()).toEqual(UNKNOWN);
    },
  );

  test('answers 500 to headers that the library cannot make a request of', async () => {
    const answer = await host.fetch('/headers', {
      headers: { 'x-name': Buffer.from('łódź').toString('latin1') },
    });
    expect(answer.status).toBe(500);
    expect(await answer.json()).toEqual(UNKNOWN);
  });

  test('cuts the connection when a body breaks off, so that a part never passes for the whole', async () => {
    const answer = await host.fetch('/broken');
    expect(answer.status).toBe(200);
    await expect(answer.arrayBuffer()).rejects.toThrow(/terminated/);
    expect(host.logs.some(({ message }) => message.includes('storage broke off'))).toBe(true);
  });

  test('measures a body that came without a length', async () => {
    const answer = await host.fetch('/no-length');
    expect(answer.headers.get('content-length')).toBe('3');
    expect(await answer.text()).toBe('abc');
  });

  test('answers HEAD with the length given and no body', async () => {
    const answer = await host.fetch('/head', { method: 'HEAD' });
    expect(answer.headers.get('content-length')).toBe('4242');
    expect(await answer.text()).toBe('');
  });

  test('reads no more of a body than a client takes, and frees it when the client goes', async () => {
    const { port } = new URL(host.url);
    const client = connect({ host: '127.0.0.1', port: Number(port) });
    client.write('GET /endless HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(client, 'readable');
    let produced = -1;
    await vi.waitFor(async () => {
      const before = produced;
      ({ produced } = await state(host));
      expect(produced).toBe(before);
    });
    // What the buffers of three sockets hold, not what the source could give.
    expect(produced).toBeLessThan(64);
    client.destroy();
    await vi.waitFor(async () => expect(await state(host)).toMatchObject({ freed: true }));
  });

  test.for([
    ['/unread', 401],
    ['/too-large', 413],
    ['/throw', 500],
    ['/endless?query=', 400],
  ] as const)('answers a push to %s although its body is not read to the end', async ([path, status]) => {
    const chunk = new Uint8Array(1 << 20);
    const body = new ReadableStream({
      start(controller) {
        for (let count = 0; count < 8; count += 1) controller.enqueue(chunk);
        controller.close();
      },
    });
    const answer = await host.fetch(path, { method: 'PATCH', body, duplex: 'half' });
    expect(answer.status).toBe(status);
  });

  test('shows the headers of the client, whatever a JSON body claims, and not those of the host', async () => {
    const answer = await host.fetch('/headers', {
      method: 'POST',
      headers: { authorization: 'Bearer mine', 'x-ms-invocation-id': 'forged' },
      body: JSON.stringify({ headers: { authorization: 'Bearer stolen' } }),
    });
    const seen = await answer.json();
    expect(seen).toMatchObject({ authorization: 'Bearer mine', host: new URL(host.url).host });
    expect(seen).not.toHaveProperty('x-ms-invocation-id');
  });

  test.for(['?headers={}', '?Headers={"authorization":"x"}', '?a=1&%71uery=x', '?QUERY'])(
    'refuses the query %s, which would forge metadata',
    async (query) => {
      const answer = await host.fetch(`/headers${query}`);
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({ errors: [{ code: 'UNSUPPORTED' }] });
    },
  );
});

test.for(['breaks off', 'gives up in the middle', 'never starts'])(
  'a connection outlives a body whose reader %s',
  async (reader) => {
    const server = createServer((request, response) => {
      const answer = async (): Promise<void> => {
        // As the library does it.
        const { body } = new Request('http://host/', { method: 'PATCH', body: request, duplex: 'half' });
        if (!body) return;
        const received = inbound(body);
        if (reader === 'breaks off') for await (const _ of received.body) break;
        if (reader === 'gives up in the middle') await received.body.getReader().read();
        response.writeHead(413, { 'content-length': '0' }).end();
        received.drain();
      };
      void answer();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect({ host: '127.0.0.1', port: portOf(server) });
    try {
      let received = '';
      client.setEncoding('latin1').on('data', (text: string) => (received += text));
      const answers = (): number => received.split('HTTP/1.1 413').length - 1;
      const head = 'PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 8388608\r\n\r\n';
      client.write(head);
      client.write(new Uint8Array(1 << 20));
      await vi.waitFor(() => expect(answers()).toBe(1));
      client.write(new Uint8Array(7 << 20));
      client.write(head);
      client.write(new Uint8Array(8 << 20));
      await vi.waitFor(() => expect(answers()).toBe(2));
    } finally {
      client.destroy();
      server.closeAllConnections();
      server.close();
    }
  },
);

test('the server of the host takes requests of any duration, and closes no idle connection under its proxy', async () => {
  watchExchanges();
  const server = createServer((_request, response) => void response.end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await fetch(`http://127.0.0.1:${portOf(server)}/`, { headers: { 'x-ms-invocation-id': 'a' } });
    expect(server).toMatchObject({ requestTimeout: 0, keepAliveTimeout: 120_000 });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

async function state(host: FunctionsHost): Promise<{ produced: number }> {
  const value: unknown = await (await host.fetch('/state')).json();
  if (typeof value !== 'object' || value === null || !('produced' in value)) throw new Error('no state');
  return { ...value, produced: Number(value.produced) };
}

test.for(Object.entries(faults))('the fault %s is the one of the error table', ([name, row]) => {
  const known = Object.entries(problemTable).find(([code]) => code === name)?.[1];
  expect(row).toEqual({ code: name, ...known });
});

test('a fault is a whole answer of the right length', () => {
  const { headers, body } = fault('UNKNOWN');
  expect(JSON.parse(body)).toEqual(UNKNOWN);
  expect(headers['content-length']).toBe(String(body.length));
});

test('callers who come while the application opens share one opening', async () => {
  let opened = 0;
  const open = openOnce(async () => {
    opened += 1;
    return await Promise.resolve({ opened });
  });
  const [first, second] = await Promise.all([open(), open()]);
  expect(first).toBe(second);
  expect(await open()).toBe(first);
});

test('host.json keeps the routes, the message form and the retry delay that the functions rely on', async () => {
  const host: unknown = JSON.parse(await readFile(new URL('../host.json', import.meta.url), 'utf8'));
  expect(host).toMatchObject({
    extensions: {
      http: { routePrefix: '' },
      queues: { messageEncoding: 'none', visibilityTimeout: '00:00:30', maxDequeueCount: 5 },
    },
    functionTimeout: '00:30:00',
  });
});
