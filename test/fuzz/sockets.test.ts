import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { type Listening, listen } from '../../src/local/server.ts';
import { type TestApp, openTestApp } from '../support/app.ts';
import { createChance } from '../support/chance.ts';
import { beginUpload, closing, pushImage } from '../support/push.ts';
import { noise } from '../support/sample.ts';
import { wildRequest } from './generator.ts';
import { type Conversation, converse, lines } from './socket.ts';

const SEEDS = process.env['FUZZ_SEED'] ? [Number(process.env['FUZZ_SEED'])] : [1, 2, 3];
const CAP = 1_000_000;

describe('the host on this machine', () => {
  let app: TestApp;
  let host: Listening;
  beforeAll(async () => {
    app = await openTestApp({ settings: { maxBodyBytes: CAP } });
    host = await listen(app.app, '127.0.0.1', 0);
    await pushImage(app, 'a/b', 'v1');
  });
  afterAll(async () => {
    await host.stop();
    await app.close();
  });

  test.each([
    'registry.test',
    'registry.test:99999',
    'registry.test:65536',
    '300.300.300.300',
    '1.2.3',
    '[::1]',
    '[:::]',
    '[',
    'xn--',
    'xn--a.test',
    '..',
    '-',
    'a b',
    'a/b',
    'a@b',
    'a#b',
    'ä',
    '%2f',
    '',
    `${'x'.repeat(300)}.test`,
    "'",
  ])('the Host %j is met with an answer', async (name) => {
    const answer = await converse(host.url, lines('GET /v2/a/b/manifests/v1 HTTP/1.1', `Host: ${name}`));
    expect(answer.statuses).toEqual([200]);
  });

  test('a request without a Host is refused, except in HTTP/1.0', async () => {
    expect((await converse(host.url, lines('GET /v2/ HTTP/1.1'))).statuses).toEqual([400]);
    expect((await converse(host.url, lines('GET /v2/ HTTP/1.0'))).statuses).toEqual([200]);
  });

  test.each([
    ['http://registry.test/v2/', 200],
    ['HTTP://registry.test/v2/a/b/manifests/v1', 200],
    ['https://registry.test:443/v2/?x=1', 200],
    ['http://registry.test', 404],
    ['http:///v2/', 200],
    ['http://[/v2/', 200],
    ['ftp://registry.test/v2/', 404],
    ['*', 404],
    ['v2/', 400],
    ['//v2/', 404],
    ['/v2/%', 400],
    ['/v2/%zz/tags/list', 400],
    ['/v2/a%00b/tags/list', 400],
    ['/v2/a%0d%0aset-cookie:x/tags/list', 400],
    [`/v2/${'a'.repeat(8000)}/tags/list`, 400],
    ['/v2/a/b/tags/list?last=%', 200],
    ['/v2/a/b/tags/list#fragment', 200],
    ['/v2/a\\b/tags/list', 200],
  ])('the target %j has the status %i', async (target, status) => {
    const answer = await converse(host.url, lines(`GET ${target} HTTP/1.1`, 'Host: registry.test'));
    expect([answer.statuses, wellFormed(answer)]).toEqual([[status], true]);
    expect(answer.text).not.toMatch(/^set-cookie/im);
  });

  test.each([
    ['two lengths', ['Content-Length: 3', 'Content-Length: 5']],
    ['length and chunks', ['Content-Length: 3', 'Transfer-Encoding: chunked']],
    ['a signed length', ['Content-Length: +3']],
    ['a length in words', ['Content-Length: three']],
    ['an endless length', ['Content-Length: 99999999999999999999999']],
    ['an unknown encoding', ['Transfer-Encoding: xchunked']],
    ['chunks that are not last', ['Transfer-Encoding: chunked, identity']],
    ['chunks twice', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']],
    ['a space before the colon', ['Transfer-Encoding : chunked']],
    ['a control character', ['X-Test: a\u0000b']],
    ['a bare line feed', ['X-Test: a\nTransfer-Encoding: chunked']],
    ['a header without a name', [': x']],
    ['a header without a colon', ['nonsense']],
    ['headers of 100 KiB', [`X-Test: ${'x'.repeat(100_000)}`]],
    ['5,000 headers', Array.from({ length: 5000 }, (_, i) => `X-${i}: 1`)],
  ])('%s cannot smuggle a second request in', async (_, headers) => {
    const path = '/v2/a/b/blobs/uploads/';
    const answer = await converse(
      host.url,
      lines(`POST ${path} HTTP/1.1`, 'Host: registry.test', ...headers),
      '3\r\nabc\r\n0\r\n\r\nDELETE /v2/a/b/manifests/v1 HTTP/1.1\r\nHost: registry.test\r\n\r\n',
    );
    expect(answer.statuses).toHaveLength(1);
    expect(answer.statuses[0]).toBeLessThan(500);
    expect(wellFormed(answer)).toBe(true);
    expect((await app.fetch('HEAD', '/v2/a/b/manifests/v1')).status).toBe(200);
  });

  test.each([
    'ffffffffffffffffff\r\n',
    'zz\r\nabc\r\n',
    '-1\r\n',
    '3\r\nabcdef\r\n0\r\n\r\n',
    '3;x=1\r\nabc\r\n0\r\nX: y\r\n\r\n',
  ])('a body of the chunks %j does no harm', async (chunks) => {
    const { pathname, search } = new URL(await beginUpload(app, 'a/b'), host.url);
    const head = lines(
      `PATCH ${pathname}${search} HTTP/1.1`,
      'Host: registry.test',
      'Transfer-Encoding: chunked',
    );
    const answer = await converse(host.url, head, chunks);
    expect(wellFormed(answer)).toBe(true);
    expect(Math.max(0, ...answer.statuses)).toBeLessThan(500);
  });

  test('a body beyond the cap is answered with 413, although the client is still sending', async () => {
    const piece = Buffer.alloc(64 * 1024, 1);
    for (const pieces of [CAP / piece.length + 2, 400]) {
      const { pathname, search } = new URL(await beginUpload(app, 'a/b'), host.url);
      const chunks = Array.from({ length: pieces }, () => [
        `${piece.length.toString(16)}\r\n`,
        piece,
        '\r\n',
      ]).flat();
      const answer = await converse(
        host.url,
        lines(`PATCH ${pathname}${search} HTTP/1.1`, 'Host: registry.test', 'Transfer-Encoding: chunked'),
        ...chunks,
        '0\r\n\r\n',
      );
      expect([answer.statuses, wellFormed(answer)]).toEqual([[413], true]);
    }
  });

  test('a refused body leaves the connection to the next request', async () => {
    const body = 'x'.repeat(100_000);
    const answer = await converse(
      host.url,
      `PUT /v2/a/b/manifests/.bad HTTP/1.1\r\nHost: registry.test\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      lines('GET /v2/ HTTP/1.1', 'Host: registry.test'),
    );
    expect(answer.statuses).toEqual([400, 200]);
  });

  test('requests sent ahead are answered in order', async () => {
    const answer = await converse(
      host.url,
      get('/v2/a/b/manifests/v1') + get('/nowhere') + get('/v2/'),
      lines('GET /v2/a/b/tags/list HTTP/1.1', 'Host: registry.test'),
    );
    expect(answer.statuses).toEqual([200, 404, 200, 200]);
  });

  test('a client that waits for 100 gets it, and other expectations are passed over', async () => {
    const bytes = noise(50);
    const { pathname, search } = new URL(closing(await beginUpload(app, 'a/b'), digestOf(bytes)), host.url);
    for (const [expectation, statuses] of [
      ['100-continue', [100, 201]],
      ['miracles', [201]],
    ] as const) {
      const answer = await converse(
        host.url,
        lines(
          `PUT ${pathname}${search} HTTP/1.1`,
          'Host: registry.test',
          'Content-Length: 50',
          `Expect: ${expectation}`,
        ),
        bytes,
      );
      expect(answer.statuses).toEqual(statuses);
    }
  });

  test.each([
    'CONNECT registry.test:443',
    'TRACE /v2/',
    'PRI *',
    'GET',
    '',
    '\u0016\u0003\u0001',
    'get /v2/',
    'GET /v2/ x',
  ])('the request line %j does no harm', async (line) => {
    const answer = await converse(
      host.url,
      lines(line.includes(' /') ? `${line} HTTP/1.1` : line, 'Host: registry.test'),
    );
    expect(wellFormed(answer)).toBe(true);
    expect(Math.max(0, ...answer.statuses)).toBeLessThan(500);
  });

  test('a client that goes away in the middle of a body is no error of the registry', async () => {
    const before = app.logs.length;
    const { pathname, search } = new URL(await beginUpload(app, 'a/b'), host.url);
    const request = new Request(`${host.url}${pathname}${search}`, {
      method: 'PATCH',
      body: ReadableStream.from(broken()),
      duplex: 'half',
    });
    await expect(fetch(request)).rejects.toThrow('fetch failed');
    expect((await fetch(`${host.url}/v2/`)).status).toBe(200);
    expect(app.logs.slice(before).filter(({ level }) => level === 'error')).toEqual([]);
  });

  test.each(SEEDS)('nonsense with seed %i is answered like at any other host', async (seed) => {
    const chance = createChance(seed);
    const ground = {
      repository: 'a/b',
      digests: [digestOf(noise(1))] as const,
      locations: [await beginUpload(app, 'a/b')],
    };
    for (let i = 0; i < 300; i++) {
      const { method, target, headers, body } = wildRequest(chance, {
        ...ground,
        digests: [ground.digests[0]],
      });
      const bytes = body ?? new Uint8Array(0);
      const fields = Object.entries({ ...headers, 'content-length': String(bytes.length) });
      const head = lines(
        `${method} ${chance.maybe(0.05) ? 'http://x' : ''}${target} HTTP/1.1`,
        'Host: registry.test',
        ...fields.map(([name, value]) => `${name}: ${value}`),
      );
      const answer = await converse(host.url, head, bytes);
      const good =
        wellFormed(answer) ||
        method === 'HEAD' ||
        target.includes('subscriptions') ||
        target.includes('providers');
      if (!good || answer.statuses.some((status) => status >= 500))
        throw new Error(`seed ${seed}, request ${i}: ${head} -> ${answer.text.slice(0, 1000)}`);
    }
    expect(app.logs.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test.each(SEEDS)('noise with seed %i breaks nothing', async (seed) => {
    const chance = createChance(seed);
    for (let i = 0; i < 100; i++) {
      const answer = await converse(host.url, chance.bytes(1 + chance.integer(300)), '\r\n\r\n');
      expect([seed, i, Math.max(0, ...answer.statuses) < 500]).toEqual([seed, i, true]);
    }
    expect((await fetch(`${host.url}/v2/`)).status).toBe(200);
  });
});

/** The last answer has a body in the form of the registry's errors, or is none of them. */
function wellFormed({ text, statuses }: Conversation): boolean {
  const last = statuses.at(-1) ?? 0;
  return (
    last < 400 || /\r\n\r\n\{"errors":\[\{"code":"[A-Z_]+","message":".+","detail":.+\}\]\}$/s.test(text)
  );
}

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: registry.test\r\n\r\n`;
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield noise(1000);
  throw new Error('gone');
}
