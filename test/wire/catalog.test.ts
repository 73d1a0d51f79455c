import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jsonOf, problemOf } from '../support/answer.ts';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import { pushBlob, pushImage } from '../support/push.ts';
import { noise } from '../support/sample.ts';

/** Byte order of the names: `-` before `.` before `/` before digits and letters. */
const NAMES = ['a', 'a-b', 'a.b', 'a/b', 'a/b/c', 'a0', 'a_b', 'ab', 'blobs', 'z9'];

describe.each(adapters)('the catalog on %s', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await openTestApp({ adapter });
    for (const name of NAMES.toReversed()) await pushImage(app, name, 'v1');
  });
  afterAll(() => app.close());

  async function list(query: string): Promise<Response> {
    return await app.fetch('GET', `/v2/_catalog${query}`);
  }

  test('all repositories come in byte order', async () => {
    const answer = await list('');
    expect([answer.status, answer.headers.has('link')]).toEqual([200, false]);
    expect(await jsonOf(answer)).toEqual({ repositories: NAMES });
  });

  test('`last` gives what comes after it, name or not', async () => {
    for (const last of [...NAMES, 'aa', 'a-', 'A', '/', "'", '\u0000', 'é', 'zz', `a${'x'.repeat(3000)}`]) {
      const after = NAMES.filter((name) => Buffer.compare(Buffer.from(name), Buffer.from(last)) > 0);
      const answer = await list(`?last=${encodeURIComponent(last)}`);
      expect([last, await jsonOf(answer)]).toEqual([last, { repositories: after }]);
    }
  });

  test('pages of `n` follow each other by relative links', async () => {
    const first = await list('?n=4');
    expect(await jsonOf(first)).toEqual({ repositories: NAMES.slice(0, 4) });
    expect(first.headers.get('link')).toBe('</v2/_catalog?last=a%2Fb&n=4>; rel="next"');
    const second = await list('?last=a%2Fb&n=4');
    expect(await jsonOf(second)).toEqual({ repositories: NAMES.slice(4, 8) });
    const third = await list('?last=ab&n=4');
    expect(third.headers.has('link')).toBe(false);
    expect(await jsonOf(third)).toEqual({ repositories: NAMES.slice(8) });
  });

  test('`n=0` is an empty list, and a broken `n` is refused', async () => {
    expect(await jsonOf(await list('?n=0'))).toEqual({ repositories: [] });
    expect(await problemOf(await list('?n=x'))).toBe('400 PAGINATION_NUMBER_INVALID');
  });

  test('a repository is listed from its first manifest on', async () => {
    await pushBlob(app, 'unlisted', noise(9));
    expect(await jsonOf(await list('?last=unliste&n=1'))).toEqual({ repositories: ['z9'] });
  });

  test('a registry without repositories has an empty list', async () => {
    const empty = await openTestApp({ adapter });
    expect(await (await empty.fetch('GET', '/v2/_catalog')).text()).toBe('{"repositories":[]}');
    await empty.close();
  });
});
