import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SETTINGS_LIFE_MS, updateRegistry } from '../../src/access/registry.ts';
import { deleteAssignment } from '../../src/access/roles.ts';
import { jsonOf, problemOf } from '../support/answer.ts';
import { type TestApp, openTestApp } from '../support/app.ts';
import { AUDIENCE } from '../support/authority.ts';
import { APP, type DirectoryLab, PULL, SECOND, USER, keys, openDirectoryLab } from './directory.ts';
import { basic, bearer, decoded, textOf } from './lab.ts';

const CLIENT = '0b7cf06a-0000-4000-8000-0000000000c1';
const SECRET = 'cl13nt-s3cret~with:colon';

let lab: DirectoryLab;
beforeEach(async () => {
  lab = await openDirectoryLab();
});
afterEach(async () => {
  await lab.close();
});

const catalog = { type: 'registry', name: 'catalog', actions: ['*'] };

function repository(...actions: string[]) {
  return { type: 'repository', name: 'team/app', actions };
}

describe('a service principal', () => {
  beforeEach(() => lab.authority.addClient({ clientId: CLIENT, secret: SECRET, objectId: APP }));

  test('signs in by its secret, and is asked about once a minute', async () => {
    const app = await lab.open();
    await lab.assign(app, APP, 'AcrPull');
    const headers = { authorization: basic({ username: CLIENT, password: SECRET }) };
    for (let i = 0; i < 5; i++) expect((await app.fetch('GET', '/v2/', { headers })).status).toBe(200);
    expect(lab.authority.calls.token).toBe(1);
    expect(Object.fromEntries(lab.authority.forms[0] ?? [])).toEqual({
      grant_type: 'client_credentials',
      client_id: CLIENT,
      client_secret: SECRET,
      scope: `${AUDIENCE}/.default`,
    });
    lab.clock.advance(60_000);
    expect((await app.fetch('GET', '/v2/', { headers })).status).toBe(200);
    expect(lab.authority.calls.token).toBe(2);
  });

  test('gets access tokens that name it', async () => {
    const app = await lab.open();
    await lab.assign(app, APP, 'AcrPush');
    const response = await lab.login(app, CLIENT, SECRET);
    const access = decoded(textOf(await jsonOf(response), 'access_token'));
    expect(access).toMatchObject({ sub: `entra:${APP}`, name: CLIENT });
  });

  test('of another of our tenants signs in too', async () => {
    const other = { clientId: USER, secret: SECRET, objectId: APP, tenant: SECOND };
    lab.authority.addClient(other);
    const app = await lab.open();
    expect((await lab.login(app, USER, SECRET)).status).toBe(200);
  });

  test.each([
    ['a wrong secret', CLIENT, 'wrong'],
    ['an empty secret', CLIENT, ''],
    ['an id that nobody has', USER, SECRET],
  ])('is refused with %s', async (_, id, secret) => {
    const app = await lab.open();
    expect(await problemOf(await lab.login(app, id, secret))).toBe('401 UNAUTHORIZED');
    expect((await lab.login(app, CLIENT, SECRET)).status).toBe(200);
  });

  test.each(['down', 'ailing', 'babbling'] as const)(
    'is answered 503 while the directory is %s',
    async (mood) => {
      const app = await lab.open();
      await lab.refreshOf(app);
      lab.authority.mood = mood;
      const response = await lab.login(app, CLIENT, SECRET);
      expect(await response.clone().text()).not.toContain(SECRET);
      expect(await problemOf(response)).toBe('503 UNAVAILABLE');
      expect(JSON.stringify([lab.logs, app.logs])).not.toContain(SECRET);
    },
  );

  test('is refused when the directory signs another application in', async () => {
    const app = await lab.open();
    lab.authority.addClient({ clientId: USER, secret: SECRET, objectId: APP, issuedTo: CLIENT });
    expect(await problemOf(await lab.login(app, USER, SECRET))).toBe('401 UNAUTHORIZED');
  });
});

describe('roles decide what access tokens hold', () => {
  const everything = ['pull', 'push', 'delete', 'metadata_read', 'metadata_write'];
  const scope = `repository:team/app:${everything.join(',')} registry:catalog:*`;
  const granted = async (app: TestApp) => {
    const claims = decoded(await lab.accessOf(app, await lab.refreshOf(app), scope));
    return claims['access'];
  };

  test('on the registry', async () => {
    const app = await lab.open();
    expect(await granted(app)).toEqual([]);
    await lab.assign(app, USER, 'Container Registry Repository Contributor');
    expect(await granted(app)).toEqual([]);
    await lab.assign(app, USER, 'AcrPull');
    expect(await granted(app)).toEqual([repository('pull', 'metadata_read'), catalog]);
    await lab.assign(app, USER, 'AcrDelete');
    expect(await granted(app)).toEqual([repository('pull', 'delete', 'metadata_read'), catalog]);
  });

  test('on repositories, where the registry asks for such roles', async () => {
    const app = await lab.open();
    await repositoryMode(app);
    await lab.assign(app, USER, 'Owner');
    expect(await granted(app)).toEqual([]);
    await lab.assign(app, USER, 'Container Registry Repository Writer', ['team/*']);
    expect(await granted(app)).toEqual([repository('pull', 'push', 'metadata_read', 'metadata_write')]);
    await lab.assign(app, USER, 'Container Registry Repository Catalog Lister');
    expect(await granted(app)).toContainEqual(catalog);
  });

  test('and one taken back ends tokens that are out already', async () => {
    const app = await lab.open();
    await lab.assign(app, USER, 'AcrPull');
    const refresh = await lab.refreshOf(app);
    const headers = { authorization: bearer(await lab.accessOf(app, refresh, PULL)) };
    const tags = async (at: TestApp) => await at.fetch('GET', '/v2/team/app/tags/list', { headers });
    const elsewhere = await openTestApp({
      clock: lab.clock,
      stores: app.stores,
      registry: app.registry,
      signIn: { keys },
    });
    expect(await problemOf(await tags(app))).toBe('404 NAME_UNKNOWN');
    expect(await problemOf(await tags(elsewhere))).toBe('404 NAME_UNKNOWN');
    await deleteAssignment(app.app.context, app.registry, 'assignment-AcrPull');
    expect(await problemOf(await tags(app))).toBe('401 UNAUTHORIZED');
    lab.clock.advance(SETTINGS_LIFE_MS);
    expect(await problemOf(await tags(elsewhere))).toBe('401 UNAUTHORIZED');
    const again = { authorization: bearer(await lab.accessOf(app, refresh, PULL)) };
    expect((await app.fetch('GET', '/v2/', { headers: again })).status).toBe(200);
    const refused = await app.fetch('GET', '/v2/team/app/tags/list', { headers: again });
    expect(refused.headers.get('www-authenticate')).toContain('insufficient_scope');
  });
});

async function repositoryMode({ app, registry }: TestApp): Promise<void> {
  await updateRegistry(app.context, registry, (document) => ({ ...document, repositoryRoles: true }));
}
