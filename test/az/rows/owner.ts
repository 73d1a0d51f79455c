import assert from 'node:assert/strict';

import { member, pushImage, statusOf, texts } from '../stock.ts';
import type { Row } from './row.ts';

/** `az login` as a service principal, and what follows by its token. */
export const owners: readonly Row[] = [
  {
    command: 'show',
    what: 'the registry, found by its name after `az login`',
    async run(site) {
      const found = await site.owner.json('acr show', '--name', 'registry');
      assert.partialDeepStrictEqual(found, { name: 'registry', loginServer: site.host });
    },
  },
  {
    command: 'login --expose-token',
    what: 'a refresh token that clients sign in with',
    async run(site) {
      const found = await site.owner.json('acr login', '--name', 'registry', '--expose-token');
      assert.equal(member(found, 'loginServer'), site.host);
      const user = '00000000-0000-0000-0000-000000000000';
      const basic = Buffer.from(`${user}:${String(member(found, 'accessToken'))}`).toString('base64');
      const asked = { headers: { authorization: `Basic ${basic}` } };
      const scope = `service=${site.host}&scope=registry:catalog:*`;
      const answer = await site.fetch('GET', `https://${site.host}/oauth2/token?${scope}`, asked);
      assert.equal(answer.status, 200, await answer.text());
    },
  },
  {
    command: 'repository list, show, update, delete',
    what: 'without a password, after `az login`',
    async run(site) {
      const name = site.fresh();
      await pushImage(site, name, ['v1']);
      const at = ['--name', 'registry'];
      const repository = async (verb: string, ...more: string[]) =>
        await site.owner.json(`acr repository ${verb}`, ...at, ...more);
      assert(texts(await repository('list')).includes(name));
      assert.equal(member(await repository('show', '--repository', name), 'tagCount'), 1);
      const locked = await repository('update', '--image', `${name}:v1`, '--write-enabled', 'false');
      assert.equal(member(locked, 'changeableAttributes', 'writeEnabled'), false);
      await repository('update', '--image', `${name}:v1`, '--write-enabled', 'true');
      await repository('delete', '--repository', name, '--yes');
      assert.equal(await statusOf(site, name, 'v1'), 404);
    },
  },
];
