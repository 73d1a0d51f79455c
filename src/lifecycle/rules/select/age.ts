import { Problem } from '../../../model/problem.ts';

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const DAY_MS = 86_400_000;
/** Longer ones mean this, as with `acr purge`. */
const LONGEST_MS = 150 * 365 * DAY_MS;

/**
 * Milliseconds of an `--ago`: Go's duration, and days before it, as in `2d3h30m`. Throws REQUEST_INVALID. Stricter than
 * `acr purge`, which takes what it cannot read for nothing, and then deletes everything.
 */
export function parseAge(text: string): number {
  const match = /^(?:(\d+)d)?((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))*|0)$/.exec(text);
  if (!match || text === '') {
    const message = `'${text.slice(0, 100)}' is not a duration such as 30d, 12h or 2d3h30m.`;
    throw new Problem('REQUEST_INVALID', undefined, { message });
  }
  const [, days = '0', rest = ''] = match;
  let total = Number(days) * DAY_MS;
  for (const [, number = '', unit = ''] of rest.matchAll(/([\d.]+)([a-zµμ]+)/g)) {
    total += Number(number) * (UNITS[unit] ?? 0);
  }
  return Math.min(total, LONGEST_MS);
}
