import { describe, expect, test } from 'vitest';
import { type CallKind, type LimitedCall, callKind, openLimits } from '../../src/guard/limits.ts';
import { Problem } from '../../src/model/problem.ts';
import { parseRegistryName } from '../../src/model/names.ts';
import { createClock } from '../support/app.ts';

const registry = parseRegistryName('limited');
const REMAINING = 'x-ms-ratelimit-remaining-calls-per-second';

function openLab(sku: LimitedCall['sku'] = 'Premium') {
  const clock = createClock(1_000_000);
  const limits = openLimits(clock);
  const take = (kind: CallKind, identity: string, more: Partial<LimitedCall> = {}) => {
    try {
      return { passed: true, headers: limits.take({ registry, sku, kind, identity, ...more }) };
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return { passed: false, headers: error.headers, status: error.status, code: error.code };
    }
  };
  /** How many calls pass at once, up to `most`. */
  const passing = (kind: CallKind, identity: string, more: Partial<LimitedCall> = {}, most = 50_000) => {
    let passed = 0;
    while (passed < most && take(kind, identity, more).passed) passed += 1;
    return passed;
  };
  return { clock, take, passing };
}

describe('limits of the tiers', () => {
  // Calls a minute of one identity and of a registry (ACR features section 0).
  test.each([
    ['Basic', 'read', 5000, 10_000],
    ['Basic', 'write', 1000, 2000],
    ['Basic', 'delete', 500, 1000],
    ['Basic', 'listReferrers', 250, 500],
    ['Basic', 'oauth', 5000, 10_000],
    ['Standard', 'read', 5000, 10_000],
    ['Standard', 'write', 1000, 2000],
    ['Standard', 'delete', 500, 1000],
    ['Standard', 'listReferrers', 250, 500],
    ['Standard', 'oauth', 5000, 10_000],
    ['Premium', 'read', 10_000, 20_000],
    ['Premium', 'write', 2000, 4000],
    ['Premium', 'delete', 2000, 4000],
    ['Premium', 'listReferrers', 1000, 2000],
    ['Premium', 'oauth', 10_000, 20_000],
  ] as const)('%s %s: %i an identity, %i a registry', (sku, kind, own, shared) => {
    const { passing } = openLab(sku);
    expect(passing(kind, 'a')).toBe(own);
    expect(passing(kind, 'b')).toBe(shared - own);
    expect(passing(kind, 'c')).toBe(0);
  });

  test('each kind of call and each registry has its own', () => {
    const { passing, take } = openLab('Basic');
    expect(passing('delete', 'a')).toBe(500);
    expect(take('write', 'a').passed).toBe(true);
    expect(take('delete', 'a', { registry: parseRegistryName('another') }).passed).toBe(true);
    expect(take('delete', 'a').passed).toBe(false);
  });
});

describe('a bucket', () => {
  test('that is empty refuses with 429 and the seconds until there is a token', () => {
    const { passing, take } = openLab('Basic');
    passing('listReferrers', 'a');
    // 250 a minute: one each 240 ms.
    expect(take('listReferrers', 'a')).toEqual({
      passed: false,
      status: 429,
      code: 'TOOMANYREQUESTS',
      headers: { 'retry-after': '1' },
    });
  });

  test('gives the next token at the very moment it has grown back, and only one', () => {
    const { clock, passing, take } = openLab('Basic');
    passing('listReferrers', 'a');
    clock.advance(239);
    expect(take('listReferrers', 'a').passed).toBe(false);
    clock.advance(1);
    expect(take('listReferrers', 'a').passed).toBe(true);
    expect(take('listReferrers', 'a').passed).toBe(false);
  });

  test('that is asked in vain loses nothing', () => {
    const { clock, passing, take } = openLab('Basic');
    passing('delete', 'a');
    for (let i = 0; i < 1000; i++) take('delete', 'a');
    clock.advance(120);
    expect(take('delete', 'a').passed).toBe(true);
  });

  test('is full again after a minute, and never more than full', () => {
    const { clock, passing } = openLab('Basic');
    expect(passing('delete', 'a')).toBe(500);
    clock.advance(60_000);
    expect(passing('delete', 'a')).toBe(500);
    clock.advance(3_600_000);
    expect(passing('delete', 'a')).toBe(500);
  });

  test('waiting as long as Retry-After says is enough', () => {
    const { clock, passing, take } = openLab('Basic');
    passing('delete', 'a');
    const refused = take('delete', 'a');
    clock.advance(Number(refused.headers['retry-after']) * 1000);
    expect(take('delete', 'a').passed).toBe(true);
  });
});

describe('what is told', () => {
  test('sign-ins and deletes hear what the registry has left, as from ACR', () => {
    const { take } = openLab('Standard');
    expect(take('oauth', 'a').headers).toEqual({ [REMAINING]: '166.65' });
    expect(take('oauth', 'b').headers).toEqual({ [REMAINING]: '166.633333' });
    expect(take('delete', 'a').headers).toEqual({ [REMAINING]: '16.65' });
    expect(take('read', 'a').headers).toEqual({});
  });

  test('a Premium registry has 333.3 sign-ins a second', () => {
    const { take } = openLab('Premium');
    take('oauth', 'a');
    expect(take('oauth', 'a').headers).toEqual({ [REMAINING]: '333.3' });
  });

  test('a refused delete hears it too', () => {
    const { passing, take } = openLab('Basic');
    passing('delete', 'a');
    passing('delete', 'b');
    expect(take('delete', 'c').headers).toEqual({ 'retry-after': '1', [REMAINING]: '0' });
  });
});

describe('somebody who has proven nothing', () => {
  test('uses up his own share, and never the registry’s', () => {
    const { passing, take } = openLab('Basic');
    for (const address of ['198.51.100.1', '198.51.100.2', '198.51.100.3'])
      expect(passing('oauth', address, { unproven: true })).toBe(5000);
    expect(take('oauth', 'honest').passed).toBe(true);
  });

  test('cannot make the registry forget who has called too often', () => {
    const { passing, take } = openLab('Basic');
    passing('delete', 'a');
    for (let i = 0; i < 30_000; i++) take('delete', `stranger ${i}`, { unproven: true });
    expect(take('delete', 'a').passed).toBe(false);
  });
});

test.each([
  ['pull', 'GET', 'read'],
  ['pull', 'HEAD', 'read'],
  ['catalog', 'GET', 'read'],
  ['sign-in', 'GET', 'read'],
  ['metadata_read', 'GET', 'read'],
  ['metadata_write', 'PATCH', 'write'],
  ['push', 'POST', 'write'],
  ['session', 'PATCH', 'write'],
  ['session', 'PUT', 'write'],
  ['session', 'DELETE', 'write'],
  ['session', 'GET', 'read'],
  ['delete', 'DELETE', 'delete'],
])('a call that needs %s by %s is a %s', (permission, method, kind) => {
  expect(callKind(permission, method)).toBe(kind);
});
