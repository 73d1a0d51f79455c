import { describe, expect, test } from 'vitest';
import { CronError, nextTime, parseCron } from '../../src/model/policy/cron.ts';

const START = Date.UTC(2026, 0, 15, 10, 30, 20); // A Thursday.

function next(text: string, after = START): string {
  const time = nextTime(parseCron(text), after);
  return time === undefined ? 'never' : new Date(time).toISOString().slice(0, 16).replace('T', ' ');
}

describe('a schedule', () => {
  test.each([
    ['* * * * *', '2026-01-15 10:31'],
    ['0 * * * *', '2026-01-15 11:00'],
    ['*/15 * * * *', '2026-01-15 10:45'],
    ['0 1 * * *', '2026-01-16 01:00'],
    ['30 10 * * *', '2026-01-16 10:30'],
    ['31 10 * * *', '2026-01-15 10:31'],
    ['0 0 1 * *', '2026-02-01 00:00'],
    ['0 0 * * 0', '2026-01-18 00:00'],
    ['0 0 * * 7', '2026-01-18 00:00'],
    ['0 9-17/4 * * 1-5', '2026-01-15 13:00'],
    ['0 12 * * 1-5', '2026-01-15 12:00'],
    ['5,50 10 * * *', '2026-01-15 10:50'],
    ['10/20 * * * *', '2026-01-15 10:50'],
    ['0 0 13 * 5', '2026-01-16 00:00'],
    ['0 0 */2 * 1', '2026-01-19 00:00'],
    ['0 0 29 2 *', '2028-02-29 00:00'],
    ['0 0 31 12 *', '2026-12-31 00:00'],
    ['  0   1  *  * * ', '2026-01-16 01:00'],
  ])('%s comes next at %s', (text, time) => {
    expect(next(text)).toBe(time);
  });

  test('comes after a time, not at it', () => {
    expect(next('0 1 * * *', Date.UTC(2026, 0, 16, 1))).toBe('2026-01-17 01:00');
    expect(next('0 1 * * *', Date.UTC(2026, 0, 16, 0, 59, 59, 999))).toBe('2026-01-16 01:00');
  });

  test.each([
    '',
    '* * * *',
    '* * * * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * * 13 *',
    '* * * * 8',
    '*/0 * * * *',
    '5-1 * * * *',
    'a * * * *',
    '1, * * * *',
    '* * * JAN *',
    '@daily',
    '0 0 31 2 *',
    '-1 * * * *',
  ])('"%s" is refused', (text) => {
    expect(() => parseCron(text)).toThrow(CronError);
  });
});
