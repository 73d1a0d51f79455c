import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import { countCalls, intercept } from '../support/intercept.ts';
import {
  type Pushed,
  imageManifest,
  pushBlob,
  pushImage,
  pushManifest,
  putManifest,
} from '../support/push.ts';
import { noise } from '../support/sample.ts';

const NAME = 'team/app';
const TAGS = Array.from({ length: 12 }, (_, i) => `t${String(i).padStart(2, '0')}`);
/** At the start, in rows, at the ends of pages, and at the end. */
const HIDDEN = [0, 3, 4, 5, 8, 11];

/** What is left, in pages of two. */
function shown(all: readonly string[]): { sizes: number[]; names: string[] } {
  return { sizes: [2, 2, 2], names: all.filter((_, i) => !HIDDEN.includes(i)) };
}

describe.each(adapters)('what is hidden from lists on %s', (adapter) => {
  let app: TestApp;
  let image: Pushed;
  const digests: string[] = [];
  const repositories = TAGS.map((tag) => `hide/${tag}`);

  beforeAll(async () => {
    app = await openTestApp({ adapter });
    ({ manifest: image } = await pushImage(app, NAME));
    const config = await pushBlob(app, 'many', noise(10));
    for (const [i, tag] of TAGS.entries()) {
      app.clock.advance(1000);
      await putManifest(app, NAME, tag, image.bytes);
      const manifest = imageManifest(config, [], { annotations: { tag } });
      digests.push((await pushManifest(app, 'many', manifest)).digest);
      await pushImage(app, repositories[i] ?? '', 'v1');
    }
    for (const i of HIDDEN) {
      for (const path of [`${NAME}/_tags/${TAGS[i]}`, `many/_manifests/${digests[i]}`, repositories[i]]) {
        const answer = await app.fetch('PATCH', `/acr/v1/${path}`, { body: '{"listEnabled":false}' });
        if (!answer.ok) throw new Error(await answer.text());
      }
    }
  }, 60_000);
  afterAll(() => app.close());

  /** Follows links to the end; the sizes of the pages and all names. */
  async function walk(path: string): Promise<{ sizes: number[]; names: string[] }> {
    const sizes: number[] = [];
    const names: string[] = [];
    for (let next: string | undefined = path; next !== undefined;) {
      const answer: Response = await app.fetch('GET', next);
      expect(answer.status).toBe(200);
      const page = namesOf(await answer.text());
      sizes.push(page.length);
      names.push(...page);
      next = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1];
    }
    return { sizes, names };
  }

  test('is left out of full pages of tags', async () => {
    expect(await walk(`/v2/${NAME}/tags/list?n=2`)).toEqual(shown(TAGS));
    expect(await walk(`/acr/v1/${NAME}/_tags?n=2`)).toEqual(shown(TAGS));
    expect(await walk(`/acr/v1/${NAME}/_tags?n=2&orderby=timeasc`)).toEqual(shown(TAGS));
    const latest = shown(TAGS).names.toReversed();
    expect(await walk(`/acr/v1/${NAME}/_tags?n=2&orderby=timedesc`)).toEqual({
      sizes: [2, 2, 2],
      names: latest,
    });
  });

  test('is left out of the tags of one manifest', async () => {
    for (const order of ['', 'timeasc']) {
      const path = `/acr/v1/${NAME}/_tags?n=2&digest=${image.digest}&orderby=${order}`;
      const { sizes, names } = await walk(path);
      // Which of its tags are hidden shows only when they are read: the last page may be empty.
      expect(sizes.slice(0, 3)).toEqual([2, 2, 2]);
      expect(names).toEqual(shown(TAGS).names);
    }
  });

  test('is left out of full pages of manifests', async () => {
    const left = shown(digests).names;
    expect(await walk('/acr/v1/many/_manifests?n=2')).toEqual({ sizes: [2, 2, 2], names: left.toSorted() });
    expect(await walk('/acr/v1/many/_manifests?n=2&orderby=timeasc')).toEqual({
      sizes: [2, 2, 2],
      names: left,
    });
  });

  test('is left out of full pages of the catalog', async () => {
    for (const path of ['/v2/_catalog', '/acr/v1/_catalog'])
      expect(await walk(`${path}?n=2&last=hide`)).toEqual({
        sizes: [2, 2, 2, 2],
        names: [...shown(repositories).names, 'many', NAME],
      });
  });

  test('comes back when it is shown again', async () => {
    const path = `/acr/v1/${repositories[0]}`;
    for (const [listEnabled, count] of [
      [true, 1],
      [false, 0],
    ] as const) {
      await app.fetch('PATCH', path, { body: JSON.stringify({ listEnabled }) });
      const { names } = await walk('/v2/_catalog?n=100');
      expect(names.filter((name) => name === repositories[0])).toHaveLength(count);
    }
  });

  test('still counts, and is named as a tag of its manifest: who deletes what has none must see it', async () => {
    const text = await (await app.fetch('GET', `/acr/v1/${NAME}`)).text();
    expect(text).toContain('"manifestCount":1,"tagCount":12,');
    for (const path of [`/acr/v1/${NAME}/_manifests`, `/acr/v1/${NAME}/_manifests/${image.digest}`])
      expect(await (await app.fetch('GET', path)).text()).toContain(`"tags":${JSON.stringify(TAGS)}`);
  });

  test('of referrers is left out, pushed again or under a referrers tag, too', async () => {
    const { manifest: subject } = await pushImage(app, 'signed', 'v1');
    const config = await pushBlob(app, 'signed', noise(10));
    const { digest, size, mediaType } = subject;
    const of = (text: string) =>
      imageManifest(config, [], { subject: { digest, size, mediaType }, annotations: { text } });
    const [first, second] = [
      await pushManifest(app, 'signed', of('1')),
      await pushManifest(app, 'signed', of('2')),
    ];
    const list = async () => namesOf(await (await app.fetch('GET', `/v2/signed/referrers/${digest}`)).text());
    expect(await list()).toEqual([first.digest, second.digest].toSorted());
    await app.fetch('PATCH', `/acr/v1/signed/_manifests/${first.digest}`, { body: '{"listEnabled":false}' });
    expect(await list()).toEqual([second.digest]);
    await putManifest(app, 'signed', 'again', first.bytes);
    expect(await list()).toEqual([second.digest]);
    const entry = { mediaType, digest: first.digest, size: first.size };
    const index = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [entry],
    };
    await pushManifest(app, 'signed', index, digest.replace(':', '-'));
    expect(await list()).toEqual([second.digest]);
    await app.fetch('PATCH', `/acr/v1/signed/_manifests/${first.digest}`, { body: '{"listEnabled":true}' });
    expect(await list()).toEqual([first.digest, second.digest].toSorted());
  });
});

