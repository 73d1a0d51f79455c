import { describe, expect, test } from 'vitest';
import type { Stores } from '../../src/app/compose.ts';
import { type Write, always } from '../../src/store/records.ts';
import * as contents from './contents.ts';
import * as forks from './forks.ts';
import * as locks from './locks.ts';
import * as references from './references.ts';
import { type Story, type WorldOptions, eachSeed } from './world.ts';

/** Storage that writes rows whatever their version. */
function forgetsConditions(stores: Stores): Stores {
  return forgets(stores, () => true);
}

/** The same of rows of repositories, which prove all that was read after them. */
function forgetsVersions(stores: Stores): Stores {
  return forgets(stores, (_, { row }) => row === '!');
}

/** The same of the catalog. */
function forgetsListing(stores: Stores): Stores {
  return forgets(stores, (partition) => partition.endsWith('!!catalog'));
}

function forgets(stores: Stores, which: (partition: string, write: Write) => boolean): Stores {
  const { records } = stores;
  return {
    ...stores,
    records: {
      get: (key, select) => records.get(key, select),
      range: (range) => records.range(range),
      scan: (scan) => records.scan(scan),
      batch: (table, partition, writes) =>
        records.batch(
          table,
          partition,
          writes.map((write) => (which(partition, write) ? loose(write) : write)),
        ),
    },
  };
}

function loose(write: Write): Write {
  return { ...write, condition: always };
}

/** Storage that lists no name of a repository that is there: what a first push does last. */
function listsBeforeAlone(stores: Stores): Stores {
  const { records } = stores;
  return {
    ...stores,
    records: {
      get: (key, select) => records.get(key, select),
      range: (range) => records.range(range),
      scan: (scan) => records.scan(scan),
      async batch(table, partition, writes) {
        const [write] = writes;
        const [registry, kind] = partition.split('!!');
        if (kind === 'catalog' && write && write.op !== 'delete') {
          const there = await records.get({ table, partition: `${registry}!${write.row}`, row: '!' });
          if (there) return;
        }
        await records.batch(table, partition, writes);
      },
    },
  };
}

/** Storage that lets a taken name be taken again. */
function overwrites(stores: Stores): Stores {
  const { blobs } = stores;
  return {
    ...stores,
    blobs: {
      blockSize: blobs.blockSize,
      stage: (at, id, bytes) => blobs.stage(at, id, bytes),
      commit: (at, ids, digest) => blobs.commit(at, ids, digest),
      async put(at, bytes, digest) {
        await blobs.delete(at);
        return await blobs.put(at, bytes, digest);
      },
      staged: (at) => blobs.staged(at),
      stat: (at) => blobs.stat(at),
      read: (at, range) => blobs.read(at, range),
      link: (at, seconds) => blobs.link(at, seconds),
      delete: (at) => blobs.delete(at),
      list: (registry, limit, cursor) => blobs.list(registry, limit, cursor),
    },
  };
}

/** The nonce of every upload request is the same. */
const sameNonce: WorldOptions['dice'] = (random) => (length) =>
  length === 6 ? new Uint8Array(6).fill(7) : random(length);

interface Mutant {
  readonly fault: string;
  readonly options: WorldOptions;
  readonly story: Story;
}

const mutants: readonly Mutant[] = [
  {
    fault: 'rows are written whatever their version, in deletions',
    options: { spoil: forgetsConditions },
    story: references.tagAndDelete,
  },
  {
    fault: 'rows are written whatever their version, in pushes',
    options: { spoil: forgetsConditions },
    story: references.sameTag,
  },
  {
    fault: 'rows are written whatever their version, in uploads',
    options: { spoil: forgetsConditions },
    story: contents.crowd,
  },
  {
    fault:
      'repositories are written whatever their version, when a tag is locked while its manifest is deleted',
    options: { spoil: forgetsVersions },
    story: locks.deletedUnderTag,
  },
  {
    fault: 'repositories are written whatever their version, when they are locked while they are pushed to',
    options: { spoil: forgetsVersions },
    story: locks.pushedTo,
  },
  {
    fault: 'rows are written whatever their version, when a tag is locked while it moves',
    options: { spoil: forgetsConditions },
    story: locks.moved,
  },
  {
    fault: 'the catalog is written whatever its version, when a repository is hidden while it goes',
    options: { spoil: forgetsListing },
    story: locks.hiddenLast,
  },
  {
    fault: 'a first push lists its repository before it alone',
    options: { spoil: listsBeforeAlone },
    story: references.firstAndGone,
  },
  {
    fault: 'blobs are overwritten',
    options: { spoil: overwrites },
    story: forks.putTwice,
  },
  {
    fault: 'two requests stage under one nonce',
    options: { dice: sameNonce },
    story: forks.patchedTwice,
  },
];

describe('these tests find it when', () => {
  test.each(mutants)('$fault', async ({ options, story }) => {
    await expect(eachSeed(200, story, options)).rejects.toThrow(/^seed \d+: /);
  });
});
