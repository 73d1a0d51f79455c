import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseRepositoryName } from '../../src/model/names.ts';
import { catalogKey, catalogPartition } from '../../src/model/record.ts';
import { always, put } from '../../src/store/records.ts';
import { jsonOf } from '../support/answer.ts';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import { clientOf, document, publish } from '../support/client.ts';
import { type Count, countCalls, intercept } from '../support/intercept.ts';

const NAME = 'many';
const PAGE = 5;
/** An emulator takes long to fill; what it adds is its own way of paging. */
const SIZES = { disk: 10_000, azure: 400 } as const;

describe.each(adapters)('a page of a long list on %s', (adapter) => {
  const size = SIZES[adapter];
  const names = Array.from({ length: size }, (_, i) => `n${String(i).padStart(5, '0')}`);
  let app: TestApp;
  let count: Count;
  let digests: string[];

  beforeAll(async () => {
    const counting = countCalls();
    count = counting;
    app = await openTestApp({ adapter, wrap: (stores) => intercept(stores, counting) });
    const send = clientOf(app.app);
    const manifests = Array.from({ length: size / 20 }, (_, i) => document(`${i}`));
    for (const [i, manifest] of manifests.entries()) {
      const tags = names.slice(i * 20, i * 20 + 20).map((tag) => `tag=${tag}`);
      await publish(send, NAME, `${manifest.digest}?${tags.join('&')}`, manifest);
    }
    digests = manifests.map(({ digest }) => digest).toSorted();
    await fillCatalog(app, names);
  }, 60_000);
  afterAll(() => app.close());

  /** Entries on the page after `last`, and what it took. */
  async function ask(path: string, last: string) {
    count.reset();
    const answer = await app.fetch('GET', `${path}?n=${PAGE}&last=${encodeURIComponent(last)}`);
    const { calls, waves } = count;
    const listed = Object.values(Object(await jsonOf(answer))).flatMap((value) =>
      Array.isArray(value) ? value : [],
    );
    return { listed: listed.length, calls: calls.length, waves };
  }

  test.each([
    ['/v2/_catalog', 'a repository', 1, 1],
    ['/acr/v1/_catalog', 'a repository', 1, 1],
    [`/v2/${NAME}/tags/list`, 'a tag', 1, 1],
    [`/acr/v1/${NAME}/_tags`, 'a tag', 1, 1],
    [`/acr/v1/${NAME}/_manifests`, 'a manifest', 2, 2],
  ])('%s costs the same from the start, from the middle and at the end', async (path, what, calls, waves) => {
    const all = what === 'a manifest' ? digests : names;
    for (const at of [-1, Math.floor(all.length / 2), all.length - PAGE - 1]) {
      expect(await ask(path, all[at] ?? '')).toEqual({ listed: PAGE, calls, waves });
    }
  });
});

/** Names in the catalog, without the repositories: listing reads nothing else. */
async function fillCatalog({ registry, stores, app }: TestApp, names: readonly string[]): Promise<void> {
  for (let i = 0; i < names.length; i += 100) {
    const writes = names.slice(i, i + 100).map((text) => {
      const name = parseRepositoryName(text);
      return put(catalogKey({ registry, name }), { name, stamp: app.context.stamp() }, always);
    });
    await stores.records.batch('repos', catalogPartition(registry), writes);
  }
}