test('a page costs one call where nothing is hidden, and ends early where very much is', async () => {
  const count = countCalls();
  const app = await openTestApp({ wrap: (stores) => intercept(stores, count) });
  const image = (await pushImage(app, NAME)).manifest;
  for (let part = 0; part < 55; part++) {
    const tags = Array.from({ length: 20 }, (_, i) => `tag=t${String(part * 20 + i).padStart(4, '0')}`);
    await app.fetch('PUT', `/v2/${NAME}/manifests/${image.digest}?${tags.join('&')}`, {
      body: image.bytes,
      headers: { 'content-type': image.mediaType },
    });
  }
  const get = async (path: string) => {
    count.reset();
    const answer = await app.fetch('GET', path);
    const names = namesOf(await answer.text());
    return { first: names[0], size: names.length, calls: count.calls.length };
  };
  expect(await get(`/v2/${NAME}/tags/list?n=5`)).toEqual({ first: 't0000', size: 5, calls: 1 });
  expect(await get(`/v2/${NAME}/tags/list`)).toEqual({ first: 't0000', size: 1000, calls: 1 });
  for (let i = 0; i < 1050; i++) {
    const path = `/acr/v1/${NAME}/_tags/t${String(i).padStart(4, '0')}`;
    await app.fetch('PATCH', path, { body: '{"listEnabled":false}' });
  }
  expect(await get(`/v2/${NAME}/tags/list?n=5`)).toEqual({ first: 't1050', size: 5, calls: 3 });
  expect(await get(`/v2/${NAME}/tags/list`)).toEqual({ first: 't1050', size: 50, calls: 2 });
  expect(await get(`/acr/v1/${NAME}/_tags?n=5&digest=${image.digest}`)).toMatchObject({ size: 0 });
  await app.close();
}, 60_000);

/** Names or digests of the entries of any list. */
function namesOf(text: string): string[] {
  const body: {
    repositories?: string[];
    tags?: (string | { name: string })[];
    manifests?: { digest: string }[];
  } = JSON.parse(text);
  const tags = body.tags?.map((tag) => (typeof tag === 'string' ? tag : tag.name));
  return body.repositories ?? tags ?? body.manifests?.map(({ digest }) => digest) ?? [];
}
