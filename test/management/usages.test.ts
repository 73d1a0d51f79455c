import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { measure } from '../lifecycle/measuring.ts';
import { at, listAt } from '../../src/cli/output.ts';
import { pushImage } from '../support/push.ts';
import { type Caller, armTime, openCaller } from './caller.ts';

const GIB = 1024 ** 3;
const TIB = 1024 ** 4;

let arm: Caller;
beforeEach(async () => {
  arm = await openCaller();
});
afterEach(async () => {
  await arm.close();
});

describe('usages', () => {
  test.each([
    ['Basic', 10, 40],
    ['Standard', 100, 40],
    ['Premium', 500, 100],
  ])('of %s tell the bytes stored, those included and those that are possible', async (name, gib, tib) => {
    await arm.call('PATCH', '.', { body: { sku: { name } } });
    const { manifest, config, layer } = await pushImage(arm.app, 'app', 'v1');
    const currentValue = manifest.size + config.size + layer.size;
    const { body } = await arm.call('GET', './listUsages');
    expect(listAt(body, 'value')).toEqual(
      expect.arrayContaining([
        { name: 'Size', limit: gib * GIB, currentValue, unit: 'Bytes' },
        { name: 'MaximumStorageCapacity', limit: tib * TIB, currentValue, unit: 'Bytes' },
        { name: 'Webhooks', limit: expect.any(Number), currentValue: 0, unit: 'Count' },
      ]),
    );
    expect(at(body, 'value.0.name')).toBe('Size');
  });

  test('of repositories tell what each stores, and of it what no other has', async () => {
    const { manifest, config, layer } = await pushImage(arm.app, 'team/app', 'v1');
    const size = manifest.size + config.size + layer.size;
    const row = { name: 'team/app', size, manifestCount: 1, tagCount: 1 };
    const before = await arm.call('GET', './listRepositoryUsages');
    expect(before.body).toEqual({ value: [{ ...row, lastUpdateTime: expect.any(String) }] });
    await pushImage(arm.app, 'copy', 'v1');
    const measuredTime = armTime(arm.app.clock.now());
    await measure(arm.app);
    const { body } = await arm.call('GET', './listRepositoryUsages', { write: false });
    expect(listAt(body, 'value')).toMatchObject([
      { name: 'copy', size, uniqueSize: manifest.size },
      { ...row, uniqueSize: manifest.size, measuredTime },
    ]);
  });

  test('of many repositories come page by page', async () => {
    const names = Array.from({ length: 70 }, (_, i) => `app-${String(i).padStart(2, '0')}`);
    for (const name of names) await pushImage(arm.app, name, 'v1');
    const first = await arm.call('GET', './listRepositoryUsages');
    const link = new URL(String(at(first.body, 'nextLink')));
    const second = await arm.call('GET', link.pathname, { query: Object.fromEntries(link.searchParams) });
    expect(at(second.body, 'nextLink')).toBeUndefined();
    const found = [...listAt(first.body, 'value'), ...listAt(second.body, 'value')];
    expect(found.map((entry) => at(entry, 'name'))).toEqual(names);
  });
});
