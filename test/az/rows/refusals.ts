import assert from 'node:assert/strict';

import { pushImage, statusOf } from '../stock.ts';
import type { Row } from './row.ts';

const AT = ['--name', 'localhost'] as const;
const NO_RIGHT = /authentication required/;

const call = (verb: string, name: string, ...more: string[]) =>
  [`acr repository ${verb}`, ...AT, '--image', `${name}:v1`, ...more] as const;

/** What `az` must be told, in the registry's own words where it shows them. */
export const refusals: readonly Row[] = [
  {
    command: 'repository show, show-tags, delete',
    what: 'say so when a repository is not there',
    async run(site) {
      const at = [...AT, '--repository', 'az/nowhere'];
      for (const [verb, ...more] of [['show'], ['show-tags'], ['delete', '--yes']]) {
        const said = await site.admin.refusal(`acr repository ${verb}`, ...at, ...more);
        assert.match(said, /repository name not known to registry/);
      }
    },
  },
  {
    command: 'repository show, untag; manifest show',
    what: 'say so when a tag or a manifest is not there',
    async run(site) {
      const name = site.fresh();
      await pushImage(site, name, ['v1']);
      const nothing = `${name}@sha256:${'0'.repeat(64)}`;
      const say = async (command: string, ...options: string[]) =>
        await site.admin.refusal(`acr ${command}`, ...options);
      assert.match(
        await say('repository show', ...AT, '--image', `${name}:v2`),
        /the specified tag does not exist/,
      );
      assert.match(await say('repository show', ...AT, '--image', nothing), /manifest .*is not found/);
      assert.match(
        await say('manifest show', '--registry', 'localhost', '--name', nothing),
        /manifest .*is not found/,
      );
    },
  },
  {
    command: 'repository list',
    what: 'refused with a wrong password',
    async run(site) {
      const stranger = site.admin.as({ ...site.people.admin, password: 'wrong' });
      const said = await stranger.refusal('acr repository list', ...AT);
      assert.match(said, /Access to registry 'localhost:\d+' was denied. Response code: 401/);
    },
  },
  {
    command: 'repository show, update, delete',
    what: 'by a token of one repository: there what its scope map says, elsewhere nothing',
    async run(site) {
      const [own, other] = [site.fresh(), site.fresh()];
      for (const name of [own, other]) await pushImage(site, name, ['v1']);
      const reader = site.admin.as(await site.people.token(own, ['content/read', 'metadata/read']));
      assert(await reader.json(...call('show', own)));
      assert.match(await reader.refusal(...call('show', other)), NO_RIGHT);
      assert.match(await reader.refusal(...call('update', own, '--delete-enabled', 'false')), NO_RIGHT);
      assert.match(await reader.refusal(...call('delete', own, '--yes')), NO_RIGHT);
      assert.equal(await statusOf(site, own, 'v1'), 200);
      const all = ['content/delete', 'metadata/read', 'metadata/write'];
      const keeper = site.admin.as(await site.people.token(own, all));
      assert(await keeper.json(...call('update', own, '--list-enabled', 'false')));
      await keeper.json(...call('delete', own, '--yes'));
      assert.equal(await statusOf(site, own, 'v1'), 404);
      assert.match(await keeper.refusal(...call('delete', other, '--yes')), NO_RIGHT);
      assert.equal(await statusOf(site, other, 'v1'), 200);
    },
  },
];
