import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import {
  IMAGE_TYPE,
  type Pushed,
  imageManifest,
  pushBlob,
  pushImage,
  pushManifest,
} from '../support/push.ts';
import { noise } from '../support/sample.ts';

const COUNT = 250;
const TAGS = Array.from({ length: COUNT }, (_, i) => `t${String(i).padStart(3, '0')}`);
/** Pushed in turns of ten, the last ones first. */
const TURNS = Array.from({ length: COUNT / 10 }, (_, i) => TAGS.slice(i * 10, i * 10 + 10)).toReversed();
const BY_TIME = TURNS.flat();

interface Listed {
  readonly names: readonly string[];
  readonly link: string | undefined;
}

describe.each(adapters)('the pages of /acr/v1 on %s', (adapter) => {
  let app: TestApp;
  let image: Pushed;
  const digests: string[] = [];

  beforeAll(async () => {
    app = await openTestApp({ adapter });
    ({ manifest: image } = await pushImage(app, 'pa/ges'));
    for (const turn of TURNS) {
      app.clock.advance(1000);
      await tagAll('pa/ges', turn);
    }
    const config = await pushBlob(app, 'ma/ny', noise(10));
    for (let i = 0; i < 7; i++) {
      app.clock.advance(1000);
      const manifest = imageManifest(config, [], { annotations: { i: String(i) } });
      digests.push((await pushManifest(app, 'ma/ny', manifest, `v${i}`)).digest);
    }
  }, 60_000);
  afterAll(() => app.close());

  async function tagAll(repository: string, tags: readonly string[]): Promise<void> {
    const query = tags.map((tag) => `tag=${tag}`).join('&');
    const put = await app.fetch('PUT', `/v2/${repository}/manifests/${image.digest}?${query}`, {
      body: image.bytes,
      headers: { 'content-type': IMAGE_TYPE },
    });
    expect(put.status).toBe(201);
  }

  async function list(path: string): Promise<Listed> {
    const answer = await app.fetch('GET', path);
    const body: { tags?: { name: string }[]; manifests?: { digest: string }[] } = JSON.parse(
      await answer.text(),
    );
    const names = body.tags?.map(({ name }) => name) ?? body.manifests?.map(({ digest }) => digest) ?? [];
    return { names, link: answer.headers.get('link') ?? undefined };
  }

  /** Follows links to the end; the sizes of the pages and all names. */
  async function walk(path: string): Promise<{ sizes: number[]; names: string[] }> {
    const sizes: number[] = [];
    const names: string[] = [];
    for (let next: string | undefined = path; next !== undefined;) {
      const page: Listed = await list(next);
      sizes.push(page.names.length);
      names.push(...page.names);
      next = page.link && /^<([^>]+)>; rel="next"$/.exec(page.link)?.[1];
      if (sizes.length > COUNT) throw new Error('pages without end');
    }
    return { sizes, names };
  }

  test('tags come by name, a hundred to a page', async () => {
    expect(await walk('/acr/v1/pa/ges/_tags')).toEqual({ sizes: [100, 100, 50], names: TAGS });
    for (const order of ['', 'none'])
      expect((await walk(`/acr/v1/pa/ges/_tags?n=60&orderby=${order}`)).sizes).toEqual([60, 60, 60, 60, 10]);
  });

  test('the link is relative, with the name encoded, keys in order and an empty order kept', async () => {
    expect((await list('/acr/v1/pa/ges/_tags')).link).toBe(
      '</acr/v1/pa%2Fges/_tags?last=t099&n=100&orderby=>; rel="next"',
    );
    expect((await list('/acr/v1/pa%2Fges/_tags?orderby=none&n=2&last=t005')).link).toBe(
      '</acr/v1/pa%2Fges/_tags?last=t007&n=2&orderby=none>; rel="next"',
    );
    expect((await list('/acr/v1/pa/ges/_tags?n=250')).link).toBe(undefined);
    expect(await list('/acr/v1/pa/ges/_tags?n=0')).toEqual({ names: [], link: undefined });
  });

  test('tags come by time, the oldest or the newest first', async () => {
    const ascending = await walk('/acr/v1/pa/ges/_tags?orderby=timeasc');
    expect(ascending).toEqual({ sizes: [100, 100, 50], names: BY_TIME });
    const descending = await walk('/acr/v1/pa/ges/_tags?orderby=timedesc&n=120');
    expect(descending).toEqual({ sizes: [120, 120, 10], names: BY_TIME.toReversed() });
  });

  test('tags of one manifest come in every order, page by page', async () => {
    const path = `/acr/v1/pa/ges/_tags?n=100&digest=${encodeURIComponent(image.digest)}`;
    for (const [order, names] of [
      ['', TAGS],
      ['timeasc', BY_TIME],
      ['timedesc', BY_TIME.toReversed()],
    ] as const)
      expect(await walk(`${path}&orderby=${order}`)).toEqual({ sizes: [100, 100, 50], names });
    expect((await list(path)).link).toBe(
      `</acr/v1/pa%2Fges/_tags?digest=${encodeURIComponent(image.digest)}&last=t099&n=100&orderby=>; rel="next"`,
    );
    expect(await list(`/acr/v1/pa/ges/_tags?digest=sha256:${'1'.repeat(64)}`)).toEqual({
      names: [],
      link: undefined,
    });
  });

  test('`last` alone is a place by time too', async () => {
    const [, second = '', third] = BY_TIME;
    const { names } = await list(`/acr/v1/pa/ges/_tags?orderby=timeasc&n=1&last=${second}`);
    expect(names).toEqual([third]);
  });

  test('by time a client may delete or move what it was shown, and misses nothing', async () => {
    const { manifest } = await pushImage(app, 'purge');
    const put = async (tag: string) =>
      await app.fetch('PUT', `/v2/purge/manifests/${tag}`, {
        body: manifest.bytes,
        headers: { 'content-type': IMAGE_TYPE },
      });
    for (const tag of ['e', 'd', 'c', 'b', 'a']) {
      app.clock.advance(1000);
      await put(tag);
    }
    const first = await list('/acr/v1/purge/_tags?orderby=timeasc&n=2');
    expect(first.names).toEqual(['e', 'd']);
    await app.fetch('DELETE', '/acr/v1/purge/_tags/d');
    await put('c');
    const next = /^<([^>]+)>/.exec(first.link ?? '')?.[1] ?? '';
    expect((await list(next)).names).toEqual(['b', 'a']);
    expect((await walk(next)).names).toEqual(['b', 'a', 'c']);
  });

  test('manifests come in every order, page by page', async () => {
    const path = '/acr/v1/ma/ny/_manifests?n=3&orderby=';
    const walks = { '': digests.toSorted(), timeasc: digests, timedesc: digests.toReversed() };
    for (const [order, names] of Object.entries(walks))
      expect(await walk(path + order)).toEqual({ sizes: [3, 3, 1], names });
    const [, , third = ''] = digests.toSorted();
    expect((await list(`${path}none`)).link).toBe(
      `</acr/v1/ma%2Fny/_manifests?last=${encodeURIComponent(third)}&n=3&orderby=none>; rel="next"`,
    );
  });

  test('each manifest is listed with its own tags in every order', async () => {
    for (const order of ['', 'timeasc', 'timedesc']) {
      const answer = await app.fetch('GET', `/acr/v1/ma/ny/_manifests?orderby=${order}`);
      const { manifests }: { manifests: { digest: string; tags: string[] }[] } = JSON.parse(
        await answer.text(),
      );
      const told = Object.fromEntries(manifests.map(({ digest, tags }) => [digest, tags]));
      expect(told).toEqual(Object.fromEntries(digests.map((digest, i) => [digest, [`v${i}`]])));
    }
  });

  test('a page of manifests has at most a hundred, whatever is asked', async () => {
    const config = await pushBlob(app, 'hundred', noise(10));
    for (let i = 0; i < 102; i++)
      await pushManifest(app, 'hundred', imageManifest(config, [], { annotations: { i: String(i) } }));
    expect((await walk('/acr/v1/hundred/_manifests?n=1000')).sizes).toEqual([100, 2]);
    const repository = await app.fetch('GET', '/acr/v1/hundred');
    expect(await repository.text()).toContain('"manifestCount":102,"tagCount":0,');
  }, 30_000);
});
