import assert from 'node:assert/strict';

import { member, pushImage, setTag, statusOf, texts, timeless } from '../stock.ts';
import type { Site } from '../site.ts';
import type { Row } from './row.ts';

const AT = ['--registry', 'registry'] as const;
/** Deleted things can be restored so long. */
const DAYS = 30;
const NAMED = ['--name', 'registry'] as const;

/** What an owner sets for the whole registry, and what comes of it: these go one after the other. */
export const policies: readonly Row[] = [
  {
    command: 'config retention show, update',
    what: 'days and status, as set',
    async run(site) {
      const config = async (verb: string, ...more: string[]) =>
        await site.owner.json(`acr config retention ${verb}`, ...more, ...AT);
      assert.partialDeepStrictEqual(await config('show'), { status: 'disabled', days: 7 });
      const status = ['--type', 'UntaggedManifests', '--status'];
      const on = { status: 'enabled', days: 30 };
      assert.partialDeepStrictEqual(await config('update', ...status, 'enabled', '--days', '30'), on);
      assert.partialDeepStrictEqual(await config('show'), on);
      const off = await config('update', ...status, 'disabled', '--days', '7');
      assert.equal(member(off, 'status'), 'disabled');
    },
  },
  {
    command: 'config soft-delete show, update',
    what: 'days and status, as set',
    async run(site) {
      const config = async (verb: string, ...more: string[]) =>
        await site.owner.json(`acr config soft-delete ${verb}`, ...more, ...AT);
      assert.partialDeepStrictEqual(await config('show'), { status: 'disabled', retentionDays: 7 });
      const on = { status: 'enabled', retentionDays: DAYS };
      assert.partialDeepStrictEqual(await keepDeleted(site), on);
      assert.partialDeepStrictEqual(await config('show'), on);
    },
  },
  {
    command: 'manifest list-deleted',
    what: 'what was deleted while soft delete is on, and until when it can be restored',
    async run(site) {
      const { name, digest } = await deleteOne(site);
      const found = await site.owner.json('acr manifest list-deleted', ...AT, '--name', name);
      assert.partialDeepStrictEqual(timeless(found), [{ digest, deletedAt: 'time', expiresAfter: 'time' }]);
      const [deleted, expires] = ['deletedAt', 'expiresAfter'].map((key) =>
        Date.parse(String(member(found, 0, key))),
      );
      assert.equal((expires ?? 0) - (deleted ?? 0), DAYS * 86_400_000);
      assert.equal(member(found, 'length'), 1);
    },
  },
  {
    command: 'manifest list-deleted-tags',
    what: 'the tags that went along, all or one',
    async run(site) {
      const { name, digest } = await deleteOne(site);
      const list = async (spec: string) =>
        timeless(await site.owner.json('acr manifest list-deleted-tags', ...AT, '--name', spec));
      const deleted = { digest, deletedAt: 'time', expiresAfter: 'time' };
      assert.partialDeepStrictEqual(await list(name), [
        { tag: 'v1', ...deleted },
        { tag: 'v2', ...deleted },
      ]);
      assert.partialDeepStrictEqual(await list(`${name}:v2`), [{ tag: 'v2', ...deleted }]);
    },
  },
  {
    command: 'repository list-deleted',
    what: 'where something can be restored',
    async run(site) {
      const { name } = await deleteOne(site);
      const found = texts(
        await site.owner.json('acr repository list-deleted', ...NAMED, '--query', '[].repository'),
      );
      assert(found.includes(name), `${name} is not listed`);
    },
  },
  {
    command: 'manifest restore --name N:T',
    what: 'image and tag are there again',
    async run(site) {
      const { name, digest } = await deleteOne(site);
      await site.owner.json('acr manifest restore', ...AT, '--name', `${name}:v1`, '--yes');
      assert.equal(await statusOf(site, name, 'v1'), 200);
      assert.equal(await statusOf(site, name, digest), 200);
      assert.equal(await statusOf(site, name, 'v2'), 404);
      const left = await site.owner.json('acr manifest list-deleted', ...AT, '--name', name);
      assert.deepEqual(left, []);
    },
  },
  {
    command: 'manifest restore --digest D [--force]',
    what: 'a tag that names another image by now is taken by force only',
    async run(site) {
      const { name, digest } = await deleteOne(site);
      const other = await pushImage(site, name, ['v1'], 'arm64');
      const which = [...AT, '--name', `${name}:v1`, '--digest', digest, '--yes'];
      await site.owner.refusal('acr manifest restore', ...which);
      assert.equal(await digestOf(site, name, 'v1'), other.digest);
      await site.owner.json('acr manifest restore', ...which, '--force');
      assert.equal(await digestOf(site, name, 'v1'), digest);
      assert.equal(await statusOf(site, name, other.digest), 200);
    },
  },
  {
    command: 'repository delete --repository',
    what: 'with soft delete, all of it can be restored',
    async run(site) {
      const name = site.fresh();
      await keepDeleted(site);
      const image = await pushImage(site, name, ['v1']);
      await site.owner.json('acr repository delete', ...NAMED, '--repository', name, '--yes');
      assert.equal(await statusOf(site, name, 'v1'), 404);
      await assert.rejects(setTag(site, name, 'v1', image), /disallowed/);
      await site.owner.json('acr manifest restore', ...AT, '--name', `${name}:v1`, '--yes');
      assert.equal(await digestOf(site, name, 'v1'), image.digest);
      const listed = texts(await site.owner.json('acr repository list', ...NAMED));
      assert(listed.includes(name), 'the restored repository is not listed');
    },
  },
];

/** An image with two tags, deleted again by its digest while the registry keeps what is deleted. */
async function deleteOne(site: Site): Promise<{ readonly name: string; readonly digest: string }> {
  await keepDeleted(site);
  const name = site.fresh();
  const { digest } = await pushImage(site, name, ['v1', 'v2']);
  const image = ['--image', `${name}@${digest}`];
  await site.owner.json('acr repository delete', ...NAMED, ...image, '--yes');
  assert.equal(await statusOf(site, name, 'v1'), 404);
  return { name, digest };
}

async function digestOf(site: Site, name: string, tag: string): Promise<unknown> {
  const answer = await site.fetch('HEAD', `/v2/${name}/manifests/${tag}`);
  return answer.headers.get('docker-content-digest');
}

async function keepDeleted(site: Site): Promise<unknown> {
  const policy = ['--status', 'enabled', '--days', String(DAYS), '--yes'];
  return await site.owner.json('acr config soft-delete update', ...AT, ...policy);
}
