import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isRevoked, readRegistry } from '../../src/access/registry.ts';
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

function scopeMap(actions: readonly string[], description?: string) {
  return { body: { properties: { actions, ...(description !== undefined && { description }) } } };
}

function token(map: string, more: Record<string, unknown> = {}) {
  return { body: { properties: { scopeMapId: `${arm.id}/scopeMaps/${map}`, ...more } } };
}

describe('scope maps', () => {
  const actions = ['repositories/a/content/read', 'repositories/b/*/metadata/write'];

  test('are made, shown, changed and deleted', async () => {
    const made = await arm.call('PUT', './scopeMaps/MyMap', scopeMap(actions, 'mine'));
    expect(made).toMatchObject({ status: 200 });
    expect(made.body).toEqual({
      id: `${arm.id}/scopeMaps/MyMap`,
      name: 'MyMap',
      type: 'Microsoft.ContainerRegistry/registries/scopeMaps',
      systemData: { createdAt: now },
      properties: {
        description: 'mine',
        type: 'UserDefined',
        actions,
        creationDate: now,
        provisioningState: 'Succeeded',
      },
    });
    expect(await arm.call('GET', './scopemaps/mymap')).toEqual(made);
    const changed = await arm.call('PATCH', './scopeMaps/MyMap', {
      body: { properties: { description: 'ours' } },
    });
    expect(changed.body).toMatchObject({ properties: { description: 'ours', actions } });
    expect(await arm.call('DELETE', './scopeMaps/MyMap')).toMatchObject({ status: 200 });
    expect(await arm.call('DELETE', './scopeMaps/MyMap')).toMatchObject({ status: 204 });
    expect(await arm.call('GET', './scopeMaps/MyMap')).toMatchObject(refusal(404, 'ResourceNotFound'));
  });

  test('lose on a PUT what it leaves out', async () => {
    await arm.call('PUT', './scopeMaps/MyMap', scopeMap(actions, 'mine'));
    const { body } = await arm.call('PUT', './scopeMaps/MyMap', scopeMap([]));
    expect(body).toMatchObject({ properties: { description: '', actions: [] } });
    expect(await arm.call('PUT', './scopeMaps/MyMap', { body: { properties: {} } })).toMatchObject(
      refusal(400, 'InvalidRequest', "'properties.actions' is required"),
    );
  });

  test('of the system come first in lists, and cannot be changed or deleted', async () => {
    await arm.call('PUT', './scopeMaps/MyMap', scopeMap(actions));
    const { body } = await arm.call('GET', './scopeMaps');
    expect(body).toMatchObject({
      value: [
        {
          name: '_repositories_admin',
          properties: { type: 'SystemDefined', creationDate: now, provisioningState: 'Succeeded' },
        },
        { name: '_repositories_pull', properties: { actions: ['repositories/*/content/read'] } },
        { name: '_repositories_pull_metadata_read' },
        { name: '_repositories_push' },
        { name: '_repositories_push_metadata_write' },
        { name: 'MyMap', properties: { type: 'UserDefined' } },
      ],
    });
    const refused = refusal(400, 'InvalidRequest', 'system scope maps');
    expect(await arm.call('PUT', './scopeMaps/_repositories_pull', scopeMap(actions))).toMatchObject(refused);
    expect(await arm.call('PATCH', './scopeMaps/_repositories_pull', scopeMap(actions))).toMatchObject(
      refused,
    );
    expect(await arm.call('DELETE', './scopeMaps/_repositories_pull')).toMatchObject(refused);
    expect(await arm.call('PUT', './scopeMaps/_custom', scopeMap(actions))).toMatchObject(refused);
  });

  test('of the system may be put as they are, as exported templates do', async () => {
    const same = scopeMap(['repositories/*/content/read'], 'Can pull any repository of the registry');
    expect(await arm.call('PUT', './scopeMaps/_repositories_pull', same)).toMatchObject({ status: 200 });
  });

  test('that lose an action refuse the access tokens of their tokens at once', async () => {
    await arm.call('PUT', './scopeMaps/MyMap', scopeMap(actions));
    await arm.call('PUT', './tokens/puller', token('MyMap'));
    const issued = arm.app.clock.now();
    arm.app.clock.advance(1000);
    await arm.call('PATCH', './scopeMaps/MyMap', scopeMap([...actions, 'repositories/c/content/read']));
    const widened = await readRegistry(arm.ctx, arm.app.registry);
    expect(isRevoked(widened, 'token:puller', issued)).toBe(false);
    await arm.call('PATCH', './scopeMaps/MyMap', scopeMap(actions.slice(1)));
    const narrowed = await readRegistry(arm.ctx, arm.app.registry);
    expect(isRevoked(narrowed, 'token:puller', issued)).toBe(true);
  });

  test('are not made by a PATCH', async () => {
    expect(await arm.call('PATCH', './scopeMaps/MyMap', scopeMap([]))).toMatchObject(
      refusal(404, 'ResourceNotFound'),
    );
  });

  test('that a token uses are not deleted', async () => {
    await arm.call('PUT', './scopeMaps/MyMap', scopeMap(actions));
    await arm.call('PUT', './tokens/puller', token('MyMap'));
    expect(await arm.call('DELETE', './scopeMaps/mymap')).toMatchObject(refusal(409, 'Conflict', 'puller'));
    expect(await arm.call('GET', './scopeMaps/MyMap')).toMatchObject({ status: 200 });
    await arm.call('DELETE', './tokens/puller');
    expect(await arm.call('DELETE', './scopeMaps/MyMap')).toMatchObject({ status: 200 });
  });

  test.each([
    ['ab', []],
    ['MyMap', ['repositories/a/content/explode']],
    ['MyMap', ['repositories/UPPER/content/read']],
    ['MyMap', Array.from({ length: 501 }, (_, i) => `repositories/r${i}/content/read`)],
  ])('named %s with actions that cannot be are refused', async (name, wrong) => {
    expect(await arm.call('PUT', `./scopeMaps/${name}`, scopeMap(wrong))).toMatchObject(
      refusal(400, 'InvalidRequest'),
    );
  });

  test('are limited in number by the tier', async () => {
    await arm.call('PATCH', '.', { body: { sku: { name: 'Basic' } } });
    for (let i = 0; i < 100; i++) await arm.call('PUT', `./scopeMaps/map-${i}`, scopeMap([]));
    expect(await arm.call('PUT', './scopeMaps/one-too-many', scopeMap([]))).toMatchObject(
      refusal(403, 'QuotaExceeded', 'SKU Basic'),
    );
    expect(await arm.call('PUT', './scopeMaps/map-0', scopeMap([]))).toMatchObject({ status: 200 });
  });
});

