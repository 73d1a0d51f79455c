import { describe, expect, test } from 'vitest';
import type { Access } from '../../src/access/permission.ts';
import { SERVICE, ZERO, basic, decoded, keptLabs, textOf } from './lab.ts';
import { memoryKeyStore } from '../../src/auth/keys.ts';
import { openTestApp } from '../support/app.ts';
import { jsonOf, problemOf } from '../support/answer.ts';

const open = keptLabs();
const APP = 'repository:team/app';

/** What a token gives, as `type:name:actions`, sorted: the order means nothing. */
function given(token: string): string[] {
  const access = decoded(token)['access'];
  if (!Array.isArray(access)) throw new Error('no access');
  return access
    .map(({ type, name, actions }: Access) => `${type}:${name}:${actions.toSorted().join(',')}`)
    .toSorted();
}

async function tokenOf(response: Response): Promise<string> {
  expect(response.status).toBe(200);
  return textOf(await jsonOf(response), 'access_token');
}

describe('GET /oauth2/token', () => {
  test('gives an access token under both names, its true lifetime, and no clock of ours', async () => {
    const lab = await open();
    const response = await lab.ask(await lab.admin(), `${APP}:pull`);
    const body = await jsonOf(response);
    const token = textOf(body, 'access_token');
    expect(body).toEqual({ access_token: token, token, expires_in: 4500 });
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
  });

  test('takes scopes one by one, several in one, and the same one in several forms', async () => {
    const lab = await open();
    const admin = await lab.admin();
    const two = [`${APP}:metadata_read,pull,push`, 'repository:team/base:metadata_read,pull'];
    expect(given(await lab.access(admin, `${APP}:pull,push`, 'repository:team/base:pull'))).toEqual(two);
    expect(given(await lab.access(admin, `${APP}:push,pull repository:team/base:pull`))).toEqual(two);
    expect(given(await lab.access(admin, `${APP}:pull ${APP}:pull,push`))).toEqual([two[0]]);
    expect(given(await lab.access(admin, `${APP}:pull`, `${APP}:push`))).toEqual([two[0]]);
  });

  test('gives what is allowed of what is asked, be it nothing', async () => {
    const lab = await open();
    const login = await lab.token('reader', ['repositories/team/*/content/read']);
    const asked = [`${APP}:pull,push,delete`, 'repository:other/app:pull', 'registry:catalog:*'];
    expect(given(await lab.access(login, ...asked))).toEqual([`${APP}:pull`]);
    expect(given(await lab.access(login, 'repository:other/app:pull,push'))).toEqual([]);
    expect(given(await lab.access(login))).toEqual([]);
  });

  test('an asterisk asks for everything that is allowed', async () => {
    const lab = await open();
    const login = await lab.token('cleaner', [
      'repositories/team/app/content/read',
      'repositories/team/app/content/delete',
    ]);
    expect(given(await lab.access(login, `${APP}:*`))).toEqual([`${APP}:delete,pull`]);
    expect(given(await lab.access(await lab.admin(), 'registry:catalog:*'))).toEqual(['registry:catalog:*']);
  });

  test('whoever may pull and see tags can list them with a token for pull', async () => {
    const lab = await open();
    const both = await lab.token('lister', ['repositories/*/content/read', 'repositories/*/metadata/read']);
    expect(given(await lab.access(both, `${APP}:pull`))).toEqual([`${APP}:metadata_read,pull`]);
  });

  test('passes over scopes that mean nothing here', async () => {
    const lab = await open();
    const odd = [
      '',
      'x',
      ':',
      '::',
      'repository',
      'repository:',
      'repository::pull',
      'repository:team/app',
      'repository:*:pull',
      'repository:team/*:pull',
      'repository:Team/App:pull',
      'repository:../app:pull',
      'repository:team/app:',
      'repository:team/app:fly',
      'repository(plugin):team/app:pull',
      'registry:other:*',
      'artifact:team/app:pull',
      `repository:${'a'.repeat(256)}:pull`,
    ];
    expect(given(await lab.access(await lab.admin(), ...odd))).toEqual([]);
  });

  test('a thousand scopes make a token that still fits a header', async () => {
    const lab = await open();
    const scopes = Array.from({ length: 1000 }, (_, i) => `repository:team/app-${i}:pull`);
    const token = await lab.access(await lab.admin(), scopes.join(' '));
    const response = await lab.fetch('GET', '/v2/', { headers: { authorization: `Bearer ${token}` } });
    expect([token.length < 12_000, response.status]).toEqual([true, 200]);
  });

  test('a token for nobody is anonymous', async () => {
    const lab = await open();
    expect(given(await lab.access(undefined, `${APP}:pull`))).toEqual([]);
    await lab.settings({ anonymousRepositories: ['team/*'] });
    const token = await lab.access(undefined, `${APP}:pull,push`, 'repository:other/app:pull');
    expect(given(token)).toEqual([`${APP}:metadata_read,pull`]);
    expect(decoded(token)['sub']).toBe('anonymous');
  });

  test('docker keeps the password, since no refresh token comes back for it', async () => {
    const lab = await open();
    const headers = { authorization: basic(await lab.admin()) };
    const path = `/oauth2/token?account=x&client_id=docker&offline_token=true&service=${SERVICE}`;
    const body = await jsonOf(await lab.fetch('GET', path, { headers }));
    expect(Object.keys(body ?? {}).toSorted()).toEqual(['access_token', 'expires_in', 'token']);
  });

  test('who signs in with a refresh token gets the same one back where one is wanted', async () => {
    const lab = await open();
    const { id } = await lab.principal(['AcrPush']);
    const refresh = await lab.refresh(id);
    const headers = { authorization: basic({ username: ZERO, password: refresh }) };
    const path = `/oauth2/token?service=${SERVICE}&scope=${APP}:pull,push&offline_token=true`;
    const body = await jsonOf(await lab.fetch('GET', path, { headers }));
    expect(textOf(body, 'refresh_token')).toBe(refresh);
    expect(given(textOf(body, 'access_token'))).toEqual([`${APP}:metadata_read,pull,push`]);
  });

  test('a service principal signs in by its secret', async () => {
    const lab = await open();
    const login = await lab.principal(['AcrPull']);
    expect(given(await lab.access(login, `${APP}:pull,push`))).toEqual([`${APP}:metadata_read,pull`]);
  });
});

