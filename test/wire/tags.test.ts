import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jsonOf, problemOf } from '../support/answer.ts';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import { IMAGE_TYPE, pushBlob, pushImage, putManifest } from '../support/push.ts';
import { noise } from '../support/sample.ts';

/** Byte order: digits, capitals, the underscore, small letters. */
const TAGS = ['0', '1.0', '10', 'B', 'Z', '_', 'a', 'a-1', 'a.1', 'a_1', 'b', 'z'];

describe.each(adapters)('tag lists on %s', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await openTestApp({ adapter });
    const { manifest } = await pushImage(app, 'ta/list');
    for (const tag of TAGS.toReversed()) await putManifest(app, 'ta/list', tag, manifest.bytes);
  });
  afterAll(() => app.close());

  async function list(query: string, repository = 'ta/list'): Promise<Response> {
    return await app.fetch('GET', `/v2/${repository}/tags/list${query}`);
  }

  test('all tags come in byte order, with the name of the repository', async () => {
    const answer = await list('');
    expect([answer.status, answer.headers.has('link')]).toEqual([200, false]);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    const text = await answer.text();
    expect(JSON.parse(text)).toEqual({ name: 'ta/list', tags: TAGS });
    expect(answer.headers.get('content-length')).toBe(String(text.length));
  });

  test('`last` alone gives every greater tag and no other', async () => {
    for (const [i, last] of TAGS.entries())
      expect(await jsonOf(await list(`?last=${last}`))).toEqual({ name: 'ta/list', tags: TAGS.slice(i + 1) });
  });

  test.each([
    'nosuchtag',
    'A',
    'a-',
    'a.',
    'aa',
    '-',
    '.',
    '+',
    '~',
    'é',
    "'",
    '%00',
    '%0A',
    '/',
    '#',
    '?',
    '\\',
    ':',
    '[',
    '`',
    '😀',
    'zz',
    ' ',
  ])('a `last` of %j, which is no tag here, is a place between the tags', async (last) => {
    const decoded = last.startsWith('%') ? decodeURIComponent(last) : last;
    const answer = await list(`?last=${encodeURIComponent(decoded)}`);
    expect(answer.status).toBe(200);
    const after = TAGS.filter((tag) => Buffer.compare(Buffer.from(tag), Buffer.from(decoded)) > 0);
    expect(await jsonOf(answer)).toEqual({ name: 'ta/list', tags: after });
  });

  test('a `last` as long as a URL may be is a place too', async () => {
    const answer = await list(`?last=a${'x'.repeat(3000)}`);
    expect(await jsonOf(answer)).toEqual({ name: 'ta/list', tags: ['b', 'z'] });
  });

  test('pages of `n` follow each other by relative links, and the last has none', async () => {
    const seen: string[] = [];
    let path: string | undefined = '/v2/ta/list/tags/list?n=5';
    for (const size of [5, 5, 2]) {
      const answer: Response = await app.fetch('GET', path ?? '');
      const { tags }: { tags: string[] } = JSON.parse(await answer.text());
      expect(tags).toHaveLength(size);
      seen.push(...tags);
      const link = answer.headers.get('link');
      path = /^<(\/v2\/ta\/list\/tags\/list\?last=[^&>]+&n=5)>; rel="next"$/.exec(link ?? '')?.[1];
      expect(path === undefined).toBe(size === 2);
    }
    expect(seen).toEqual(TAGS);
  });

  test('exactly `n` tags are no reason for another page', async () => {
    const answer = await list(`?n=${TAGS.length}`);
    expect(answer.headers.has('link')).toBe(false);
    expect(await jsonOf(answer)).toEqual({ name: 'ta/list', tags: TAGS });
  });

  test('`n=0` asks for nothing and gets an empty list without a link', async () => {
    const answer = await list('?n=0');
    expect([answer.status, answer.headers.has('link')]).toEqual([200, false]);
    expect(await jsonOf(answer)).toEqual({ name: 'ta/list', tags: [] });
  });

  test.each(['-1', 'ten', '1.5', '', '1e3', '99999999999', '%00'])('n=%s is refused', async (n) => {
    expect(await problemOf(await list(`?n=${n}`))).toBe('400 PAGINATION_NUMBER_INVALID');
  });

  test('a repository nobody pushed to is NAME_UNKNOWN, also for an empty page', async () => {
    expect(await problemOf(await list('', 'ta/nowhere'))).toBe('404 NAME_UNKNOWN');
    expect(await problemOf(await list('?n=0', 'ta/nowhere'))).toBe('404 NAME_UNKNOWN');
    expect(await problemOf(await list('?last=a', 'ta/nowhere'))).toBe('404 NAME_UNKNOWN');
  });

  test('blobs alone do not make a repository that is listed', async () => {
    await pushBlob(app, 'ta/blobs', noise(10));
    expect(await problemOf(await list('', 'ta/blobs'))).toBe('404 NAME_UNKNOWN');
  });

  test('a repository without tags has an empty list, never null', async () => {
    await pushImage(app, 'ta/untagged');
    expect(await (await list('', 'ta/untagged')).text()).toBe('{"name":"ta/untagged","tags":[]}');
  });

  test('a deleted tag is missing at once', async () => {
    await pushImage(app, 'ta/deleted', 'v1');
    await app.fetch('DELETE', '/v2/ta/deleted/manifests/v1');
    expect(await jsonOf(await list('', 'ta/deleted'))).toEqual({ name: 'ta/deleted', tags: [] });
  });

  // The emulator needs half a second for a hundred tags.
  const count = adapter === 'disk' ? 2500 : 1020;
  test(`${count} tags come in pages of at most 1,000, whatever is asked`, async () => {
    const { manifest } = await pushImage(app, 'ta/many');
    const all = Array.from({ length: count }, (_, i) => `t${String(i).padStart(4, '0')}`);
    for (let i = 0; i < count; i += 20) {
      const query = all
        .slice(i, i + 20)
        .map((tag) => `tag=${tag}`)
        .join('&');
      const put = await app.fetch('PUT', `/v2/ta/many/manifests/${manifest.digest}?${query}`, {
        body: manifest.bytes,
        headers: { 'content-type': IMAGE_TYPE },
      });
      expect(put.status).toBe(201);
    }
    for (const start of ['', '?n=1000', '?n=5000']) {
      const seen: string[] = [];
      const sizes: number[] = [];
      for (let path: string | undefined = `/v2/ta/many/tags/list${start}`; path !== undefined;) {
        const answer: Response = await app.fetch('GET', path);
        const { tags }: { tags: string[] } = JSON.parse(await answer.text());
        seen.push(...tags);
        sizes.push(tags.length);
        path = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1];
      }
      expect(sizes).toEqual(count === 2500 ? [1000, 1000, 500] : [1000, 20]);
      expect(seen).toEqual(all);
    }
  }, 60_000);
});
