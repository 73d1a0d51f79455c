import assert from 'node:assert/strict';

import { UNLOCKED, member, pushImage, statusOf, texts, timeless } from '../stock.ts';
import type { Row } from './row.ts';

const AT = ['--name', 'localhost'] as const;

/** `az acr repository`, as the admin user. */
export const repositories: readonly Row[] = [
  {
    command: 'repository list',
    what: 'all repositories by name',
    async run(site) {
      const names = [site.fresh(), site.fresh()];
      for (const name of names) await pushImage(site, name, ['v1']);
      const found = texts(await site.admin.json('acr repository list', ...AT));
      for (const name of names) assert(found.includes(name), `${name} is not listed`);
      assert.deepEqual(found, found.toSorted());
      const top = await site.admin.json('acr repository list', ...AT, '--top', '1');
      assert.equal(member(top, 'length'), 1);
    },
  },
  {
    command: 'repository show --repository',
    what: 'counts, size, times and attributes',
    async run(site) {
      const name = site.fresh();
      const images = [await pushImage(site, name, ['v1', 'v2']), await pushImage(site, name, ['v3'])];
      const found = await site.admin.json('acr repository show', ...AT, '--repository', name);
      assert.partialDeepStrictEqual(timeless(found), {
        registry: site.host,
        imageName: name,
        createdTime: 'time',
        lastUpdateTime: 'time',
        manifestCount: 2,
        tagCount: 3,
        size: images.reduce((sum, { stored }) => sum + stored, 0),
        changeableAttributes: UNLOCKED,
      });
    },
  },
  {
    command: 'repository show --image N:T',
    what: 'a tag',
    async run(site) {
      const name = site.fresh();
      const { digest } = await pushImage(site, name, ['v1']);
      const found = await site.admin.json('acr repository show', ...AT, '--image', `${name}:v1`);
      assert.deepEqual(timeless(found), {
        name: 'v1',
        digest,
        createdTime: 'time',
        lastUpdateTime: 'time',
        signed: false,
        changeableAttributes: UNLOCKED,
      });
    },
  },
  {
    command: 'repository show --image N@D',
    what: 'a manifest',
    async run(site) {
      const name = site.fresh();
      const { digest, mediaType, layers } = await pushImage(site, name, ['v1', 'v2'], 'arm64');
      const found = await site.admin.json('acr repository show', ...AT, '--image', `${name}@${digest}`);
      assert.deepEqual(timeless(found), {
        digest,
        imageSize: layers,
        createdTime: 'time',
        lastUpdateTime: 'time',
        architecture: 'arm64',
        os: 'linux',
        mediaType,
        configMediaType: 'application/vnd.oci.image.config.v1+json',
        tags: ['v1', 'v2'],
        changeableAttributes: UNLOCKED,
      });
    },
  },
  {
    command: 'repository show-tags',
    what: 'by name, and by time in both directions',
    async run(site) {
      const name = site.fresh();
      const pushed = ['c', 'a', 'b'];
      for (const tag of pushed) await pushImage(site, name, [tag]);
      const show = async (...more: string[]) =>
        await site.admin.json('acr repository show-tags', ...AT, '--repository', name, ...more);
      assert.deepEqual(await show(), ['a', 'b', 'c']);
      assert.deepEqual(await show('--orderby', 'time_asc'), pushed);
      assert.deepEqual(await show('--orderby', 'time_desc', '--top', '2'), pushed.toReversed().slice(0, 2));
    },
  },
  {
    command: 'repository show-tags',
    what: 'more than fit a page',
    async run(site) {
      const name = site.fresh();
      const tags = Array.from({ length: 105 }, (_, i) => `v${1000 + i}`);
      const { bytes, mediaType, digest } = await pushImage(site, name, []);
      for (let at = 0; at < tags.length; at += 20) {
        const query = tags.slice(at, at + 20).map((tag) => `tag=${tag}`);
        const path = `/v2/${name}/manifests/${digest}?${query.join('&')}`;
        const answer = await site.fetch('PUT', path, { headers: { 'content-type': mediaType }, body: bytes });
        assert.equal(answer.status, 201, await answer.text());
      }
      const show = [...AT, '--repository', name];
      assert.deepEqual(await site.admin.json('acr repository show-tags', ...show), tags);
    },
  },
  {
    command: 'repository show-tags --detail',
    what: 'digests, times and attributes',
    async run(site) {
      const name = site.fresh();
      const { digest } = await pushImage(site, name, ['v1', 'v2']);
      const show = [...AT, '--repository', name, '--detail'];
      const tag = { digest, createdTime: 'time', lastUpdateTime: 'time', signed: false };
      assert.deepEqual(timeless(await site.admin.json('acr repository show-tags', ...show)), [
        { name: 'v1', ...tag, changeableAttributes: UNLOCKED },
        { name: 'v2', ...tag, changeableAttributes: UNLOCKED },
      ]);
    },
  },
  {
    command: 'repository show-manifests',
    what: 'digests and tags, by time in both directions',
    async run(site) {
      const name = site.fresh();
      const old = await pushImage(site, name, ['v1', 'v2']);
      const young = await pushImage(site, name, []);
      const show = async (...more: string[]) =>
        await site.admin.json('acr repository show-manifests', ...AT, '--repository', name, ...more);
      const wanted = [
        { digest: old.digest, tags: ['v1', 'v2'] },
        { digest: young.digest, tags: [] },
      ];
      assert.partialDeepStrictEqual(await show('--orderby', 'time_asc'), wanted);
      assert.partialDeepStrictEqual(await show('--orderby', 'time_desc'), wanted.toReversed());
    },
  },
  {
    command: 'repository show-manifests --detail',
    what: 'sizes, platforms and attributes',
    async run(site) {
      const name = site.fresh();
      const { digest, layers } = await pushImage(site, name, ['v1']);
      const show = [...AT, '--repository', name, '--detail'];
      const wanted = { digest, imageSize: layers, os: 'linux', changeableAttributes: UNLOCKED };
      assert.partialDeepStrictEqual(await site.admin.json('acr repository show-manifests', ...show), [
        wanted,
      ]);
    },
  },
  {
    command: 'repository untag',
    what: 'the tag goes, the manifest stays',
    async run(site) {
      const name = site.fresh();
      const { digest } = await pushImage(site, name, ['v1', 'v2']);
      await site.admin.json('acr repository untag', ...AT, '--image', `${name}:v1`);
      assert.equal(await statusOf(site, name, 'v1'), 404);
      assert.equal(await statusOf(site, name, 'v2'), 200);
      await site.admin.json('acr repository untag', ...AT, '--image', `${name}:v2`);
      assert.equal(await statusOf(site, name, digest), 200);
    },
  },
  {
    command: 'repository delete --image N:T',
    what: 'the manifest goes with all its tags',
    async run(site) {
      const name = site.fresh();
      const { digest } = await pushImage(site, name, ['v1', 'v2']);
      const other = await pushImage(site, name, ['v3']);
      await site.admin.json('acr repository delete', ...AT, '--image', `${name}:v1`, '--yes');
      for (const gone of ['v1', 'v2', digest]) assert.equal(await statusOf(site, name, gone), 404);
      assert.equal(await statusOf(site, name, other.digest), 200);
    },
  },
  {
    command: 'repository delete --image N@D',
    what: 'the last manifest takes the repository along',
    async run(site) {
      const name = site.fresh();
      const { digest } = await pushImage(site, name, ['v1']);
      await site.admin.json('acr repository delete', ...AT, '--image', `${name}@${digest}`, '--yes');
      assert.equal(await statusOf(site, name, 'v1'), 404);
      const listed = texts(await site.admin.json('acr repository list', ...AT));
      assert(!listed.includes(name), 'the empty repository is still listed');
    },
  },
  {
    command: 'repository delete --repository',
    what: 'all of it goes, and what went is told',
    async run(site) {
      const name = site.fresh();
      const one = await pushImage(site, name, ['v1', 'v2']);
      const two = await pushImage(site, name, []);
      const told = await site.admin.json('acr repository delete', ...AT, '--repository', name, '--yes');
      assert.deepEqual(told, {
        manifestsDeleted: [one.digest, two.digest].toSorted(),
        tagsDeleted: ['v1', 'v2'],
      });
      for (const gone of ['v1', one.digest, two.digest]) assert.equal(await statusOf(site, name, gone), 404);
      const listed = texts(await site.admin.json('acr repository list', ...AT));
      assert(!listed.includes(name), 'the deleted repository is still listed');
    },
  },
];
