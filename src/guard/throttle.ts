import { Problem } from '../model/problem.ts';
import { BoundedMap, type Context } from '../store/context.ts';
import { networkOf } from './address.ts';

/** Failures of one identity from one address forgiven before anything slows down: people mistype. */
const FREE = 5;
/** From here on the pair is refused without looking, so that guessing costs us nothing either. */
const REFUSE = 20;
/** Failures of any identities from one address before those who never signed in there are slowed. */
const FREE_OF_ADDRESS = 50;
const FORGET_MS = 60_000;
const PAUSE_LIMIT_MS = 2000;
/** Attempts of a pair looked at at once: guesses sent together must not all pass before the first has failed. */
const ABREAST = 32;
/** Attempts of a pair that fails kept waiting; more are refused. */
const LINE = 32;
const ENTRIES = 10_000;

/**
 * Slows guessing of passwords, per identity and address together: whoever guesses at an identity slows himself, never
 * its owner elsewhere. Where the address is unknown nobody is refused, only slowed, since the owner could be meant.
 * Who tries many identities from one address is slowed too, and with him only those who did not sign in from there
 * before. Counts live in the instance, and are bounded; nothing is stored.
 */
export interface Throttle {
  /**
   * Runs `check` when the identity's turn comes, as late as its recent failures ask for. Undefined is a failure, a
   * throw is none. Throws TOOMANYREQUESTS without running it.
   */
  attempt<T>(identity: string, address: string, check: () => Promise<T | undefined>): Promise<T | undefined>;
}

interface Tally {
  failures: number;
  last: number;
}

interface Pair extends Tally {
  /** Whether its address is known: else it may be the owner's, who must not wait for others. */
  readonly certain: boolean;
  running: number;
  readonly line: (() => void)[];
}

export function openThrottle(ctx: Pick<Context, 'now' | 'pause'>): Throttle {
  const pairs = new BoundedMap<string, Pair>(ENTRIES);
  const addresses = new BoundedMap<string, Tally>(ENTRIES);
  /** Pairs that signed in once. */
  const welcome = new BoundedMap<string, true>(ENTRIES);

  const failuresOf = (tally: Tally | undefined) =>
    tally === undefined || ctx.now() - tally.last >= FORGET_MS ? 0 : tally.failures;

  const fail = (tally: Tally) => {
    tally.failures = failuresOf(tally) + 1;
    tally.last = ctx.now();
  };

  const refuse = ({ last }: Tally) => {
    const seconds = Math.max(1, Math.ceil((last + FORGET_MS - ctx.now()) / 1000));
    return new Problem('TOOMANYREQUESTS', undefined, { headers: { 'retry-after': String(seconds) } });
  };

  const isNarrow = (pair: Pair) => pair.certain && failuresOf(pair) > FREE;
  const abreast = (pair: Pair) => (isNarrow(pair) ? 1 : ABREAST);

  const takeTurn = async (pair: Pair) => {
    if (pair.running < abreast(pair)) {
      pair.running += 1;
      return;
    }
    if (isNarrow(pair) && pair.line.length >= LINE) throw refuse(pair);
    await new Promise<void>((resolve) => void pair.line.push(resolve));
  };

  const handOver = (pair: Pair) => {
    pair.running -= 1;
    while (pair.line.length > 0 && pair.running < abreast(pair)) {
      pair.running += 1;
      pair.line.shift()?.();
    }
  };

  const slow = async (failures: number, free: number) => {
    if (failures > free) await ctx.pause(Math.min(PAUSE_LIMIT_MS, 50 * 2 ** Math.min(failures - free, 10)));
  };

  return {
    async attempt(identity, address, check) {
      const network = networkOf(address);
      const certain = network !== '';
      const key = JSON.stringify([identity.slice(0, 300), network]);
      const pair = pairs.get(key) ?? { failures: 0, last: 0, certain, running: 0, line: [] };
      pairs.set(key, pair);
      await takeTurn(pair);
      try {
        const failures = failuresOf(pair);
        if (certain && failures >= REFUSE) throw refuse(pair);
        await slow(failures, FREE);
        if (certain && !welcome.has(key)) await slow(failuresOf(addresses.get(network)), FREE_OF_ADDRESS);
        const found = await check();
        if (found !== undefined) {
          pair.failures = 0;
          welcome.set(key, true);
          return found;
        }
        fail(pair);
        const around = addresses.get(network) ?? { failures: 0, last: 0 };
        fail(around);
        addresses.set(network, around);
        return undefined;
      } finally {
        handOver(pair);
        if (pair.failures === 0 && pair.running === 0 && pairs.get(key) === pair) pairs.delete(key);
      }
    },
  };
}
