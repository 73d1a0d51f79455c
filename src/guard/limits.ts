import type { RegistryDocument } from '../model/access.ts';
import type { RegistryName } from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import { BoundedMap, type Context } from '../store/context.ts';

/** Kinds of calls that have limits of their own. */
export type CallKind = 'read' | 'write' | 'delete' | 'listReferrers' | 'oauth';

type Tier = RegistryDocument['sku'];

/** Calls a minute: of the whole registry, of one identity. */
type Rate = readonly [registry: number, identity: number];

const LOW: Readonly<Record<CallKind, Rate>> = {
  read: [10_000, 5000],
  write: [2000, 1000],
  delete: [1000, 500],
  listReferrers: [500, 250],
  // ACR names no limit of one identity; half, so that nobody uses up what all need to sign in.
  oauth: [10_000, 5000],
};

/** ACR's limits (ACR features section 0, "Tiers"). */
const RATES: Readonly<Record<Tier, Readonly<Record<CallKind, Rate>>>> = {
  Basic: LOW,
  Standard: LOW,
  Premium: {
    read: [20_000, 10_000],
    write: [4000, 2000],
    delete: [4000, 2000],
    listReferrers: [2000, 1000],
    oauth: [20_000, 10_000],
  },
};

/** A bucket holds what a minute brings. */
const WINDOW_MS = 60_000;
/** Buckets kept, least used ones go first; whoever is forgotten starts with a full one. */
const BUCKETS = 20_000;
const REMAINING = 'x-ms-ratelimit-remaining-calls-per-second';
/** Whose answers tell what is left, as ACR's do (ACR wire section 1). */
const TOLD: ReadonlySet<CallKind> = new Set(['delete', 'oauth']);

/** One call, as the limits see it. */
export interface LimitedCall {
  readonly registry: RegistryName;
  readonly sku: Tier;
  readonly kind: CallKind;
  /** All anonymous callers are one identity, and so is the admin user with both passwords. */
  readonly identity: string;
  /** Nothing shows yet that the caller may use the registry: he can use up his own share alone, not the registry's. */
  readonly unproven?: boolean;
}

/**
 * Limits calls by token buckets in the memory of the instance: no storage call, so each instance allows as much
 * anew.
 */
export interface Limits {
  /** Takes one call; gives what its answer tells about the limit. Throws TOOMANYREQUESTS with the seconds to wait. */
  take(call: LimitedCall): Readonly<Record<string, string>>;
}

export function openLimits({ now }: Pick<Context, 'now'>): Limits {
  const registries = openBuckets(Number.POSITIVE_INFINITY);
  const identities = openBuckets(BUCKETS);
  // Apart, so that callers who prove nothing cannot push out the buckets of those who do.
  const strangers = openBuckets(BUCKETS);
  return {
    take({ registry, sku, kind, identity, unproven = false }) {
      const [shared, own] = RATES[sku][kind];
      const time = now();
      const all = registries(`${registry} ${kind}`, WINDOW_MS / shared);
      const one = (unproven ? strangers : identities)(`${registry} ${kind} ${identity}`, WINDOW_MS / own);
      const wait = Math.max(one.wait(time), unproven ? 0 : all.wait(time));
      const headers = () => (TOLD.has(kind) ? { [REMAINING]: all.remaining(time) } : {});
      if (wait > 0) {
        const seconds = String(Math.ceil(wait / 1000));
        throw new Problem('TOOMANYREQUESTS', undefined, {
          headers: { ...headers(), 'retry-after': seconds },
        });
      }
      one.take(time);
      if (!unproven) all.take(time);
      return headers();
    },
  };
}

interface Bucket {
  /** Milliseconds until there is a token. */
  wait(now: number): number;
  /** Tokens left, divided by sixty: `166.65` is what ACR says after the first of 10,000. */
  remaining(now: number): string;
  take(now: number): void;
}

/**
 * Token buckets, each kept as the one moment at which it will be full again: a token is the time in which it grows
 * back, so no clock runs, and sums of whole milliseconds stay exact. `interval`: milliseconds in which a token grows.
 */
function openBuckets(limit: number): (key: string, interval: number) => Bucket {
  const fullAt = new BoundedMap<string, number>(limit);
  return (key, interval) => {
    const missing = (now: number) => Math.max(0, (fullAt.get(key) ?? 0) - now);
    return {
      wait: (now) => Math.max(0, missing(now) + interval - WINDOW_MS),
      remaining: (now) => String(Number((Math.max(0, WINDOW_MS - missing(now)) / interval / 60).toFixed(6))),
      take(now) {
        const next = now + missing(now) + interval;
        fullAt.set(key, next);
      },
    };
  };
}

/** The kind of a call, by what its route demands and its method. */
export function callKind(permission: string, method: string): CallKind {
  if (permission === 'delete') return 'delete';
  if (permission === 'push' || permission === 'metadata_write') return 'write';
  if (permission === 'session') return method === 'GET' || method === 'HEAD' ? 'read' : 'write';
  return 'read';
}