describe('POST /oauth2/token', () => {
  test('takes user name and password', async () => {
    const lab = await open();
    const form = {
      grant_type: 'password',
      client_id: 'containerd-client',
      service: SERVICE,
      scope: `${APP}:pull ${APP}:pull,push`,
      ...(await lab.token('pusher', '_repositories_push')),
    };
    expect(given(await tokenOf(await lab.post('/oauth2/token', form)))).toEqual([`${APP}:pull,push`]);
  });

  test('takes a refresh token, with the scope repeated', async () => {
    const lab = await open();
    const { id } = await lab.principal(['AcrPush']);
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      service: SERVICE,
      client_id: 'docker',
      refresh_token: await lab.refresh(id),
      scope: `${APP}:pull`,
    });
    form.append('scope', 'repository:team/base:push');
    const token = await tokenOf(await lab.post('/oauth2/token', form));
    expect(given(token)).toEqual([`${APP}:metadata_read,pull`, 'repository:team/base:push']);
  });

  test('takes a refresh token as the password of the zero user', async () => {
    const lab = await open();
    const { id } = await lab.principal(['AcrPull']);
    const form = {
      grant_type: 'password',
      service: SERVICE,
      scope: `${APP}:pull`,
      username: ZERO,
      password: await lab.refresh(id),
    };
    const token = await tokenOf(await lab.post('/oauth2/token', form));
    expect(given(token)).toEqual([`${APP}:metadata_read,pull`]);
  });

  test('gives an anonymous token to the clients of the Azure SDKs that send neither name nor token', async () => {
    const lab = await open();
    await lab.settings({ anonymousPull: true });
    const form = { grant_type: 'password', service: SERVICE, scope: `${APP}:pull`, refresh_token: '' };
    const token = await tokenOf(await lab.post('/oauth2/token', form));
    expect(given(token)).toEqual([`${APP}:metadata_read,pull`]);
  });

  test('gives the refresh token back where access_type is offline', async () => {
    const lab = await open();
    const refresh = await lab.refresh((await lab.principal([])).id);
    const form = { grant_type: 'refresh_token', access_type: 'offline', refresh_token: refresh };
    expect(textOf(await jsonOf(await lab.post('/oauth2/token', form)), 'refresh_token')).toBe(refresh);
  });

  test.each([
    ['no grant', {}],
    ['an unknown grant', { grant_type: 'authorization_code', code: 'x' }],
    ['client credentials', { grant_type: 'client_credentials' }],
  ])('%s is answered with 400 in the form of OCI', async (_, form) => {
    const lab = await open();
    expect(await problemOf(await lab.post('/oauth2/token', form))).toBe('400 UNSUPPORTED');
  });

  test('a form that does not end is not read to its end', async () => {
    const lab = await open();
    const form = { grant_type: 'password', username: 'x'.repeat(70_000) };
    expect(await problemOf(await lab.post('/oauth2/token', form))).toBe('413 SIZE_INVALID');
  });
});

describe('POST /oauth2/exchange', () => {
  test.each([
    ['az', { grant_type: 'access_token', service: SERVICE, tenant: 'common' }],
    ['the SDKs', { grant_type: 'access_token', service: SERVICE }],
    ['older clients', { grant_type: 'access_token_refresh_token', service: SERVICE, refresh_token: 'x' }],
  ])('gives a refresh token for a token of the directory, as %s ask', async (_, form) => {
    const lab = await open();
    const { id } = await lab.principal([]);
    const response = await lab.post('/oauth2/exchange', { ...form, access_token: `entra ${id}` });
    const body = await jsonOf(response);
    expect(Object.keys(body ?? {})).toEqual(['refresh_token']);
    expect(decoded(textOf(body, 'refresh_token'))).toMatchObject({ sub: `entra:${id}` });
  });

  test.each(['', 'entra', 'entra not-a-guid', 'eyJhbGciOiJub25lIn0.e30.'])(
    'refuses %j with a challenge',
    async (token) => {
      const lab = await open();
      const response = await lab.post('/oauth2/exchange', {
        grant_type: 'access_token',
        access_token: token,
      });
      expect(response.headers.get('www-authenticate')).toBe(
        `Bearer realm="http://${SERVICE}/oauth2/token",service="${SERVICE}"`,
      );
      expect(await problemOf(response)).toBe('401 UNAUTHORIZED');
    },
  );

  test('refuses every token where no directory is known', async () => {
    const app = await openTestApp({ signIn: { keys: memoryKeyStore() } });
    const body = `grant_type=access_token&access_token=entra+${ZERO}`;
    expect(await problemOf(await app.fetch('POST', '/oauth2/exchange', { body }))).toBe('401 UNAUTHORIZED');
    await app.close();
  });

  test('takes no other grant', async () => {
    const lab = await open();
    const form = { grant_type: 'password', access_token: `entra ${ZERO}` };
    expect(await problemOf(await lab.post('/oauth2/exchange', form))).toBe('400 UNSUPPORTED');
  });
});
