import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readRegistry } from '../../src/access/registry.ts';
import { currentPolicy } from '../../src/access/settings/policy.ts';
import { at } from '../../src/cli/output.ts';
import { parseRepositoryName } from '../../src/model/names.ts';
import { type Caller, armTime, openCaller, refusal } from './caller.ts';

const DAY_MS = 86_400_000;

let arm: Caller;
beforeEach(async () => {
  arm = await openCaller();
});
afterEach(async () => {
  await arm.close();
});

async function patch(policies: unknown, more: object = {}) {
  return await arm.call('PATCH', '.', { body: { ...more, properties: { policies } } });
}

async function shown(): Promise<unknown> {
  return at((await arm.call('GET', '.')).body, 'properties.policies');
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' ? { ...value } : {};
}

describe('policies', () => {
  test('stay as they are where a change does not name them', async () => {
    const created = armTime(arm.app.clock.now());
    arm.app.clock.advance(DAY_MS);
    const changed = armTime(arm.app.clock.now());
    const { status } = await patch({
      retentionPolicy: { days: 30, status: 'Enabled', dockerMediaTypesOnly: true },
    });
    expect(status).toBe(200);
    arm.app.clock.advance(DAY_MS);
    await arm.call('PATCH', '.', { body: { properties: { adminUserEnabled: true } } });
    await arm.call('PUT', '.', { body: { location: 'test' } });
    expect(await shown()).toEqual({
      quarantinePolicy: { status: 'disabled' },
      trustPolicy: { type: 'Notary', status: 'disabled' },
      retentionPolicy: { days: 30, status: 'enabled', lastUpdatedTime: changed, dockerMediaTypesOnly: true },
      exportPolicy: { status: 'enabled' },
      azureADAuthenticationAsArmPolicy: { status: 'enabled' },
      softDeletePolicy: { retentionDays: 7, status: 'disabled', lastUpdatedTime: created },
    });
  });

  test.each([
    [{ retentionPolicy: { status: 'enabled' } }, 'retention', { enabled: true, days: 7 }],
    [{ retentionPolicy: { days: 0 } }, 'retention', { enabled: false, days: 0 }],
    [{ retentionPolicy: { days: 365 } }, 'retention', { enabled: false, days: 365 }],
    [{ softDeletePolicy: { status: 'enabled' } }, 'softDelete', { enabled: true, days: 7 }],
    [{ softDeletePolicy: { retentionDays: 1 } }, 'softDelete', { enabled: false, days: 1 }],
    [{ softDeletePolicy: { retentionDays: 90 } }, 'softDelete', { enabled: false, days: 90 }],
    [{ quarantinePolicy: { status: 'enabled' } }, 'quarantine', { enabled: true }],
  ] as const)('of %j are kept with the time of their change', async (policies, kind, kept) => {
    arm.app.clock.advance(DAY_MS);
    const updated = arm.app.clock.now();
    await patch(policies);
    arm.app.clock.advance(DAY_MS);
    // Said again, nothing changes: untagged manifests keep their time.
    await patch(policies);
    expect(await readRegistry(arm.ctx, arm.app.registry)).toMatchObject({ [kind]: { ...kept, updated } });
  });

  test('keep their time when only the media types change', async () => {
    await patch({ retentionPolicy: { status: 'enabled' } });
    const { retention } = await readRegistry(arm.ctx, arm.app.registry);
    arm.app.clock.advance(DAY_MS);
    await patch({ retentionPolicy: { dockerMediaTypesOnly: true } });
    expect((await readRegistry(arm.ctx, arm.app.registry)).retention).toEqual({
      ...retention,
      dockerOnly: true,
    });
  });

  test('are taken back as they were read and changed, as az and the SDKs do', async () => {
    const policies = fields(await shown());
    const update = async (name: string, change: object) =>
      await patch({ ...policies, [name]: { ...fields(policies[name]), ...change } });
    expect(await update('softDeletePolicy', { retentionDays: 14, status: 'enabled' })).toMatchObject({
      status: 200,
      body: { properties: { policies: { softDeletePolicy: { retentionDays: 14, status: 'enabled' } } } },
    });
    expect(await update('retentionPolicy', { days: 3 })).toMatchObject({
      status: 200,
      body: {
        properties: {
          policies: { retentionPolicy: { days: 3 }, softDeletePolicy: { status: 'disabled' } },
        },
      },
    });
  });

  test.each([
    [{ retentionPolicy: { days: 366 } }, "'properties.policies.retentionPolicy.days' must be a whole number"],
    [{ retentionPolicy: { days: -1 } }, 'from 0 to 365'],
    [{ retentionPolicy: { days: 1.5 } }, 'from 0 to 365'],
    [{ retentionPolicy: { days: '7' } }, 'from 0 to 365'],
    [
      { retentionPolicy: { status: 'on' } },
      "'properties.policies.retentionPolicy.status' must be enabled or",
    ],
    [{ retentionPolicy: { weeks: 1 } }, "'properties.policies.retentionPolicy.weeks' is not supported"],
    [{ retentionPolicy: { dockerMediaTypesOnly: 'yes' } }, 'dockerMediaTypesOnly'],
    [{ softDeletePolicy: { retentionDays: 0 } }, "'properties.policies.softDeletePolicy.retentionDays' must"],
    [{ softDeletePolicy: { retentionDays: 91 } }, 'from 1 to 90'],
    [{ softDeletePolicy: { days: 7 } }, "'properties.policies.softDeletePolicy.days' is not supported"],
    [{ quarantinePolicy: { status: true } }, "'properties.policies.quarantinePolicy.status'"],
    [{ quarantinePolicy: 'enabled' }, "'properties.policies.quarantinePolicy' must be an object"],
    [{ trustPolicy: { status: 'enabled' } }, 'trustPolicy.status\'. The only value supported is "disabled"'],
    [{ azureADAuthenticationAsArmPolicy: { status: 'disabled' } }, 'azureADAuthenticationAsArmPolicy.status'],
    [{ surprisePolicy: {} }, "'properties.policies.surprisePolicy' is not supported"],
  ])('of %j are refused by name and change nothing', async (policies, message) => {
    const before = await shown();
    expect(await patch(policies)).toMatchObject(refusal(400, 'InvalidRequest', message));
    expect(await shown()).toEqual(before);
  });

  test.each([
    [{ retentionPolicy: { status: 'enabled' } }, { softDeletePolicy: { status: 'enabled' } }],
    [{ softDeletePolicy: { status: 'enabled' } }, { retentionPolicy: { status: 'enabled' } }],
  ])('%j and %j cannot be together, as with ACR', async (first, second) => {
    await patch(first);
    expect(await patch(second)).toMatchObject(refusal(400, 'InvalidRequest', 'cannot both be enabled'));
    expect(await patch({ ...first, ...second })).toMatchObject({ status: 400 });
  });

  test('of retention are for Premium alone, and stand in the way of a smaller tier', async () => {
    const retention = { retentionPolicy: { status: 'enabled' } };
    expect(await patch(retention, { sku: { name: 'Standard' } })).toMatchObject(
      refusal(400, 'InvalidRequest', 'SKU Premium alone, not with Standard'),
    );
    expect(await patch(retention)).toMatchObject({ status: 200 });
    expect(await arm.call('PATCH', '.', { body: { sku: { name: 'Basic' } } })).toMatchObject({ status: 400 });
    await patch({ retentionPolicy: { status: 'disabled' } });
    expect(await arm.call('PATCH', '.', { body: { sku: { name: 'Basic' } } })).toMatchObject({ status: 200 });
    expect(await patch({ softDeletePolicy: { status: 'enabled' } })).toMatchObject({ status: 200 });
  });
});

describe('quarantine', () => {
  test('is judged at each read while it is on, and costs no repository anything afterwards', async () => {
    await patch({ quarantinePolicy: { status: 'enabled' } });
    const on = await currentPolicy(arm.ctx, arm.app.registry);
    expect([on.quarantine, on.guards(parseRepositoryName('any/thing'))]).toEqual([true, false]);
    await patch({ quarantinePolicy: { status: 'disabled' } });
    const off = await currentPolicy(arm.ctx, arm.app.registry);
    expect([off.quarantine, off.guards(parseRepositoryName('any/thing'))]).toEqual([false, false]);
  });
});
