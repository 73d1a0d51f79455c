import { setTimeout as pause } from 'node:timers/promises';
import { Unavailable } from '../store/records.ts';

/** How long to insist: `tries` in all, each at most `tryMs`, and none begun or still running after `totalMs`. */
export interface Patience {
  readonly tries: number;
  readonly tryMs: number;
  readonly totalMs: number;
}

/** For calls that carry little: an outage shows within ten seconds. */
export const BRIEF: Patience = { tries: 3, tryMs: 5_000, totalMs: 10_000 };

/** For calls that carry bytes: a slow line (400 KiB/s) still gets through. */
export function carrying(bytes: number): Patience {
  const tryMs = BRIEF.tryMs + Math.ceil((bytes / (400 * 1024)) * 1000);
  return { tries: 3, tryMs, totalMs: tryMs * 2 };
}

/**
 * Runs one storage call, again when it failed in a way that passes. Throws Unavailable when it kept failing so;
 * any other error of the SDK is rethrown. The SDKs' own retries are off: they have no time limit of their own.
 */
export async function insist<T>(patience: Patience, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const end = Date.now() + patience.totalMs;
  for (let attempt = 1; ; attempt++) {
    const limit = Math.min(patience.tryMs, end - Date.now());
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), limit);
    try {
      return await run(controller.signal);
    } catch (error) {
      if (!controller.signal.aborted && !isPassing(error)) throw error;
      const wait = 100 * 4 ** (attempt - 1) * (0.5 + Math.random());
      if (attempt >= patience.tries || Date.now() + wait >= end) throw unavailable(error);
      await pause(wait);
    } finally {
      clearTimeout(timer);
    }
  }
}

export function unavailable(cause: unknown): Unavailable {
  const what = codeOf(cause) ?? (cause instanceof Error ? cause.name : 'unknown');
  return new Unavailable(`storage did not answer: ${what}`, { cause });
}

/** The HTTP status of an SDK error; undefined when no answer came. */
export function statusOf(error: unknown): number | undefined {
  const status = property(error, 'statusCode');
  return typeof status === 'number' ? status : undefined;
}

/**
 * The service's error code (`BlobNotFound`), or Node's (`ECONNREFUSED`). Answers to HEAD have no body, so the code is
 * then only in a header, which the SDK puts into `details`.
 */
export function codeOf(error: unknown): string | undefined {
  for (const code of [property(error, 'code'), property(property(error, 'details'), 'errorCode')])
    if (typeof code === 'string' && code !== '') return code;
  return undefined;
}

/**
 * Refusals with a status below 500 that pass: what is being deleted is simply absent after half a minute, and bytes
 * that were spoilt on the way arrive whole the next time.
 */
const PASSING_CODES = new Set([
  'ContainerBeingDeleted',
  'TableBeingDeleted',
  'QueueBeingDeleted',
  'Md5Mismatch',
]);
/** The token service did not answer; the SDK's credentials have no common base class to ask for. */
const PASSING_NAMES = new Set([
  'AuthenticationError',
  'AggregateAuthenticationError',
  'CredentialUnavailableError',
]);

export function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (PASSING_NAMES.has(error.name) || PASSING_CODES.has(codeOf(error) ?? '')) return true;
  if (error.name !== 'RestError') return false;
  const status = statusOf(error);
  // Without an error status the connection failed, or an answer broke off before its end.
  return status === undefined || status < 400 || status >= 500 || status === 408 || status === 429;
}

function property(from: unknown, name: string): unknown {
  return typeof from === 'object' && from !== null ? Reflect.get(from, name) : undefined;
}
