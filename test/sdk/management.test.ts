import { ContainerRegistryManagementClient, type Token } from '@azure/arm-containerregistry';
import { isRestError } from '@azure/core-rest-pipeline';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type SdkLab, type Someone, openSdkLab } from './lab.ts';

const SUBSCRIPTION = '11111111-2222-3333-4444-555555555555';
const GROUP = 'mine';
const ACTIONS = ['repositories/team/*/content/read', 'repositories/team/*/content/write'];

let lab: SdkLab;
let owner: ContainerRegistryManagementClient;
let name: string;
beforeEach(async () => {
  lab = await openSdkLab();
  name = lab.registry;
  owner = manage(await lab.principal(['Owner']));
});
afterEach(async () => {
  await lab.close();
});

function manage(someone: Someone): ContainerRegistryManagementClient {
  return new ContainerRegistryManagementClient(someone, SUBSCRIPTION, {
    endpoint: lab.url,
    credentials: { scopes: ['https://management.azure.com/.default'] },
  });
}

/** Status of the answer to GET `/v2/` with these credentials. */
async function signIn(username: string, password: string | undefined): Promise<number> {
  const text = Buffer.from(`${username}:${password}`).toString('base64');
  const response = await fetch(`${lab.url}/v2/`, { headers: { authorization: `Basic ${text}` } });
  await response.arrayBuffer();
  return response.status;
}

async function refusalOf(call: PromiseLike<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    return isRestError(error) ? [error.statusCode, error.code] : error;
  }
  return 'no error';
}

