import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { adminPasswords, matchAdmin } from '../../src/access/admin.ts';
import { isRevoked, readRegistry } from '../../src/access/registry.ts';
import { getToken, matchPassword } from '../../src/access/tokens.ts';
import { type Caller, armTime, openCaller, refusal } from './caller.ts';

let arm: Caller;
let now: string;
beforeEach(async () => {
  arm = await openCaller();
  now = armTime(arm.app.clock.now());
});
afterEach(async () => {
  await arm.close();
});

function generate(more: Record<string, unknown> = {}) {
  return arm.call('POST', './generateCredentials', { body: { tokenId: `${arm.id}/tokens/Puller`, ...more } });
}

describe('generateCredentials', () => {
  beforeEach(async () => {
    const properties = { scopeMapId: `${arm.id}/scopeMaps/_repositories_pull` };
    await arm.call('PUT', './tokens/puller', { body: { properties } });
  });
  test('makes both passwords, shows them once, and keeps only what recognises them', async () => {
    const { status, body } = await generate();
    expect(status).toBe(200);
    const value: unknown = expect.stringMatching(/^[\w-]{43}$/);
    expect(body).toEqual({
      username: 'puller',
      passwords: [
        { name: 'password1', creationTime: now, value },
        { name: 'password2', creationTime: now, value },
      ],
    });
    const shown = await arm.call('GET', './tokens/puller');
    expect(shown.body).toMatchObject({
      properties: {
        credentials: {
          passwords: [
            { name: 'password1', creationTime: now },
            { name: 'password2', creationTime: now },
          ],
        },
      },
    });
    for (const secret of secretsOf(body)) {
      expect(JSON.stringify(shown.body)).not.toContain(secret);
      const document = await getToken(arm.ctx, arm.app.registry, 'puller');
      expect(document && matchPassword(document, secret, arm.app.clock.now())).toBeDefined();
    }
  });

  test('makes one password, with an expiry, and leaves the other', async () => {
    const [, second = ''] = secretsOf((await generate()).body);
    const expiry = armTime(arm.app.clock.now() + 86_400_000);
    const { body } = await generate({ name: 'password1', expiry });
    expect(body).toEqual({
      username: 'puller',
      passwords: [{ name: 'password1', creationTime: now, expiry, value: expect.any(String) }],
    });
    const document = await getToken(arm.ctx, arm.app.registry, 'puller');
    expect(document && matchPassword(document, second, arm.app.clock.now())?.name).toBe('password2');
    expect((await arm.call('GET', './tokens/puller')).body).toMatchObject({
      properties: { credentials: { passwords: [{ name: 'password1', expiry }, { name: 'password2' }] } },
    });
  });

  test.each([
    [{ expiry: '2001-01-01T00:00:00Z' }, 'lies in the past'],
    [{ expiry: 'tomorrow' }, "'expiry' must be a time"],
    [{ name: 'password3' }, 'must be password1 or password2'],
    [{ tokenId: '/nothing' }, 'does not exist in this registry'],
    [{ tokenId: undefined }, "'tokenId' is required"],
  ])('refuses %j', async (more, message) => {
    expect(await generate(more)).toMatchObject(refusal(400, 'InvalidRequest', message));
  });

  test('is undone by sending back the passwords that shall stay', async () => {
    const [first = '', second = ''] = secretsOf((await generate()).body);
    const issued = arm.app.clock.now();
    arm.app.clock.advance(1000);
    const credentials = { passwords: [{ name: 'password2' }] };
    const { body } = await arm.call('PATCH', './tokens/puller', { body: { properties: { credentials } } });
    expect(body).toMatchObject({
      properties: { credentials: { passwords: [{ name: 'password2', creationTime: now }] } },
    });
    const document = await getToken(arm.ctx, arm.app.registry, 'puller');
    expect(document && matchPassword(document, first, issued)).toBeUndefined();
    expect(document && matchPassword(document, second, issued)).toBeDefined();
    expect(isRevoked(await readRegistry(arm.ctx, arm.app.registry), 'token:puller', issued)).toBe(true);
  });
});

describe('the admin user', () => {
  test('has no credentials while it is off, and says how to turn it on', async () => {
    const refused = {
      status: 400,
      body: {
        error: {
          code: 'UnAuthorizedForCredentialOperations',
          message: expect.stringContaining(
            `Cannot perform credential operations for ${arm.id} as Admin user is`,
          ),
        },
      },
    };
    expect(await arm.call('POST', './listCredentials')).toMatchObject(refused);
    expect(await arm.call('POST', './regenerateCredential', { body: { name: 'password' } })).toMatchObject(
      refused,
    );
  });

  test('has two passwords, each made anew alone', async () => {
    await arm.call('PATCH', '.', { body: { properties: { adminUserEnabled: true } } });
    const first = await arm.call('POST', './listCredentials');
    const value: unknown = expect.any(String);
    expect(first).toMatchObject({ status: 200, headers: { 'cache-control': 'no-store' } });
    expect(first.body).toEqual({
      username: arm.registry,
      passwords: [
        { name: 'password', value },
        { name: 'password2', value },
      ],
    });
    const [old = '', kept = ''] = secretsOf(first.body);
    const changed = await arm.call('POST', './regenerateCredential', { body: { name: 'password' } });
    expect(changed).toEqual(await arm.call('POST', './listCredentials'));
    const [fresh, same] = secretsOf(changed.body);
    expect(same).toBe(kept);
    expect(fresh).not.toBe(old);
    const document = await readRegistry(arm.ctx, arm.app.registry);
    expect(matchAdmin(arm.ctx, arm.app.registry, document, old)).toBeUndefined();
    expect(adminPasswords(arm.ctx, arm.app.registry, document).map((one) => one.value)).toEqual([
      fresh,
      same,
    ]);
  });

  test.each([[{ name: 'password3' }], [{}]])('refuses to make %j anew', async (body) => {
    await arm.call('PATCH', '.', { body: { properties: { adminUserEnabled: true } } });
    expect(await arm.call('POST', './regenerateCredential', { body })).toMatchObject(
      refusal(400, 'InvalidRequest'),
    );
  });
});

/** The values of the passwords in an answer. */
function secretsOf(body: unknown): string[] {
  return Array.from(JSON.stringify(body).matchAll(/"value":"([^"]+)"/g), ([, value = '']) => value);
}
