import { describe, expect, test } from 'vitest';
import type { Stores } from '../../src/app/compose.ts';
import type { Context } from '../../src/store/context.ts';
import type { Records, Scan, Write } from '../../src/store/records.ts';
import { always } from '../../src/store/records.ts';
import * as collection from './collection.ts';
import * as restoring from './restoring.ts';
import { type Story, type WorldOptions, eachSeed } from './world.ts';

const DAY_MS = 86_400_000;

type Spoil = NonNullable<WorldOptions['spoil']>;

/** Storage in which some calls of `records` are others. */
function spoiled(change: (records: Records) => Partial<Records>): Spoil {
  return (stores: Stores) => {
    const { records } = stores;
    const own: Records = {
      get: (key, select) => records.get(key, select),
      range: (range) => records.range(range),
      scan: (scan) => records.scan(scan),
      batch: (table, partition, writes) => records.batch(table, partition, writes),
    };
    return { ...stores, records: { ...own, ...change(records) } };
  };
}

/** Rows of blobs are written otherwise, or not at all. */
function writing(change: (write: Write) => Write | undefined): Spoil {
  return spoiled((records) => ({
    async batch(table, partition, writes) {
      const changed = table === 'blobs' ? writes.flatMap((write) => change(write) ?? []) : writes;
      if (changed.length > 0) await records.batch(table, partition, changed);
    },
  }));
}

const isLink = ({ row }: Write) => row.includes('!');

const neverTouched = writing((write) => (write.op === 'merge' && isLink(write) ? undefined : write));
const contentUnclaimed = writing((write) => (write.op === 'merge' && !isLink(write) ? undefined : write));
const linksUnguarded = writing((write) =>
  write.op === 'delete' && isLink(write) ? { ...write, condition: always } : write,
);
const contentUnguarded = writing((write) =>
  write.op === 'delete' && !isLink(write) ? { ...write, condition: always } : write,
);

/** Deleted manifests are read before the others. */
const otherOrder = spoiled((records) => ({
  scan: (scan) => records.scan({ ...scan, ...swapped(scan) }),
}));

function swapped({ from }: Scan): Partial<Scan> {
  if (from === 'm!') return { from: 'z!m!', before: 'z!m!~' };
  return from === 'z!m!' ? { from: 'm!', before: 'm!~' } : {};
}

interface Mutant {
  readonly fault: string;
  readonly options: WorldOptions;
  readonly story: Story;
}

const mutants: readonly Mutant[] = [
  { fault: 'links are never touched', options: { spoil: neverTouched }, story: collection.pushKnown },
  {
    fault: 'links go whatever their version',
    options: { spoil: linksUnguarded },
    story: collection.pushKnown,
  },
  {
    fault: 'content goes whatever its version',
    options: { spoil: contentUnguarded },
    story: collection.uploadKnown,
  },
  {
    fault: 'a mount leaves its content as it was',
    options: { spoil: contentUnclaimed },
    story: collection.mountOld,
  },
  { fault: 'what is young is not spared', options: { collector: ahead }, story: collection.pushKnown },
  {
    fault: 'bytes of young manifests are not spared',
    options: { collector: ahead, blockSize: 100_000 },
    story: collection.pushLarge,
  },
  {
    fault: 'bytes of living sessions are not spared',
    options: { collector: hasty, settings: { uploadSeconds: 6 * 86_400 } },
    story: collection.forkedPut,
  },
  {
    fault: 'deleted manifests are read first',
    options: { spoil: otherOrder },
    story: restoring.deleteAndRestore,
  },
];

/** A clock that goes two days ahead. */
function ahead(ctx: Context): Context {
  return { ...ctx, now: () => ctx.now() + 2 * DAY_MS };
}

/** Takes sessions to end as soon as they begin. */
function hasty(ctx: Context): Context {
  return { ...ctx, settings: { ...ctx.settings, uploadSeconds: -3600 } };
}

describe('these tests find it when', () => {
  test.each(mutants)('$fault', async ({ options, story }) => {
    await expect(eachSeed(200, story, options)).rejects.toThrow(/^seed \d+: /);
  });
});
