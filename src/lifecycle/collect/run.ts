import type { RegistryName } from '../../model/names.ts';
import { GRACE_MS } from '../../registry/references.ts';
import type { Context } from '../../store/context.ts';
import { scanPages } from '../../store/paging.ts';
import type { Scan, ScanPage } from '../../store/records.ts';

/** Candidates dealt with at once. */
const AT_ONCE = 16;
/** Examples that a dry run names. */
const EXAMPLES = 100;

export interface CollectOptions {
  /** Tells what would go, and writes nothing. */
  readonly dryRun?: boolean;
  /** A run ends soon after so many milliseconds, or storage calls; reading what is in use is never cut short. */
  readonly milliseconds?: number;
  readonly calls?: number;
  /** Memory for the marks of what is in use, in bytes: a power of two. */
  readonly memory?: number;
}

/** A blob that nothing needs. */
export interface Garbage {
  readonly digest: string;
  /** Encoded names of the repositories that lose it. */
  readonly repositories: readonly string[];
  /** Bytes that are freed: 0 where other repositories need it. */
  readonly bytes: number;
}

/** What a run has done; in a dry run, what it would have. */
export interface Totals {
  /** Rows and names looked at. */
  scanned: number;
  /** Blobs taken from a repository. */
  links: number;
  /** Blobs taken from the registry. */
  blobs: number;
  /** Bytes under names that no row knows: abandoned uploads, copies that lost, what a crash left. */
  leftovers: number;
  /** Freed, of both. */
  bytes: number;
  /** Storage calls. */
  calls: number;
}

/** One run of a collection. */
export interface Run {
  /** Its storage calls are counted. */
  readonly ctx: Context;
  readonly registry: RegistryName;
  readonly dryRun: boolean;
  /** When it began, in milliseconds since 1970: nothing that is in use was read earlier. */
  readonly begun: number;
  /** What somebody relied on since then is spared. */
  readonly spareSince: number;
  /** Upload sessions that were begun since then may still be alive. */
  readonly uploadsSince: number;
  readonly memory: number;
  readonly totals: Totals;
  /** In a dry run. */
  readonly examples: Garbage[];
  /** The budget is used up. */
  readonly spent: () => boolean;
}

const MEMORY = 8 * 1024 * 1024;
/** A session may be in its last request when it expires. */
const SLACK_MS = 3_600_000;

export function beginRun(ctx: Context, registry: RegistryName, options: CollectOptions): Run {
  const totals = { scanned: 0, links: 0, blobs: 0, leftovers: 0, bytes: 0, calls: 0 };
  const begun = ctx.now();
  const { dryRun = false, milliseconds = Infinity, calls = Infinity, memory = MEMORY } = options;
  return {
    ctx: { ...ctx, records: counted(ctx.records, totals), blobs: counted(ctx.blobs, totals) },
    registry,
    dryRun,
    begun,
    spareSince: begun - GRACE_MS,
    uploadsSince: begun - ctx.settings.uploadSeconds * 1000 - SLACK_MS,
    memory,
    totals,
    examples: [],
    spent: () => totals.calls >= calls || ctx.now() - begun >= milliseconds,
  };
}

/** Pages of rows of the registry. Others get a turn between two of them: storage on a disk answers at once. */
export async function* pages<R>(
  { ctx }: Run,
  scan: Omit<Scan, 'limit' | 'cursor'>,
): AsyncGenerator<ScanPage<R>> {
  for await (const page of scanPages<R>(ctx, scan)) {
    yield page;
    if (page.cursor !== undefined) await ctx.pause(0);
  }
}

/** Keeps garbage as an example while there are few. */
export function note({ dryRun, examples }: Run, garbage: Garbage): void {
  if (dryRun && examples.length < EXAMPLES) examples.push(garbage);
}

/** Does something for each, some at once. When one fails the others at work come to their end; then it is thrown. */
export async function forEach<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += AT_ONCE) {
    const outcomes = await Promise.allSettled(items.slice(start, start + AT_ONCE).map(act));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
  }
}

/** The same port; its calls are counted. */
function counted<T extends object>(port: T, totals: Totals): T {
  return new Proxy(port, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => {
        totals.calls++;
        return Reflect.apply(member, target, args);
      };
    },
  });
}
