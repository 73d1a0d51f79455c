import { describe, expect, test } from 'vitest';
import { readPurge } from '../../src/lifecycle/rules/select/purge.ts';
import { selectByRules } from '../../src/lifecycle/rules/select/policy.ts';
import { selectRetained } from '../../src/lifecycle/rules/select/retention.ts';
import type { LifecycleRule, PurgeOptions } from '../../src/model/policy/lifecycle.ts';
import { DAY, NOW, type Sketch, digestFor, going } from './states.ts';

type Manifests = Readonly<Record<string, Sketch>>;

const DOCKER = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

describe('retention deletes', () => {
  const WEEK = { days: 7, updated: NOW - 30 * DAY };
  test.each<[what: string, policy: Parameters<typeof selectRetained>[0], Manifests, gone: string[]]>([
    ['what lost its last tag long enough ago', WEEK, { a: { untagged: 8 }, b: { untagged: 6 } }, ['@a']],
    ['what lost it to the moment long enough ago', WEEK, { a: { untagged: 7 } }, ['@a']],
    ['nothing that has a tag again', WEEK, { a: { untagged: 8, tags: { v1: 0 } } }, []],
    ['nothing that never had one', WEEK, { a: { age: 20 } }, []],
    ['nothing that lost it before the policy', WEEK, { a: { untagged: 31 }, b: { untagged: 30 } }, ['@b']],
    ['at once with no days', { ...WEEK, days: 0 }, { a: { untagged: 0 }, b: {} }, ['@a']],
    ['nothing locked', WEEK, { a: { untagged: 8, locks: 'd' }, b: { untagged: 8, locks: 'w' } }, []],
    [
      'children with their index',
      WEEK,
      { a: { untagged: 8, children: ['b', 'c', 'd'] }, b: {}, c: { untagged: 2 }, d: { tags: { v1: 9 } } },
      ['@a>b'],
    ],
    [
      'children of children, and what refers to them',
      WEEK,
      { a: { untagged: 8, children: ['b'] }, b: { children: ['c'] }, c: {}, s: { subject: 'c' } },
      ['@a>b>c>s'],
    ],
    [
      'no child that another index lists',
      WEEK,
      { a: { untagged: 8, children: ['b'] }, o: { tags: { v1: 0 }, children: ['b'] }, b: {} },
      ['@a'],
    ],
    ['no referrer of what stays', WEEK, { a: { tags: { v1: 9 } }, s: { untagged: 8, subject: 'a' } }, []],
    [
      'Docker types alone where it is told to, and children never',
      { ...WEEK, dockerOnly: true },
      {
        a: { untagged: 8 },
        b: { untagged: 8, mediaType: DOCKER },
        c: { untagged: 8, mediaType: DOCKER_LIST, children: ['d'] },
        d: { mediaType: DOCKER },
      },
      ['@b', '@c'],
    ],
  ])('%s', (_, policy, manifests, gone) => {
    expect(going(manifests, selectRetained(policy, NOW))).toEqual(gone);
  });
});

const OPTIONS: PurgeOptions = {
  filters: ['app:.*'],
  ago: '7d',
  keep: 0,
  untagged: false,
  untaggedOnly: false,
  includeLocked: false,
};

async function purge(options: Partial<PurgeOptions>, manifests: Manifests): Promise<string[] | undefined> {
  const select = (await readPurge({ ...OPTIONS, ...options }, NOW))('app');
  return select && going(manifests, select);
}

