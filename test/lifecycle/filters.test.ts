import { describe, expect, test } from 'vitest';
import { parseAge } from '../../src/lifecycle/rules/select/age.ts';
import { compileExpression } from '../../src/lifecycle/rules/select/expression.ts';
import { compileFilters, parseFilter } from '../../src/lifecycle/rules/select/filters.ts';
import { matchesGlob } from '../../src/lifecycle/rules/select/glob.ts';
import { Problem } from '../../src/model/problem.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe('a duration of acr purge', () => {
  test.each([
    ['30d', 30 * DAY],
    ['2d3h30m', 2 * DAY + 3.5 * HOUR],
    ['12h', 12 * HOUR],
    ['1h15m30.5s', HOUR + 15 * 60_000 + 30_500],
    ['1.5h', 1.5 * HOUR],
    ['.5h', 0.5 * HOUR],
    ['0d', 0],
    ['0', 0],
    ['1d0s', DAY],
    ['10ms', 10],
    ['1000us', 1],
    ['1000µs', 1],
    ['100000d', 150 * 365 * DAY],
  ])('%s is read', (text, milliseconds) => {
    expect(parseAge(text)).toBe(milliseconds);
  });

  test.each(['', '7', '-1h', '1', 'd', '3h2d', '1d2d', '1.5d', '1 d', '7days', '1w', '1h1', '1e3h', ' 1d'])(
    '"%s" is refused, not taken for none',
    (text) => {
      expect(() => parseAge(text)).toThrow(Problem);
    },
  );
});

describe('a filter', () => {
  test.each([
    ['hello-world:.*', 'hello-world', '.*'],
    ['.*:^v1', '.*', '^v1'],
    ['team/(?:a|b):x', 'team/(?:a|b)', 'x'],
    ['app:(?i:RC)\\d', 'app', '(?i:RC)\\d'],
    ['[[:alpha:]]+:[[:digit:]]', '[[:alpha:]]+', '[[:digit:]]'],
    ['a:[x[:^digit:]]', 'a', '[x[:^digit:]]'],
  ])('%s is parted at its colon', (text, repository, tag) => {
    expect(parseFilter(text)).toEqual({ repository, tag });
  });

  test.each(['', ':', 'app', 'app:', ':v1', 'a:b:c', 'a::b', '(?:a)'])('"%s" is refused', (text) => {
    expect(() => parseFilter(text)).toThrow("is not '<repository>:<regular expression of tags>'");
  });

  test.each<[filters: string[], repository: string, tags: string[] | undefined]>([
    [['app:.*'], 'app', ['v1', 'v10', 'latest', 'pr-1']],
    [['app:.*'], 'team/app', undefined],
    [['app:.*'], 'apple', undefined],
    [['.*app:.*'], 'team/app', ['v1', 'v10', 'latest', 'pr-1']],
    // The tag is not anchored.
    [['app:1'], 'app', ['v1', 'v10', 'pr-1']],
    [['app:^v1$'], 'app', ['v1']],
    [['app:^v1', 'app:pr'], 'app', ['v1', 'v10', 'pr-1']],
    [['app:^v1$', 'a.*:test', '.*:^lat'], 'app', ['v1', 'latest']],
    [['one|two:.*'], 'one', ['v1', 'v10', 'latest', 'pr-1']],
    [['one|two:.*'], 'one-more', undefined],
    [['app:\\w*est\\w*'], 'app', ['latest']],
    [['(?i)APP:(?i)PR'], 'app', ['pr-1']],
    // What RE2 cannot, but acr purge can.
    [['app:^(?!v|latest$).*'], 'app', ['pr-1']],
    [['app:(?i)^(?!V)'], 'app', ['latest', 'pr-1']],
    [['(?!team/).*:.*'], 'team/app', undefined],
  ])('%j in %s matches %j', async (filters, repository, tags) => {
    const all = ['v1', 'v10', 'latest', 'pr-1'];
    const found = (await compileFilters(filters)).tagsOf(repository)?.(all);
    expect(found && all.filter((_, i) => found[i])).toEqual(tags);
  });

  test.each(['app:(', 'app:[', ')a(:b', 'app:*', 'a{1001}:x', 'app:\\', `app:${'x'.repeat(1001)}`])(
    '%s is no expression',
    async (filter) => {
      await expect(compileFilters([filter])).rejects.toThrow(/^The expression .* cannot be used: /s);
    },
  );

  test('that would think for ever answers at once, or is given up', async () => {
    const evil = 'a'.repeat(127) + '!';
    const started = performance.now();
    expect((await compileExpression('^(a+)+$'))([evil])).toEqual([false]);
    expect((await compileExpression('(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)x'))([evil])).toEqual([false]);
    const looking = await compileExpression('^(?!x)(a|aa)+$');
    expect(() => looking([evil])).toThrow('Script execution timed out');
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test('comes among a hundred others at most', async () => {
    const filters = Array.from({ length: 101 }, (_, i) => `app${i}:.*`);
    await expect(compileFilters(filters)).rejects.toThrow('More than 100 filters.');
  });
});

describe('a pattern of a lifecycle rule', () => {
  test.each([
    ['*', ''],
    ['*', 'team/app'],
    ['app', 'app'],
    ['team/*', 'team/app'],
    ['team/*', 'team/deep/app'],
    ['*/app', 'team/deep/app'],
    ['pr-?', 'pr-1'],
    ['*-*-rc*', '1-2-3-rc4'],
    ['a*a', 'aaaa'],
    ['v1.*', 'v1.0'],
  ])('%s stands for %s', (pattern, text) => {
    expect(matchesGlob(pattern, text)).toBe(true);
  });

  test.each([
    ['app', 'apple'],
    ['app', 'my/app'],
    ['team/*', 'team'],
    ['pr-?', 'pr-10'],
    ['v1.*', 'v10'],
    ['a*a', 'a'],
    ['', 'x'],
    ['*x', 'y'],
  ])('%s does not stand for %s', (pattern, text) => {
    expect(matchesGlob(pattern, text)).toBe(false);
  });

  test('is never slow', () => {
    const started = performance.now();
    expect(matchesGlob('*a'.repeat(60) + 'b', 'a'.repeat(255))).toBe(false);
    expect(performance.now() - started).toBeLessThan(500);
  });
});
