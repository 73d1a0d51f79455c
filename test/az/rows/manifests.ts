import assert from 'node:assert/strict';

import { sha256 } from '../../clients/lab/image.ts';
import { UNLOCKED, member, pushImage, pushIndex, pushReferrer, statusOf, texts, timeless } from '../stock.ts';
import type { Row } from './row.ts';

const AT = ['--registry', 'localhost'] as const;

const both = (value: string) => ['--delete-enabled', value, '--write-enabled', value] as const;

/** `az acr manifest`, as the admin user. */
export const manifests: readonly Row[] = [
  {
    command: 'manifest show',
    what: 'by tag and by digest',
    async run(site) {
      const name = site.fresh();
      const { digest, bytes } = await pushImage(site, name, ['v1']);
      const wanted: unknown = JSON.parse(Buffer.from(bytes).toString());
      for (const spec of [`${name}:v1`, `${name}@${digest}`])
        assert.deepEqual(await site.admin.json('acr manifest show', ...AT, '--name', spec), wanted);
    },
  },
  {
    command: 'manifest show --raw',
    what: 'the very bytes of an index',
    async run(site) {
      const name = site.fresh();
      const images = [await pushImage(site, name, []), await pushImage(site, name, [], 'arm64')];
      const { digest } = await pushIndex(site, name, 'all', images);
      const raw = await site.admin.text('acr manifest show', ...AT, '--name', `${name}:all`, '--raw');
      assert.equal(sha256(Buffer.from(raw)), digest);
    },
  },
  {
    command: 'manifest show HOST/N:T',
    what: 'a whole name in place of options',
    async run(site) {
      const name = site.fresh();
      const { bytes } = await pushImage(site, name, ['v1']);
      const found = await site.named.json('acr manifest show', `${site.people.registry}/${name}:v1`);
      assert.deepEqual(found, JSON.parse(Buffer.from(bytes).toString()));
    },
  },
  {
    command: 'manifest list',
    what: 'the manifests themselves, the oldest first',
    async run(site) {
      const name = site.fresh();
      const pushed = [await pushImage(site, name, ['v1']), await pushImage(site, name, ['v2'])];
      const list = [...AT, '--name', name, '--orderby', 'time_asc'];
      const wanted = pushed.map(({ bytes }): unknown => JSON.parse(Buffer.from(bytes).toString()));
      assert.deepEqual(await site.admin.json('acr manifest list', ...list), wanted);
    },
  },
  {
    command: 'manifest list-metadata',
    what: 'by time in both directions; an index with the size of its images',
    async run(site) {
      const name = site.fresh();
      const images = [await pushImage(site, name, ['amd']), await pushImage(site, name, [], 'arm64')];
      const index = await pushIndex(site, name, 'all', images);
      const list = async (...more: string[]) =>
        timeless(await site.admin.json('acr manifest list-metadata', ...AT, '--name', name, ...more));
      const times = { createdTime: 'time', lastUpdateTime: 'time' };
      const wanted = [
        ...images.map(({ digest, layers, architecture, mediaType }) => ({
          digest,
          imageSize: layers,
          ...times,
          architecture,
          os: 'linux',
          mediaType,
          configMediaType: 'application/vnd.oci.image.config.v1+json',
          ...(architecture === 'amd64' && { tags: ['amd'] }),
          changeableAttributes: UNLOCKED,
        })),
        {
          digest: index.digest,
          imageSize: images.reduce((sum, { layers }) => sum + layers, 0),
          ...times,
          mediaType: index.mediaType,
          tags: ['all'],
          changeableAttributes: UNLOCKED,
        },
      ];
      assert.deepEqual(await list('--orderby', 'time_asc'), wanted);
      assert.deepEqual(await list('--orderby', 'time_desc', '--top', '2'), wanted.toReversed().slice(0, 2));
    },
  },
  {
    command: 'manifest show-metadata',
    what: 'of a tag and of a manifest',
    async run(site) {
      const name = site.fresh();
      const { digest, layers } = await pushImage(site, name, ['v1']);
      const show = async (spec: string) =>
        await site.admin.json('acr manifest show-metadata', ...AT, '--name', spec);
      assert.partialDeepStrictEqual(await show(`${name}:v1`), { name: 'v1', digest });
      assert.partialDeepStrictEqual(await show(`${name}@${digest}`), { digest, imageSize: layers });
    },
  },
  {
    command: 'manifest update-metadata',
    what: 'a tag and a manifest, each by itself',
    async run(site) {
      const name = site.fresh();
      const { digest } = await pushImage(site, name, ['v1']);
      const update = async (spec: string, value: string) =>
        member(
          await site.admin.json('acr manifest update-metadata', ...AT, '--name', spec, ...both(value)),
          'changeableAttributes',
        );
      const show = async (spec: string) =>
        member(
          await site.admin.json('acr manifest show-metadata', ...AT, '--name', spec),
          'changeableAttributes',
        );
      const locked = { ...UNLOCKED, deleteEnabled: false, writeEnabled: false };
      assert.deepEqual(await update(`${name}:v1`, 'false'), locked);
      assert.deepEqual(await show(`${name}@${digest}`), UNLOCKED);
      assert.deepEqual(await update(`${name}@${digest}`, 'false'), locked);
      assert.deepEqual(await update(`${name}:v1`, 'true'), UNLOCKED);
      assert.deepEqual(await show(`${name}@${digest}`), locked);
    },
  },
  {
    command: 'manifest list-referrers',
    what: 'all, those of one type, and those of referrers',
    async run(site) {
      const name = site.fresh();
      const image = await pushImage(site, name, ['v1']);
      const sbom = await pushReferrer(site, name, image, 'application/vnd.example.sbom');
      const signature = await pushReferrer(site, name, image, 'application/vnd.example.signature');
      const signed = await pushReferrer(site, name, sbom, 'application/vnd.example.signature');
      const list = async (...more: string[]) => {
        const which = ['--name', `${name}:v1`, '--query', 'manifests[].digest', ...more];
        return texts(await site.admin.json('acr manifest list-referrers', ...AT, ...which)).toSorted();
      };
      assert.deepEqual(await list(), [sbom.digest, signature.digest].toSorted());
      assert.deepEqual(await list('--artifact-type', 'application/vnd.example.sbom'), [sbom.digest]);
      assert.deepEqual(await list('--recursive'), [sbom.digest, signature.digest, signed.digest].toSorted());
    },
  },
  {
    command: 'manifest delete',
    what: 'by tag and by digest',
    async run(site) {
      const name = site.fresh();
      await pushImage(site, name, ['v1']);
      const { digest } = await pushImage(site, name, ['v2']);
      await site.admin.json('acr manifest delete', ...AT, '--name', `${name}:v1`, '--yes');
      assert.equal(await statusOf(site, name, 'v1'), 404);
      await site.admin.json('acr manifest delete', ...AT, '--name', `${name}@${digest}`, '--yes');
      assert.equal(await statusOf(site, name, 'v2'), 404);
    },
  },
];