describe('a purge deletes', () => {
  const tagged = { a: { age: 9, tags: { old: 9, young: 6, v1: 8, v2: 30 } }, b: { age: 9 } };
  test.each<[what: string, options: Partial<PurgeOptions>, Manifests, gone: string[] | undefined]>([
    ['old tags, the newest first', {}, tagged, ['v1', 'old', 'v2']],
    ['nothing as old as asked for, only older', { ago: '9d' }, tagged, ['v2']],
    ['all tags', { ago: '0d' }, { a: { tags: { v1: 1 } } }, ['v1']],
    ['tags that a filter matches', { filters: ['app:^v'] }, tagged, ['v1', 'v2']],
    ['no tags of other repositories', { filters: ['other:.*'] }, tagged, undefined],
    ['all but the newest of those', { keep: 1 }, tagged, ['old', 'v2']],
    ['nothing when all are kept', { keep: 3 }, tagged, []],
    [
      'all but the newest that are not locked',
      { keep: 1 },
      { a: { tags: { v1: { age: 8, locks: 'd' }, v2: 9, v3: { age: 10, locks: 'w' }, v4: 11 } } },
      ['v4'],
    ],
    [
      'locked ones too, when told to',
      { includeLocked: true, untagged: true },
      { a: { age: 9, locks: 'dw', tags: { v1: { age: 8, locks: 'd' } } } },
      ['v1', '@a'],
    ],
    [
      'manifests that are left without a tag, when told to',
      { untagged: true },
      { a: { age: 9, tags: { v1: 9 } }, b: { age: 9, tags: { v2: 9, v3: 1 } }, c: { age: 9 }, d: { age: 6 } },
      ['v1', 'v2', '@a', '@c'],
    ],
    [
      'no referrers but with their subject',
      { untagged: true },
      { a: { age: 9 }, s: { age: 1, subject: 'a' }, t: { age: 9, subject: 'gone' } },
      ['@a>s'],
    ],
    [
      'no children of what stays',
      { untagged: true },
      { a: { age: 1, children: ['b'] }, b: { age: 9 }, c: { age: 9, children: ['d'] }, d: { age: 9 } },
      ['@c>d'],
    ],
    [
      'manifests alone, of whatever age',
      { untaggedOnly: true, filters: [], ago: undefined },
      { a: { age: 30, tags: { v1: 30 } }, b: {}, c: { age: 30 } },
      ['@b', '@c'],
    ],
    ['old manifests alone', { untaggedOnly: true, filters: [] }, { b: {}, c: { age: 30 } }, ['@c']],
    ['no manifests of other repositories', { untaggedOnly: true, filters: ['x:.*'] }, { a: {} }, undefined],
    [
      'manifests whatever the filter says of tags',
      { untaggedOnly: true, filters: ['app:^nothing$'] },
      { c: { age: 30 } },
      ['@c'],
    ],
    [
      'all manifests but the newest, and what those list',
      { untaggedOnly: true, keep: 1 },
      {
        a: { age: 8, children: ['x'] },
        b: { age: 9, children: ['x', 'y'] },
        c: { age: 10 },
        x: { age: 11 },
        y: { age: 11 },
      },
      ['@b>y', '@c'],
    ],
  ])('%s', async (_, options, manifests, gone) => {
    expect(await purge(options, manifests)).toEqual(gone);
  });

  test.each<[options: Partial<PurgeOptions>, message: string]>([
    [{ filters: [] }, "'filters' are needed"],
    [{ untagged: true, untaggedOnly: true }, 'exclude each other'],
    [{ keep: -1 }, "'keep' is not a whole number"],
    [{ keep: 1.5 }, "'keep' is not a whole number"],
    [{ ago: 'soon' }, "'soon' is not a duration"],
    [{ filters: ['app'] }, "The filter 'app' is not"],
  ])('nothing for options that make no sense: %j', async (options, message) => {
    await expect(purge(options, {})).rejects.toThrow(message);
  });

  test('nothing without being told how old things must be', async () => {
    await expect(purge({ ago: undefined }, {})).rejects.toThrow("'ago' is needed");
  });
});

const RULE: LifecycleRule = {
  name: 'rule',
  repositories: ['*'],
  state: 'tagged',
  tags: ['*'],
  exceptTags: [],
};

