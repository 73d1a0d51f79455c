import { setImmediate as turn } from 'node:timers/promises';
import type { Stores } from '../../src/app/compose.ts';
import type { Blobs } from '../../src/store/blobs.ts';
import { type Records, Unavailable } from '../../src/store/records.ts';
import type { Work } from '../../src/store/work.ts';

/** One call of a port, as a hook sees it. */
export interface PortCall {
  /** `records.batch`. */
  readonly name: string;
  readonly args: readonly unknown[];
}

/** Stands around each call of the ports: `run` makes the call, as often as the hook likes. */
export interface Hook {
  <T>(call: PortCall, run: () => Promise<T>): Promise<T>;
}

export interface Interception {
  readonly hook: Hook;
  /** Stands around each stream of a blob's bytes. */
  readonly stream?: (source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;
}

/** The same stores, with `hook` around every call. `blobs.link` is passed on unseen: it signs, and calls nobody. */
export function intercept(stores: Stores, { hook, stream = (source) => source }: Interception): Stores {
  const { records, blobs, work } = stores;
  return {
    records: interceptRecords(records, hook),
    blobs: interceptBlobs(blobs, hook, stream),
    work: interceptWork(work, hook),
    close: () => stores.close(),
  };
}

function interceptRecords(records: Records, hook: Hook): Records {
  return {
    get: (key, select) => hook({ name: 'records.get', args: [key, select] }, () => records.get(key, select)),
    range: (range) => hook({ name: 'records.range', args: [range] }, () => records.range(range)),
    scan: (scan) => hook({ name: 'records.scan', args: [scan] }, () => records.scan(scan)),
    batch: (table, partition, writes) =>
      hook({ name: 'records.batch', args: [table, partition, writes] }, () =>
        records.batch(table, partition, writes),
      ),
  };
}

function interceptBlobs(
  blobs: Blobs,
  hook: Hook,
  stream: (source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
): Blobs {
  return {
    blockSize: blobs.blockSize,
    // A block handed over is free for the caller to reuse only when the call has ended: a late call must see it whole.
    stage: (at, id, bytes) =>
      hook({ name: 'blobs.stage', args: [at, id, bytes] }, () => blobs.stage(at, id, bytes)),
    commit: (at, ids, digest) =>
      hook({ name: 'blobs.commit', args: [at, ids, digest] }, () => blobs.commit(at, ids, digest)),
    put: (at, bytes, digest) =>
      hook({ name: 'blobs.put', args: [at, bytes, digest] }, () => blobs.put(at, bytes, digest)),
    staged: (at) => hook({ name: 'blobs.staged', args: [at] }, () => blobs.staged(at)),
    stat: (at) => hook({ name: 'blobs.stat', args: [at] }, () => blobs.stat(at)),
    read: (at, range) =>
      hook({ name: 'blobs.read', args: [at, range] }, async () => {
        const source = await blobs.read(at, range);
        return source && stream(source);
      }),
    link: (at, seconds) => blobs.link(at, seconds),
    delete: (at) => hook({ name: 'blobs.delete', args: [at] }, () => blobs.delete(at)),
    list: (registry, limit, cursor) =>
      hook({ name: 'blobs.list', args: [registry, limit, cursor] }, () =>
        blobs.list(registry, limit, cursor),
      ),
  };
}

function interceptWork(work: Work, hook: Hook): Work {
  return {
    send: (job, delay) => hook({ name: 'work.send', args: [job, delay] }, () => work.send(job, delay)),
    receive: (max, hide) => hook({ name: 'work.receive', args: [max, hide] }, () => work.receive(max, hide)),
  };
}

/** What storage may do to one call. */
export type Mishap =
  /** It fails, and nothing happened. */
  | 'fails'
  /** It happens, and the answer is lost. */
  | 'loses its answer'
  /** It happens, and happens again, as a retry inside an SDK does after a lost answer; the second answer counts. */
  | 'happens twice';

/** Does `mishap` to one call, or to every one when `at` is left out; `at` counts from 0 over all calls. */
export function mishaps(mishap: Mishap, at?: number): { readonly hook: Hook; readonly calls: PortCall[] } {
  const calls: PortCall[] = [];
  return {
    calls,
    async hook(call, run) {
      const index = calls.push(call) - 1;
      if (at !== undefined && index !== at) return await run();
      if (mishap === 'fails') throw new Unavailable(`${call.name} was made to fail`);
      await run();
      if (mishap === 'loses its answer') throw new Unavailable(`${call.name} was made to lose its answer`);
      return await run();
    },
  };
}

export interface Count {
  /** Calls by name, in order of their start. */
  readonly calls: readonly PortCall[];
  /** Calls in sequence: how long the longest chain is in which each call waits for one before. */
  readonly waves: number;
  reset(): void;
}

/** Counts calls. Each takes the same time, one turn of the loop, so that those made together end together. */
export function countCalls(): Count & { readonly hook: Hook } {
  let calls: PortCall[] = [];
  let waves = 0;
  let wave: Promise<void> | undefined;
  return {
    get calls() {
      return calls;
    },
    get waves() {
      return waves;
    },
    reset() {
      calls = [];
      waves = 0;
    },
    async hook(call, run) {
      calls.push(call);
      if (!wave) {
        waves++;
        wave = turn().then(() => (wave = undefined));
      }
      await wave;
      return await run();
    },
  };
}