describe('the management SDK', () => {
  test('shows the registry, alone and in lists', async () => {
    const found = await owner.registries.get(GROUP, name);
    expect(found).toMatchObject({
      name,
      type: 'Microsoft.ContainerRegistry/registries',
      loginServer: new URL(lab.url).host,
      adminUserEnabled: false,
      sku: { name: 'Premium' },
      provisioningState: 'Succeeded',
    });
    expect(found.creationDate).toBeInstanceOf(Date);
    expect(await Array.fromAsync(owner.registries.list())).toMatchObject([{ name }]);
    expect(await Array.fromAsync(owner.registries.listByResourceGroup(GROUP))).toMatchObject([{ name }]);
  });

  test('turns the admin user on, lists its passwords and makes one anew', async () => {
    expect(await refusalOf(owner.registries.listCredentials(GROUP, name))).toEqual([
      400,
      'UnAuthorizedForCredentialOperations',
    ]);
    const updated = await owner.registries.update(GROUP, name, { adminUserEnabled: true });
    expect(updated.adminUserEnabled).toBe(true);
    const { username, passwords = [] } = await owner.registries.listCredentials(GROUP, name);
    expect(username).toBe(name);
    expect(passwords.map((password) => password.name)).toEqual(['password', 'password2']);
    for (const { value } of passwords) expect(await signIn(name, value)).toBe(200);
    const fresh = await owner.registries.regenerateCredential(GROUP, name, { name: 'password' });
    expect(await signIn(name, passwords[0]?.value)).toBe(401);
    for (const { value } of fresh.passwords ?? []) expect(await signIn(name, value)).toBe(200);
  });

  test('makes, changes, lists and deletes scope maps', async () => {
    const made = await owner.scopeMaps.create(GROUP, name, 'team-map', {
      actions: ACTIONS,
      description: 'one',
    });
    expect(made).toMatchObject({ name: 'team-map', actions: ACTIONS, provisioningState: 'Succeeded' });
    const changed = await owner.scopeMaps.update(GROUP, name, 'team-map', { description: 'two' });
    expect(changed).toMatchObject({ actions: ACTIONS, description: 'two' });
    expect(await owner.scopeMaps.get(GROUP, name, 'team-map')).toEqual(changed);
    const listed = async () =>
      (await Array.fromAsync(owner.scopeMaps.list(GROUP, name))).map((map) => map.name);
    expect(await listed()).toEqual(expect.arrayContaining(['team-map', '_repositories_admin']));
    await owner.scopeMaps.delete(GROUP, name, 'team-map');
    expect(await listed()).not.toContain('team-map');
    expect(await refusalOf(owner.scopeMaps.get(GROUP, name, 'team-map'))).toEqual([404, 'ResourceNotFound']);
  });

  test('makes a token whose generated password signs in until the token is switched off', async () => {
    const map = await owner.scopeMaps.create(GROUP, name, 'team-map', { actions: ACTIONS });
    const token: Token = await owner.tokens.create(GROUP, name, 'builder', {
      ...(map.id !== undefined && { scopeMapId: map.id }),
      status: 'enabled',
    });
    expect(token).toMatchObject({ name: 'builder', scopeMapId: map.id, status: 'enabled' });
    const { username, passwords } = await owner.registries.generateCredentials(GROUP, name, {
      tokenId: token.id ?? '',
      name: 'password1',
      expiry: new Date(Date.now() + 86_400_000),
    });
    expect(username).toBe('builder');
    const password = passwords?.find((one) => one.name === 'password1');
    expect(password?.expiry).toBeInstanceOf(Date);
    expect(await signIn('builder', password?.value)).toBe(200);
    const shown = await owner.tokens.get(GROUP, name, 'builder');
    expect(shown.credentials?.passwords?.[0]).toMatchObject({ name: 'password1' });
    expect(shown.credentials?.passwords?.[0]?.value).toBeUndefined();
    await owner.tokens.update(GROUP, name, 'builder', { status: 'disabled' });
    expect(await signIn('builder', password?.value)).toBe(401);
    await owner.tokens.delete(GROUP, name, 'builder');
    expect(await Array.fromAsync(owner.tokens.list(GROUP, name))).toEqual([]);
  });

  test('sets who may pull, and from where', async () => {
    const { anonymousPullEnabled, networkRuleSet } = await owner.registries.update(GROUP, name, {
      anonymousPullEnabled: true,
      networkRuleSet: {
        defaultAction: 'Deny',
        ipRules: [{ action: 'Allow', iPAddressOrRange: '127.0.0.0/8' }],
      },
    });
    expect(anonymousPullEnabled).toBe(true);
    expect(networkRuleSet).toMatchObject({
      defaultAction: 'Deny',
      ipRules: [{ iPAddressOrRange: '127.0.0.0/8' }],
    });
  });

  test('sets policies one by one, as it read them', async () => {
    const { policies } = await owner.registries.get(GROUP, name);
    const kept = await owner.registries.update(GROUP, name, {
      policies: {
        ...policies,
        retentionPolicy: { ...policies?.retentionPolicy, days: 30, status: 'enabled' },
      },
    });
    expect(kept.policies).toMatchObject({
      retentionPolicy: { days: 30, status: 'enabled' },
      quarantinePolicy: { status: 'disabled' },
    });
    expect(kept.policies?.retentionPolicy?.lastUpdatedTime).toBeInstanceOf(Date);
    const next = await owner.registries.update(GROUP, name, {
      policies: { quarantinePolicy: { status: 'enabled' } },
    });
    expect(next.policies).toMatchObject({
      retentionPolicy: { days: 30, status: 'enabled' },
      quarantinePolicy: { status: 'enabled' },
    });
  });

  test('lists what is stored and what the tier allows', async () => {
    const { value = [] } = await owner.registries.listUsages(GROUP, name);
    expect(value[0]).toEqual({ name: 'Size', limit: 500 * 1024 ** 3, currentValue: 0, unit: 'Bytes' });
  });

  test('checks a name', async () => {
    const type = 'Microsoft.ContainerRegistry/registries' as const;
    expect(await owner.registries.checkNameAvailability({ name, type })).toMatchObject({
      nameAvailable: false,
      reason: 'AlreadyExists',
    });
  });

  test('changes nothing for a reader, and shows nothing to others', async () => {
    const reader = manage(await lab.principal(['Reader']));
    expect((await reader.registries.get(GROUP, name)).name).toBe(name);
    const change = reader.registries.update(GROUP, name, { adminUserEnabled: true });
    expect(await refusalOf(change)).toEqual([403, 'AuthorizationFailed']);
    expect((await reader.registries.get(GROUP, name)).adminUserEnabled).toBe(false);
    const pusher = manage(await lab.principal(['AcrPush']));
    expect(await refusalOf(pusher.registries.get(GROUP, name))).toEqual([403, 'AuthorizationFailed']);
  });
});