describe('tokens', () => {
  test('are made, shown, changed and deleted, always with a list of passwords', async () => {
    const made = await arm.call('PUT', './tokens/Puller', token('_repositories_pull'));
    expect(made.status).toBe(201);
    expect(made.body).toEqual({
      id: `${arm.id}/tokens/Puller`,
      name: 'Puller',
      type: 'Microsoft.ContainerRegistry/registries/tokens',
      systemData: { createdAt: now },
      properties: {
        scopeMapId: `${arm.id}/scopeMaps/_repositories_pull`,
        status: 'enabled',
        credentials: { certificates: [], passwords: [] },
        creationDate: now,
        provisioningState: 'Succeeded',
      },
    });
    expect(await arm.call('GET', './tokens/puller')).toMatchObject({ status: 200, body: made.body });
    expect((await arm.call('GET', './tokens')).body).toEqual({ value: [made.body] });
    const disabled = await arm.call('PATCH', './tokens/Puller', {
      body: { properties: { status: 'disabled' } },
    });
    expect(disabled.body).toMatchObject({
      properties: { status: 'disabled', scopeMapId: `${arm.id}/scopeMaps/_repositories_pull` },
    });
    expect(await arm.call('PUT', './tokens/Puller', token('_repositories_push'))).toMatchObject({
      status: 200,
      body: { properties: { status: 'enabled', scopeMapId: `${arm.id}/scopeMaps/_repositories_push` } },
    });
    expect(await arm.call('DELETE', './tokens/Puller')).toMatchObject({ status: 200 });
    expect(await arm.call('DELETE', './tokens/Puller')).toMatchObject({ status: 204 });
  });

  test('need a scope map of this registry', async () => {
    const missing = refusal(400, 'InvalidRequest', 'does not exist in this registry');
    expect(await arm.call('PUT', './tokens/puller', token('nothing'))).toMatchObject(missing);
    const elsewhere = {
      scopeMapId: `${arm.id.replace(arm.registry, 'elsewhere')}/scopeMaps/_repositories_pull`,
    };
    expect(await arm.call('PUT', './tokens/puller', { body: { properties: elsewhere } })).toMatchObject(
      missing,
    );
    expect(await arm.call('PUT', './tokens/puller', { body: { properties: {} } })).toMatchObject(
      refusal(400, 'InvalidRequest', 'scopeMapId'),
    );
  });

  test('are not made by a PATCH', async () => {
    expect(await arm.call('PATCH', './tokens/puller', token('_repositories_pull'))).toMatchObject(
      refusal(404, 'ResourceNotFound'),
    );
  });

  test('refuse certificates and passwords that a client brings', async () => {
    for (const credentials of [
      { certificates: [{ name: 'certificate1' }] },
      { passwords: [{ name: 'password1' }] },
      { passwords: [{ name: 'password1', value: 'mine' }] },
    ]) {
      expect(
        await arm.call('PUT', './tokens/puller', token('_repositories_pull', { credentials })),
      ).toMatchObject(refusal(400, 'InvalidRequest'));
    }
  });
});

test('usages count what there is against the tier', async () => {
  await arm.call('PUT', './scopeMaps/MyMap', scopeMap([]));
  await arm.call('PUT', './tokens/puller', token('MyMap'));
  await arm.call('PATCH', '.', {
    body: {
      sku: { name: 'Standard' },
      properties: { networkRuleSet: { ipRules: [{ value: '192.0.2.1' }] } },
    },
  });
  expect((await arm.call('GET', './listUsages')).body).toEqual({
    value: [
      { name: 'Size', limit: 100 * 1024 ** 3, currentValue: 0, unit: 'Bytes' },
      { name: 'Webhooks', limit: 10, currentValue: 0, unit: 'Count' },
      { name: 'Geo-replications', limit: -1, currentValue: 0, unit: 'Count' },
      { name: 'IPRules', limit: 0, currentValue: 1, unit: 'Count' },
      { name: 'VNetRules', limit: 0, currentValue: 0, unit: 'Count' },
      { name: 'PrivateEndpointConnections', limit: 0, currentValue: 0, unit: 'Count' },
      { name: 'MaximumStorageCapacity', limit: 40 * 1024 ** 4, currentValue: 0, unit: 'Bytes' },
      { name: 'ScopeMaps', limit: 500, currentValue: 1, unit: 'Count' },
      { name: 'Tokens', limit: 500, currentValue: 1, unit: 'Count' },
    ],
  });
});
