import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { managementAccess } from '../../src/management/routes.ts';
import { type Caller, NOBODY, SUBSCRIPTION, openCaller } from './caller.ts';

let arm: Caller;
beforeEach(async () => {
  arm = await openCaller();
});
afterEach(async () => {
  await arm.close();
});

describe('paths', () => {
  test('are matched without case, with or without a slash at the end, for every api-version', async () => {
    const plain = await arm.call('GET', './tokens');
    const shouted = arm.id.toUpperCase().replace('/MINE/', '/mine/');
    for (const query of [{}, { 'api-version': '2017-03-01' }, { 'api-version': 'whatever' }])
      expect(await arm.call('GET', `${shouted}/TOKENS/`, { query })).toEqual(plain);
  });

  test('echo the subscription and the group that they name', async () => {
    const elsewhere = arm.id.replace('/mine/', '/Theirs/').replace(SUBSCRIPTION, 'some-subscription');
    expect((await arm.call('GET', elsewhere)).body).toMatchObject({ id: elsewhere });
  });

  test.each([
    './webhooks',
    './tokens/a/b',
    '/providers/Microsoft.Storage/operations',
    '/subscriptions/x/y',
    '/providers',
  ])('that lead nowhere are told so: %s', async (path) => {
    expect(await arm.call('GET', path)).toMatchObject({
      status: 404,
      body: { error: { code: 'ResourceNotFound' } },
    });
  });

  test('say which methods they take', async () => {
    expect(await arm.call('PATCH', './listCredentials')).toMatchObject({
      status: 405,
      headers: { allow: 'POST' },
      body: { error: { code: 'MethodNotAllowed' } },
    });
    expect(await arm.call('constructor', './tokens')).toMatchObject({ status: 405 });
  });

  test('answer HEAD as GET', async () => {
    expect(await arm.call('HEAD', '.')).toEqual(await arm.call('GET', '.'));
  });
});

describe('the right a call needs', () => {
  test.each([
    ['GET', './listUsages', 'read'],
    ['HEAD', '.', 'read'],
    ['POST', '/subscriptions/s/providers/Microsoft.ContainerRegistry/checkNameAvailability', 'read'],
    ['POST', './listCredentials', 'write'],
    ['POST', './generateCredentials', 'write'],
    ['PUT', '.', 'write'],
    ['PATCH', '.', 'write'],
    ['DELETE', './tokens/x', 'write'],
  ])('%s %s is to %s', (method, path, access) => {
    expect(managementAccess(method, path)).toBe(access);
  });

  test('is asked again before anything is done', async () => {
    for (const [method, path] of [
      ['POST', './listCredentials'],
      ['PATCH', '.'],
      ['DELETE', './tokens/puller'],
    ] as const) {
      expect(await arm.call(method, path, { body: {}, write: false })).toMatchObject({
        status: 403,
        body: { error: { code: 'AuthorizationFailed', message: expect.stringContaining("'tester'") } },
      });
    }
    expect(await arm.call('GET', './tokens', { write: false })).toMatchObject({ status: 200 });
  });
});

describe('what lies around a registry', () => {
  const SUB = `/subscriptions/${SUBSCRIPTION}`;

  test('is one subscription, and any that a caller names', async () => {
    expect((await arm.call('GET', '/subscriptions')).body).toEqual({
      value: [
        {
          id: `/subscriptions/${NOBODY}`,
          subscriptionId: NOBODY,
          displayName: 'Functionary',
          state: 'Enabled',
          tenantId: NOBODY,
          authorizationSource: 'RoleBased',
        },
      ],
    });
    expect((await arm.call('GET', SUB)).body).toMatchObject({ id: SUB, subscriptionId: SUBSCRIPTION });
  });

  test('is a group, in the letter case of az and of the SDKs', async () => {
    const group = {
      id: `${SUB}/resourceGroups/mine`,
      name: 'mine',
      type: 'Microsoft.Resources/resourceGroups',
      location: 'test',
      properties: { provisioningState: 'Succeeded' },
    };
    expect((await arm.call('GET', `${SUB}/resourcegroups/mine`)).body).toEqual(group);
    expect((await arm.call('GET', `${SUB}/resourceGroups/mine`)).body).toEqual(group);
    expect((await arm.call('GET', `${SUB}/resourceGroups`)).body).toMatchObject({
      value: [{ name: 'functionary' }],
    });
  });

  test('lists the registry as a resource, by type and name', async () => {
    const found = {
      value: [
        {
          id: arm.id.replace('/mine/', '/functionary/'),
          name: arm.registry,
          type: 'Microsoft.ContainerRegistry/registries',
          location: 'test',
        },
      ],
    };
    const ofType = "resourceType eq 'Microsoft.ContainerRegistry/registries'";
    for (const $filter of [ofType, `${ofType} and name eq '${arm.registry}'`])
      expect((await arm.call('GET', `${SUB}/resources`, { query: { $filter } })).body).toEqual(found);
    expect((await arm.call('GET', `${SUB}/resources`)).body).toEqual(found);
    for (const $filter of ["resourceType eq 'Microsoft.Web/sites'", `${ofType} and name eq 'other'`])
      expect((await arm.call('GET', `${SUB}/resources`, { query: { $filter } })).body).toEqual({ value: [] });
    expect(await arm.call('GET', `${SUB}/resources`, { query: { $filter: "tagName eq 'x'" } })).toMatchObject(
      {
        status: 400,
      },
    );
  });

  test('knows which names are taken', async () => {
    const check = async (name: unknown) =>
      (
        await arm.call('POST', `${SUB}/providers/Microsoft.ContainerRegistry/checkNameAvailability`, {
          body: { name, type: 'Microsoft.ContainerRegistry/registries' },
          write: false,
        })
      ).body;
    expect(await check('freename1')).toEqual({ nameAvailable: true });
    expect(await check(arm.registry.toUpperCase())).toEqual({
      nameAvailable: false,
      reason: 'AlreadyExists',
      message: `The registry ${arm.registry.toUpperCase()} is already in use.`,
    });
    expect(await check('a-b')).toMatchObject({ nameAvailable: false, reason: 'Invalid' });
    expect(await check(5)).toMatchObject({ error: { code: 'InvalidRequest' } });
  });

  test('lists the operations that roles are made of', async () => {
    const { body } = await arm.call('GET', '/providers/Microsoft.ContainerRegistry/operations');
    expect(JSON.stringify(body)).toContain('"Microsoft.ContainerRegistry/registries/tokens/write"');
  });
});