describe('lifecycle rules delete', () => {
  const some = { a: { tags: { v1: 40, v2: 30, v3: 20, latest: 20, 'pr-1': 50 } }, b: { age: 60 } };
  test.each<[what: string, rules: readonly Partial<LifecycleRule>[], Manifests, gone: string[] | undefined]>([
    ['tags of some age', [{ olderThanDays: 30 }], some, ['v2', 'v1', 'pr-1']],
    ['tags by their names', [{ olderThanDays: 30, tags: ['v*'] }], some, ['v2', 'v1']],
    ['tags but for some names', [{ olderThanDays: 1, exceptTags: ['v*', 'latest'] }], some, ['pr-1']],
    ['nothing of repositories that they do not name', [{ repositories: ['x', 'team/*'] }], some, undefined],
    ['all but the newest', [{ keep: 2, tags: ['v?'] }], some, ['v1']],
    ['of all but the newest the old ones', [{ keep: 1, tags: ['v*'], olderThanDays: 40 }], some, ['v1']],
    [
      'nothing of the newest, locked or not',
      [{ keep: 2 }],
      { a: { tags: { v1: { age: 1, locks: 'd' }, v2: 2, v3: 3, v4: { age: 4, locks: 'w' } } } },
      ['v3'],
    ],
    [
      'what was neither pulled nor pushed lately, by tag or by digest',
      [{ notPulledForDays: 30 }],
      {
        a: { tags: { v1: { age: 90, pulled: 31 }, v2: { age: 90, pulled: 29 }, v3: 90, v4: 29 } },
        b: { pulled: 5, tags: { v5: 90 } },
      },
      ['v1', 'v3'],
    ],
    [
      'what is both old and unused',
      [{ olderThanDays: 60, notPulledForDays: 30 }],
      { a: { tags: { v1: { age: 90, pulled: 1 }, v2: 40, v3: 90 } } },
      ['v3'],
    ],
    [
      'manifests without a tag',
      [{ state: 'untagged', olderThanDays: 7 }],
      { a: { age: 90, tags: { v1: 90 } }, b: { age: 90 }, c: { age: 90, untagged: 6 }, d: { age: 1 } },
      ['@b'],
    ],
    [
      'tags and manifests without one',
      [{ state: 'any', olderThanDays: 7, tags: ['v*'] }],
      { a: { age: 90, tags: { v1: 90, x: 90 } }, b: { age: 90 } },
      ['v1', '@b'],
    ],
    [
      'no manifest on the day of its last tag',
      [{ state: 'any', olderThanDays: 7 }],
      { a: { age: 90, tags: { v1: 90 } } },
      ['v1'],
    ],
    [
      'manifests with their last tag where no age is asked for',
      [
        { name: 'tags', keep: 1 },
        { state: 'untagged', keep: 0 },
      ],
      { a: { tags: { v1: 2 } }, b: { tags: { v2: 1 } } },
      ['v1', '@a'],
    ],
    [
      'manifests but for the newest and all that belongs to them',
      [{ state: 'untagged', keep: 1 }],
      {
        a: { age: 1, children: ['x'] },
        b: { age: 2, children: ['y'] },
        c: { age: 1, tags: { v1: 1 }, children: ['z'] },
        x: { age: 3 },
        y: { age: 3 },
        z: { age: 0 },
        s: { age: 0, subject: 'b' },
      },
      ['@b>y>s'],
    ],
    [
      'nothing of an index that was touched lately',
      [{ state: 'untagged', olderThanDays: 7 }],
      { a: { age: 1, children: ['b'] }, b: { age: 90 } },
      [],
    ],
    [
      'no signatures of what is there',
      [{ olderThanDays: 7 }],
      {
        a: { tags: { v1: 1 } },
        s: { tags: { [`${digestFor('a').replace(':', '-')}.sig`]: 90 } },
        r: { tags: { [digestFor('a').replace(':', '-')]: 90 } },
        t: { tags: { [`${digestFor('gone').replace(':', '-')}.sig`]: 90 } },
      },
      [`${digestFor('gone').replace(':', '-')}.sig`],
    ],
    [
      'what any of them deletes',
      [
        { tags: ['v*'], keep: 1 },
        { tags: ['pr-*'], olderThanDays: 1 },
      ],
      { a: { tags: { v1: 2, v2: 1, 'pr-1': 2, x: 9 } } },
      ['v1', 'pr-1'],
    ],
  ])('%s', (_, rules, manifests, gone) => {
    const select = selectByRules(
      rules.map((rule) => ({ ...RULE, ...rule })),
      'app',
      NOW,
    );
    expect(select && going(manifests, select)).toEqual(gone);
  });
});
