import { describe, expect, test } from 'vitest';
import { adminPasswords, regenerateAdmin } from '../../src/access/admin.ts';
import { SETTINGS_LIFE_MS } from '../../src/access/registry.ts';
import { deleteToken, generatePasswords } from '../../src/access/tokens.ts';
import { adapters } from '../support/app.ts';
import { problemOf } from '../support/answer.ts';
import {
  type Lab,
  type Login,
  NARROW,
  PULL,
  REFUSED,
  ZERO,
  basic,
  bearer,
  keptLabs,
  listTags,
} from './lab.ts';
import { ACTIONS, TAKEN, makeToken } from './taking.ts';

const open = keptLabs();

/** Two instances of one registry: one on which things are taken away, and one which hears of it later. */
async function openTwo(adapter: (typeof adapters)[number]): Promise<readonly [here: Lab, there: Lab]> {
  const here = await open({ adapter });
  const { registry, stores, clock } = here;
  return [here, await open({ registry, stores, clock })];
}

describe.each(adapters)('on %s', (adapter) => {
  test.each(TAKEN)('when $what, nothing of it works any more', async ({ make, take, after }) => {
    const [here, there] = await openTwo(adapter);
    const login = await make(here);
    const token = bearer(await here.access(login, PULL));
    const refresh = login.id === undefined ? undefined : await here.refresh(login.id);
    const logins = refresh === undefined ? [login] : [login, { username: ZERO, password: refresh }];
    for (const lab of [here, there]) {
      expect(await listTags(lab, token)).toBe('let in');
      for (const one of logins) expect(await listTags(lab, basic(one))).toBe('let in');
    }
    here.clock.advance(1000);
    await take(here.app.context, here, login);
    here.clock.advance(1);

    // On the instance that heard of it at once; on the other when its settings have become too old.
    expect(await listTags(here, token)).toBe(REFUSED);
    for (const one of logins) {
      expect(await listTags(here, basic(one))).toBe(after);
      expect(await fresh(here, one)).toBe(after);
    }
    const late = await tokens(there, login);
    here.clock.advance(SETTINGS_LIFE_MS);
    expect(await listTags(there, token)).toBe(REFUSED);
    for (const one of logins) {
      expect(await listTags(there, basic(one))).toBe(after);
      expect(await fresh(there, one)).toBe(after);
    }
    // What the other instance gave in between, not knowing better, is worth nothing either.
    for (const one of late) expect(await listTags(there, bearer(one))).not.toBe('let in');
  });
});

/** What a token made now is good for. */
async function fresh(lab: Lab, login: Login): Promise<string> {
  const response = await lab.ask(login, 'repository:team/app:metadata_read');
  if (response.status !== 200) return `${await problemOf(response)} invalid_token`;
  const { access_token: token }: Record<string, string> = JSON.parse(await response.text());
  return await listTags(lab, bearer(token ?? ''));
}

async function tokens(lab: Lab, login: Login): Promise<string[]> {
  const response = await lab.ask(login, 'repository:team/app:pull,metadata_read');
  return response.status === 200 ? [JSON.parse(await response.text()).access_token] : [];
}

describe('anonymous tokens', () => {
  test.each([
    ['anonymous pull is switched off', { anonymousPull: true }, { anonymousPull: false }],
    [
      'a repository is open no more',
      { anonymousRepositories: ['team/*', 'other/*'] },
      { anonymousRepositories: ['other/*'] },
    ],
  ])('lose their rights when %s', async (_, before, after) => {
    const [here, there] = await openTwo('disk');
    await here.settings(before);
    const token = bearer(await here.access(undefined, PULL));
    expect([await listTags(here, token), await listTags(there, token)]).toEqual(['let in', 'let in']);
    here.clock.advance(1000);
    await here.settings(after);
    expect(await listTags(here, token)).toBe(NARROW);
    const late = bearer(await there.access(undefined, PULL));
    here.clock.advance(SETTINGS_LIFE_MS);
    expect(await listTags(there, token)).toBe(NARROW);
    expect(await listTags(there, late)).toBe(NARROW);
  });
});

