import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Digest, digestOf } from '../../src/model/digest.ts';
import { jsonOf, problemOf } from '../support/answer.ts';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import {
  EMPTY_TYPE,
  IMAGE_TYPE,
  INDEX_TYPE,
  type Pushed,
  imageManifest,
  indexManifest,
  pushBlob,
  pushImage,
  pushManifest,
  putManifest,
} from '../support/push.ts';

const SBOM = 'application/vnd.example.sbom+json';
const SBOM_QUERY = `artifactType=${encodeURIComponent(SBOM)}`;
const SIGNATURE = 'application/vnd.example.signature';

interface Index {
  readonly schemaVersion: number;
  readonly mediaType: string;
  readonly manifests: readonly (Record<string, unknown> & { readonly digest: string })[];
}

describe.each(adapters)('referrers on %s', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await openTestApp({ adapter });
  });
  afterAll(() => app.close());

  async function list(repository: string, subject: string, query = ''): Promise<[Response, Index]> {
    const answer = await app.fetch('GET', `/v2/${repository}/referrers/${subject}${query}`);
    const text = await answer.text();
    expect([answer.status, text.startsWith('{')]).toEqual([200, true]);
    expect(answer.headers.get('content-type')).toBe(INDEX_TYPE);
    expect(answer.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
    const index: Index = JSON.parse(text);
    return [answer, index];
  }

  /** Pushes an artifact about `subject`. */
  async function refer(
    repository: string,
    subject: { mediaType: string; digest: Digest; size: number },
    more: Record<string, unknown> = {},
  ): Promise<Pushed> {
    const empty = await pushBlob(app, repository, Buffer.from('{}'), EMPTY_TYPE);
    const { mediaType, digest, size } = subject;
    const manifest = imageManifest(empty, [empty], { subject: { mediaType, digest, size }, ...more });
    return await pushManifest(app, repository, manifest);
  }

  test('a repository or subject that does not exist has an empty index', async () => {
    await pushImage(app, 're/there', 'v1');
    for (const repository of ['re/there', 're/nowhere']) {
      const [, index] = await list(repository, digestOf(Buffer.from('none')));
      expect(index).toEqual({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [] });
    }
  });

  test.each(['latest', 'sha256:short', ''])('the subject %j is DIGEST_INVALID', async (subject) => {
    expect(await problemOf(await app.fetch('GET', `/v2/re/there/referrers/${subject}`))).toBe(
      '400 DIGEST_INVALID',
    );
  });

  test('a push with a subject says so, and the referrer is listed with type, size and annotations', async () => {
    const { manifest: subject } = await pushImage(app, 're/full', 'v1');
    const annotations = { 'org.example.key': 'välue "quoted"' };
    const sbom = await refer('re/full', subject, { artifactType: SBOM, annotations });
    const again = await putManifest(app, 're/full', sbom.digest, sbom.bytes);
    expect([again.status, again.headers.get('oci-subject')]).toEqual([201, subject.digest]);
    const [, index] = await list('re/full', subject.digest);
    expect(index).toEqual({
      schemaVersion: 2,
      mediaType: INDEX_TYPE,
      manifests: [
        { mediaType: IMAGE_TYPE, digest: sbom.digest, size: sbom.size, artifactType: SBOM, annotations },
      ],
    });
  });

  test('without an artifact type the type of the config stands for it; an index has none then', async () => {
    const { manifest: subject } = await pushImage(app, 're/type', 'v1');
    const config = await pushBlob(app, 're/type', Buffer.from('config'), SIGNATURE);
    const { mediaType, digest, size } = subject;
    const about = { subject: { mediaType, digest, size } };
    const image = await pushManifest(app, 're/type', imageManifest(config, [], about));
    const bare = await pushManifest(app, 're/type', indexManifest([], about));
    const typed = await pushManifest(app, 're/type', indexManifest([], { ...about, artifactType: SBOM }));
    const [, { manifests }] = await list('re/type', subject.digest);
    const types = new Map(manifests.map((item) => [item.digest, item['artifactType']]));
    expect(types.get(image.digest)).toBe(SIGNATURE);
    expect(types.get(typed.digest)).toBe(SBOM);
    expect(types.get(bare.digest)).toBeUndefined();
    expect(manifests.find((item) => item.digest === bare.digest)).not.toHaveProperty('artifactType');
  });

  test('a filter returns only its type, and says that it was applied', async () => {
    const { manifest: subject } = await pushImage(app, 're/filter', 'v1');
    const sbom = await refer('re/filter', subject, { artifactType: SBOM });
    await refer('re/filter', subject, { artifactType: SIGNATURE });
    const [answer, { manifests }] = await list('re/filter', subject.digest, `?${SBOM_QUERY}`);
    expect(answer.headers.get('oci-filters-applied')).toBe('artifactType');
    expect(manifests.map(({ digest }) => digest)).toEqual([sbom.digest]);
    const [none, { manifests: others }] = await list('re/filter', subject.digest, '?artifactType=other');
    expect([none.headers.get('oci-filters-applied'), others]).toEqual(['artifactType', []]);
    const [unfiltered] = await list('re/filter', subject.digest);
    expect(unfiltered.headers.has('oci-filters-applied')).toBe(false);
  });

  test('a subject may come later, or never', async () => {
    const missing = { mediaType: IMAGE_TYPE, digest: digestOf(Buffer.from('missing content')), size: 123 };
    const referrer = await refer('re/missing', missing);
    const [, { manifests }] = await list('re/missing', missing.digest);
    expect(manifests.map(({ digest }) => digest)).toEqual([referrer.digest]);
  });

  test('a deleted referrer is missing at once; the referrers of a deleted subject go with it', async () => {
    const { manifest: subject } = await pushImage(app, 're/delete', 'v1');
    const one = await refer('re/delete', subject, { artifactType: SBOM });
    const two = await refer('re/delete', subject, { artifactType: SIGNATURE });
    expect((await app.fetch('DELETE', `/v2/re/delete/manifests/${one.digest}`)).status).toBe(202);
    await app.fetch('DELETE', `/v2/re/delete/manifests/${subject.digest}`);
    const [, { manifests }] = await list('re/delete', subject.digest);
    expect(manifests).toEqual([]);
    const gone = await app.fetch('HEAD', `/v2/re/delete/manifests/${two.digest}`);
    expect(gone.status).toBe(404);
  });

  test('referrers under sha512 and of sha512 subjects are listed', async () => {
    const subject = { mediaType: IMAGE_TYPE, digest: digestOf(Buffer.from('long'), 'sha512'), size: 4 };
    const referrer = await refer('re/sha512', subject);
    const [, { manifests }] = await list('re/sha512', subject.digest);
    expect(manifests.map(({ digest }) => digest)).toEqual([referrer.digest]);
  });

  test('the index that a client keeps under the referrers tag is merged, each entry once', async () => {
    const { manifest: subject } = await pushImage(app, 're/fallback', 'v1');
    const known = await refer('re/fallback', subject, { artifactType: SBOM });
    const { manifest: old } = await pushImage(app, 're/fallback', undefined, 'old');
    const entry = (item: Pushed) => ({
      mediaType: item.mediaType,
      digest: item.digest,
      size: item.size,
      artifactType: SIGNATURE,
    });
    const tag = subject.digest.replace(':', '-');
    await pushManifest(app, 're/fallback', indexManifest([entry(known), entry(old)]), tag);
    const [, { manifests }] = await list('re/fallback', subject.digest);
    const found = new Map(manifests.map((item) => [item.digest, item['artifactType']]));
    expect(manifests).toHaveLength(2);
    expect([found.get(known.digest), found.get(old.digest)]).toEqual([SBOM, SIGNATURE]);
    const [, filtered] = await list('re/fallback', subject.digest, `?artifactType=${SIGNATURE}`);
    expect(filtered.manifests.map(({ digest }) => digest)).toEqual([old.digest]);
    await app.fetch('DELETE', `/v2/re/fallback/manifests/${tag}`);
    const [, after] = await list('re/fallback', subject.digest);
    expect(after.manifests.map(({ digest }) => digest)).toEqual([known.digest]);
  });

  test('a referrers tag that is no index breaks nothing', async () => {
    const { manifest: subject } = await pushImage(app, 're/odd', 'v1');
    await pushImage(app, 're/odd', subject.digest.replace(':', '-'), 'no index');
    const [, { manifests }] = await list('re/odd', subject.digest);
    expect(manifests).toEqual([]);
  });

  test('annotations that are not all text are left out, since clients would fail on the whole list', async () => {
    const { manifest: subject } = await pushImage(app, 're/annotations', 'v1');
    for (const annotations of [{ a: 1 }, ['x'], 'text', { a: { b: 'c' } }])
      await refer('re/annotations', subject, { annotations });
    const [, { manifests }] = await list('re/annotations', subject.digest);
    expect(manifests).toHaveLength(4);
    for (const item of manifests) expect(item).not.toHaveProperty('annotations');
  });

  test('pages of `n` follow each other by relative links that keep the filter', async () => {
    const { manifest: subject } = await pushImage(app, 're/pages', 'v1');
    const digests: string[] = [];
    for (let i = 0; i < 5; i++) {
      const { digest } = await refer('re/pages', subject, {
        artifactType: SBOM,
        annotations: { i: String(i) },
      });
      digests.push(digest);
    }
    const seen: string[] = [];
    let pages = 0;
    let path: string | undefined = `?n=2&${SBOM_QUERY}`;
    while (path !== undefined && pages < 10) {
      const [answer, { manifests }]: [Response, Index] = await list('re/pages', subject.digest, path);
      seen.push(...manifests.map(({ digest }) => digest));
      pages++;
      const link = answer.headers.get('link');
      path =
        link === null
          ? undefined
          : /^<\/v2\/re\/pages\/referrers\/[^?]+(\?[^>]+)>; rel="next"$/.exec(link)?.[1];
      expect(path ?? SBOM_QUERY).toContain(SBOM_QUERY);
    }
    expect([pages, seen]).toEqual([3, digests.toSorted()]);
  });

  test('a page ends before 4 MiB, where clients stop reading', async () => {
    const { manifest: subject } = await pushImage(app, 're/large', 'v1');
    const digests: string[] = [];
    for (let i = 0; i < 3; i++) {
      const annotations = { [`filler${i}`]: 'x'.repeat(1_500_000) };
      digests.push((await refer('re/large', subject, { annotations })).digest);
    }
    const seen: string[] = [];
    let path: string | undefined = '';
    for (let pages = 0; path !== undefined && pages < 5; pages++) {
      const [answer, { manifests }]: [Response, Index] = await list('re/large', subject.digest, path);
      expect(Number(answer.headers.get('content-length'))).toBeLessThan(4 * 1024 * 1024);
      seen.push(...manifests.map(({ digest }) => digest));
      path = /(\?[^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1];
    }
    expect(seen).toEqual(digests.toSorted());
  });

  test.each(["'", '\u0000', 'sha256:', '~', 'é', `sha256:${'f'.repeat(64)}`, 'x'.repeat(3000)])(
    'a `last` of %j gives the rest of the list, which may be none',
    async (last) => {
      const { manifest: subject } = await pushImage(app, 're/last', 'v1');
      const { digest } = await refer('re/last', subject);
      const [, { manifests }] = await list('re/last', subject.digest, `?last=${encodeURIComponent(last)}`);
      expect(manifests.map((item) => item.digest)).toEqual(digest > last ? [digest] : []);
    },
  );

  test('a broken `n` is refused', async () => {
    const subject = digestOf(Buffer.from('none'));
    expect(await problemOf(await app.fetch('GET', `/v2/re/there/referrers/${subject}?n=x`))).toBe(
      '400 PAGINATION_NUMBER_INVALID',
    );
    expect(await jsonOf(await app.fetch('GET', `/v2/re/there/referrers/${subject}?n=0`))).toMatchObject({
      manifests: [],
    });
  });
});
