import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { openThrottle } from '../../src/guard/throttle.ts';
import { Problem } from '../../src/model/problem.ts';
import { createClock } from '../support/app.ts';

const HERE = '203.0.113.9';
const THERE = '198.51.100.7';
const wrong = () => Promise.resolve(undefined);
const right = () => Promise.resolve('in');

function openLab() {
  const clock = createClock(1_000_000);
  const pauses: number[] = [];
  const throttle = openThrottle({
    now: clock.now,
    pause: (milliseconds) => {
      pauses.push(milliseconds);
      return Promise.resolve();
    },
  });
  const attempt = async (identity: string, address: string, check: () => Promise<string | undefined>) => {
    const before = pauses.length;
    try {
      const found = await throttle.attempt(identity, address, check);
      return { outcome: found ?? 'wrong', pauses: pauses.slice(before) };
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return {
        outcome: `${error.status} after ${error.headers['retry-after']}`,
        pauses: pauses.slice(before),
      };
    }
  };
  const fail = async (times: number, identity: string, address: string) => {
    for (let i = 0; i < times; i++) await attempt(identity, address, wrong);
  };
  return { clock, pauses, attempt, fail, throttle };
}

describe('guessing at one identity from one address', () => {
  test('is slowed after five failures, more each time, up to two seconds', async () => {
    const { attempt, fail } = openLab();
    await fail(6, 'ada', HERE);
    const waited = [];
    for (let i = 0; i < 9; i++) waited.push(...(await attempt('ada', HERE, wrong)).pauses);
    expect(waited).toEqual([100, 200, 400, 800, 1600, 2000, 2000, 2000, 2000]);
  });

  test('is refused without looking after twenty failures, with the seconds to wait', async () => {
    const { attempt, clock, fail } = openLab();
    await fail(20, 'ada', HERE);
    clock.advance(1500);
    let looked = false;
    const answer = await attempt('ada', HERE, () => {
      looked = true;
      return right();
    });
    expect(answer.outcome).toBe('429 after 59');
    expect(looked).toBe(false);
  });

  test('is forgotten after a quiet minute, and not sooner', async () => {
    const { attempt, clock, fail } = openLab();
    await fail(20, 'ada', HERE);
    clock.advance(59_999);
    expect((await attempt('ada', HERE, right)).outcome).toBe('429 after 1');
    clock.advance(1);
    expect(await attempt('ada', HERE, right)).toEqual({ outcome: 'in', pauses: [] });
  });

  test('is not lifted by changing the address inside of one’s own IPv6 network', async () => {
    const { attempt, fail } = openLab();
    await fail(10, 'ada', '2001:db8:1:2::1');
    await fail(10, 'ada', '2001:db8:1:2:ffff::2');
    expect((await attempt('ada', '2001:db8:1:2::3', right)).outcome).toMatch(/^429/);
    expect((await attempt('ada', '2001:db8:1:3::3', right)).outcome).toBe('in');
  });

  test('gets no more guesses by sending all of them at once', async () => {
    const { throttle } = openLab();
    let looks = 0;
    const guesses = Array.from({ length: 500 }, () =>
      throttle.attempt('ada', HERE, async () => {
        looks += 1;
        await turn();
        return undefined;
      }),
    );
    const settled = await Promise.allSettled(guesses);
    expect(looks).toBeLessThan(64);
    expect(settled.filter(({ status }) => status === 'rejected')).toHaveLength(500 - looks);
  });

  test('an error on the way to the answer is no failure', async () => {
    const { attempt, throttle } = openLab();
    for (let i = 0; i < 30; i++) {
      const broken = throttle.attempt('ada', HERE, () => Promise.reject(new Error('storage is down')));
      await expect(broken).rejects.toThrow('storage is down');
    }
    expect(await attempt('ada', HERE, right)).toEqual({ outcome: 'in', pauses: [] });
  });
});

describe('somebody else', () => {
  test('is neither slowed nor refused at another address', async () => {
    const { attempt, fail } = openLab();
    await fail(30, 'ada', HERE);
    expect(await attempt('ada', THERE, right)).toEqual({ outcome: 'in', pauses: [] });
  });

  test('is neither slowed nor refused at the same address', async () => {
    const { attempt, fail } = openLab();
    await fail(20, 'ada', HERE);
    expect(await attempt('bob', HERE, right)).toEqual({ outcome: 'in', pauses: [] });
  });

  test('may sign in many times at once', async () => {
    const { throttle, pauses } = openLab();
    const many = Array.from({ length: 300 }, () =>
      throttle.attempt('cluster', HERE, async () => {
        await turn();
        return 'in';
      }),
    );
    expect(new Set(await Promise.all(many))).toEqual(new Set(['in']));
    expect(pauses).toEqual([]);
  });
});

describe('where the address is unknown', () => {
  test('nobody is refused, only slowed: the owner could be meant', async () => {
    const { attempt, fail } = openLab();
    await fail(200, 'ada', '');
    expect(await attempt('ada', '', right)).toEqual({ outcome: 'in', pauses: [2000] });
    expect(await attempt('bob', '', right)).toEqual({ outcome: 'in', pauses: [] });
  });

  test('nobody is refused because of those who wait in line', async () => {
    const { fail, throttle } = openLab();
    await fail(10, 'ada', '');
    const waiting = Array.from({ length: 100 }, () => throttle.attempt('ada', '', wrong));
    expect(await throttle.attempt('ada', '', right)).toBe('in');
    expect(new Set(await Promise.all(waiting))).toEqual(new Set([undefined]));
  });
});

describe('trying many identities from one address', () => {
  test('is slowed, whichever identity comes next', async () => {
    const { attempt, fail } = openLab();
    for (let i = 0; i < 53; i++) await fail(1, `name${i}`, HERE);
    expect((await attempt('yet-another', HERE, wrong)).pauses).toEqual([400]);
  });

  test('slows nobody who signed in from there before, nor anybody elsewhere', async () => {
    const { attempt, fail } = openLab();
    await attempt('honest', HERE, right);
    for (let i = 0; i < 200; i++) await fail(1, `name${i}`, HERE);
    expect(await attempt('honest', HERE, right)).toEqual({ outcome: 'in', pauses: [] });
    expect(await attempt('honest', THERE, right)).toEqual({ outcome: 'in', pauses: [] });
  });

  test('refuses nobody', async () => {
    const { attempt, fail } = openLab();
    for (let i = 0; i < 1000; i++) await fail(1, `name${i}`, HERE);
    expect(await attempt('newcomer', HERE, right)).toEqual({ outcome: 'in', pauses: [2000] });
  });
});
