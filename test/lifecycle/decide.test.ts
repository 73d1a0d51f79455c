import { describe, expect, test } from 'vitest';
import type { Select } from '../../src/lifecycle/rules/state.ts';
import { type Sketch, digestFor, going } from './states.ts';

/** Wants these manifests gone, and these tags. */
function wants(manifests: readonly string[], tags: readonly string[] = [], unlocks = false): Select {
  return (state) => ({
    tags: [...state.tags.values()]
      .filter(({ tag }) => tags.includes(tag))
      .map((tag) => ({ tag, why: 'test' })),
    manifests: manifests.map((name) => ({ digest: digestFor(name), why: 'test' })),
    unlocks,
  });
}

const cases: readonly (readonly [
  what: string,
  manifests: Readonly<Record<string, Sketch>>,
  select: Select,
  gone: readonly string[],
])[] = [
  ['what nothing names goes', { a: {}, b: {} }, wants(['a']), ['@a']],
  ['what is not there cannot go', { a: {} }, wants(['x']), []],
  ['a tag keeps its manifest', { a: { tags: { v1: 1 } } }, wants(['a']), []],
  [
    'a manifest goes with its last tag',
    { a: { tags: { v1: 1, v2: 1 } }, b: { tags: { v3: 1, v4: 1 } } },
    wants(['a', 'b'], ['v1', 'v2', 'v3']),
    ['v1', 'v2', 'v3', '@a'],
  ],
  [
    'locks keep tags and manifests',
    {
      a: { locks: 'd' },
      b: { locks: 'w' },
      c: { locks: 'lr' },
      d: { tags: { v1: { age: 1, locks: 'dw' }, v2: { age: 1, locks: 'w' }, v3: 1 } },
    },
    wants(['a', 'b', 'c', 'd'], ['v1', 'v2', 'v3']),
    ['v3', '@c'],
  ],
  [
    'locks keep nothing where they are lifted',
    { a: { locks: 'dw' }, b: { tags: { v1: { age: 1, locks: 'dw' } } } },
    wants(['a', 'b'], ['v1'], true),
    ['v1', '@a', '@b'],
  ],
  [
    'a tagged index keeps its children, and theirs',
    { a: { tags: { v1: 1 }, children: ['b'] }, b: { children: ['c', 'gone'] }, c: {}, d: {} },
    wants(['b', 'c', 'd']),
    ['@d'],
  ],
  ['a locked index keeps its children', { a: { locks: 'd', children: ['b'] }, b: {} }, wants(['a', 'b']), []],
  [
    'an index that stays for being young keeps its children',
    { a: { children: ['b'] }, b: {} },
    wants(['b']),
    [],
  ],
  [
    'an index goes before its children, and they with it',
    { b: {}, c: {}, a: { children: ['b', 'c'] } },
    wants(['a', 'b', 'c']),
    ['@a>b>c'],
  ],
  [
    'a child of two indexes goes after both',
    { b: {}, a1: { children: ['b'] }, a2: { children: ['b'] } },
    wants(['b', 'a1', 'a2']),
    ['@a1>a2>b'],
  ],
  [
    'a child stays for one of two indexes',
    { a1: { children: ['b'] }, a2: { children: ['b'], tags: { v1: 1 } }, b: {} },
    wants(['b', 'a1', 'a2']),
    ['@a1'],
  ],
  [
    'children that nobody wanted gone stay without their index',
    { a: { children: ['b'] }, b: {} },
    wants(['a']),
    ['@a'],
  ],
  [
    'referrers go with their subject, and theirs with them',
    { a: {}, s: { subject: 'a' }, t: { subject: 's' } },
    wants(['a']),
    ['@a>s>t'],
  ],
  ['referrers stay with their subject', { a: {}, s: { subject: 'a' } }, wants(['s']), []],
  ['referrers of nothing go', { s: { subject: 'gone' } }, wants(['s']), ['@s']],
  [
    'a referrer with a tag or a lock stays, with its own',
    {
      a: {},
      s: { subject: 'a', tags: { sig: 1 } },
      t: { subject: 's' },
      u: { subject: 'a', locks: 'w', children: ['v'] },
      v: { subject: 'a' },
    },
    wants(['a', 's', 't', 'u', 'v']),
    ['@a'],
  ],
  [
    'a referrer that a tagged index lists stays',
    { a: {}, s: { subject: 'a' }, list: { tags: { 'sha256-x': 1 }, children: ['s'] } },
    wants(['a']),
    ['@a'],
  ],
  [
    'referrers of a child stay with it',
    { a: { tags: { v1: 1 }, children: ['b'] }, b: {}, s: { subject: 'b' } },
    wants(['b', 's']),
    [],
  ],
  [
    'a referrer that is an index keeps its children with its subject',
    { a: { tags: { v1: 1 } }, s: { subject: 'a', children: ['b'] }, b: {} },
    wants(['s', 'b']),
    [],
  ],
  [
    'an index that refers to its own child goes as one',
    { b: {}, a: { children: ['b'], subject: 'b' } },
    wants(['a', 'b']),
    ['@a>b'],
  ],
  [
    'an index that refers to its own child stays as one',
    { b: { tags: { v1: 1 } }, a: { children: ['b'], subject: 'b' } },
    wants(['a', 'b']),
    [],
  ],
];

describe('of what a policy wants gone', () => {
  test.each(cases)('%s', (_, manifests, select, gone) => {
    expect(going(manifests, select)).toEqual(gone);
  });

  test('ten thousand manifests are judged in a moment', () => {
    const many: Record<string, Sketch> = {};
    for (let i = 0; i < 5000; i++) {
      many[`index${i}`] = { children: [`image${i}`, `image${(i + 1) % 5000}`] };
      many[`image${i}`] = {};
    }
    many['index7'] = { tags: { v1: 1 }, children: ['image7'] };
    const [unit] = going(many, wants(Object.keys(many)));
    expect(unit?.split('>')).toHaveLength(9998);
  });
});