describe('what was not taken away', () => {
  test('stays: the other password of the admin user, and its tokens', async () => {
    const [here, there] = await openTwo('disk');
    await here.admin();
    const [, second] = adminPasswords(here.app.context, here.registry, {
      admin: { enabled: true, generations: [1, 1] },
    });
    const login = { username: here.registry, password: second?.value ?? '' };
    const token = bearer(await here.access(login, PULL));
    here.clock.advance(1000);
    await regenerateAdmin(here.app.context, here.registry, 'password');
    here.clock.advance(SETTINGS_LIFE_MS);
    for (const lab of [here, there]) {
      expect([await listTags(lab, token), await listTags(lab, basic(login))]).toEqual(['let in', 'let in']);
    }
  });

  test('stays: other tokens of the same scope map, and principals of the same name', async () => {
    const [here] = await openTwo('disk');
    const ctx = here.app.context;
    const one = await here.token('token-one', '_repositories_pull_metadata_read');
    const two = await here.token('token-one1', '_repositories_pull_metadata_read');
    const token = bearer(await here.access(two, PULL));
    here.clock.advance(1000);
    await deleteToken(ctx, here.registry, one.username);
    here.clock.advance(1);
    expect([await listTags(here, token), await fresh(here, two)]).toEqual(['let in', 'let in']);
  });

  test('comes back: the new password works at once on the instance that made it', async () => {
    const [here, there] = await openTwo('disk');
    const ctx = here.app.context;
    await makeToken(here);
    here.clock.advance(1000);
    const [made] = await generatePasswords(ctx, here.registry, 'ci-token', ['password1']);
    here.clock.advance(1);
    const login = { username: 'ci-token', password: made?.value ?? '' };
    for (const lab of [here, there]) {
      expect([await listTags(lab, basic(login)), await fresh(lab, login)]).toEqual(['let in', 'let in']);
    }
  });

  test('a token that is deleted and made again does not bring the old one back', async () => {
    const [here] = await openTwo('disk');
    const ctx = here.app.context;
    const old = await makeToken(here);
    const token = bearer(await here.access(old, PULL));
    here.clock.advance(1000);
    await deleteToken(ctx, here.registry, 'ci-token');
    here.clock.advance(1000);
    const login = await makeToken(here);
    expect(await listTags(here, token)).toBe(REFUSED);
    expect(await listTags(here, basic(old))).toBe(REFUSED);
    expect(await fresh(here, login)).toBe('let in');
  });

  test('a password ends by itself, and its tokens with it', async () => {
    const [here] = await openTwo('disk');
    const ends = here.clock.now() + 600_000;
    const login = await here.token('passing', ACTIONS, ends);
    const token = bearer(await here.access(login, PULL));
    here.clock.advance(599_000);
    expect([await listTags(here, token), await fresh(here, login)]).toEqual(['let in', 'let in']);
    here.clock.advance(31_000);
    expect([await listTags(here, token), await fresh(here, login)]).toEqual([REFUSED, REFUSED]);
  });

  test('more revocations than are kept end all tokens rather than let one live', async () => {
    const [here] = await openTwo('disk');
    const ctx = here.app.context;
    const made: string[] = [];
    for (let i = 0; i < 230; i++) {
      const login = await here.token(`token-${i}`, '_repositories_pull_metadata_read');
      made.push(bearer(await here.access(login, PULL)));
    }
    here.clock.advance(1000);
    for (let i = 0; i < 230; i++) await deleteToken(ctx, here.registry, `token-${i}`);
    here.clock.advance(1);
    for (const token of made) expect(await listTags(here, token)).toBe(REFUSED);
    const login = await here.token('later', '_repositories_pull_metadata_read');
    expect(await fresh(here, login)).toBe('let in');
  });
});
