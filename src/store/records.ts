import type { Key, TableName, Value } from '../model/record.ts';

declare const brand: unique symbol;

/** Opaque version of a row; changes with every write to it. */
export type Etag = string & { readonly [brand]: 'Etag' };

/** A row as it was read. */
export interface Found<R> {
  /** The row key. */
  readonly row: string;
  readonly value: R;
  readonly etag: Etag;
}

/** What must hold of the row for the write to happen. */
export type Condition =
  | { readonly kind: 'absent' }
  | { readonly kind: 'match'; readonly etag: Etag }
  /** The row exists, in whatever version. */
  | { readonly kind: 'present' }
  | { readonly kind: 'always' };

export const ifAbsent: Condition = { kind: 'absent' };
export const ifPresent: Condition = { kind: 'present' };
export const always: Condition = { kind: 'always' };
export function ifMatch(etag: Etag): Condition {
  return { kind: 'match', etag };
}

export type Properties = Readonly<Record<string, Value | undefined>>;

/** One write of a batch. `put` replaces the whole row, `merge` only the properties given; undefined ones are left out. */
export type Write =
  | {
      readonly op: 'put' | 'merge';
      readonly row: string;
      readonly value: Properties;
      readonly condition: Condition;
    }
  | { readonly op: 'delete'; readonly row: string; readonly condition: Condition };

/** Typed constructors, so that a key and its shape cannot part. */
export function put<R extends Properties>(key: Key<R>, value: R, condition: Condition): Write {
  return { op: 'put', row: key.row, value, condition };
}
export function merge<R extends Properties>(key: Key<R>, value: Partial<R>, condition: Condition): Write {
  return { op: 'merge', row: key.row, value, condition };
}
export function remove(key: Key<unknown>, condition: Condition): Write {
  return { op: 'delete', row: key.row, condition };
}

/** The rows of one partition between two keys, both in byte order. */
export interface Range {
  readonly table: TableName;
  readonly partition: string;
  /** First row key wanted. */
  readonly from: string;
  /** First row key not wanted. */
  readonly before: string;
  /** 1 to 1,000 rows. */
  readonly limit: number;
  /** The only properties wanted; all when left out, none (keys alone) when empty. */
  readonly select?: readonly string[];
}

export interface Page<R> {
  readonly rows: readonly Found<R>[];
  /** True if and only if at least one further row lies in the range. */
  readonly more: boolean;
}

/**
 * The rows of many partitions whose row key lies between two keys. With `partitions` they come partition by partition,
 * both in byte order; else in no order that callers may rely on. A row that is there all the while comes once.
 */
export interface Scan {
  readonly table: TableName;
  /** Those between two keys, the first wanted and the last not; all when left out. */
  readonly partitions?: { readonly from: string; readonly before: string };
  readonly from: string;
  readonly before: string;
  /** 1 to 1,000 rows. */
  readonly limit: number;
  readonly select?: readonly string[];
  /** Where the last page ended. */
  readonly cursor?: string;
}

export interface ScanPage<R> {
  readonly rows: readonly (Found<R> & { readonly partition: string })[];
  readonly cursor?: string;
}

/** A batch did not happen, because the write at `index` found its row otherwise than its condition says. */
export class Conflict extends Error {
  readonly index: number;
  constructor(index: number, options?: ErrorOptions) {
    super(`write ${index} of the batch met another state`, options);
    this.name = 'Conflict';
    this.index = index;
  }
}

/** Storage did not answer, or not in time; a write may or may not have been applied. Answered with 503. */
export class Unavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Unavailable';
  }
}

/**
 * Rows in partitions, as Azure Table Storage keeps them. Each method is one storage transaction (`range` one per
 * 1,000 rows). Any may throw Unavailable. A retry inside an adapter can make a write meet its own effect, so callers
 * treat Conflict as "read again", never as "somebody else".
 */
export interface Records {
  /** Point read; undefined when absent. `select` names the only properties wanted. */
  get<R>(key: Key<R>, select?: readonly (keyof R & string)[]): Promise<Found<R> | undefined>;
  range<R>(range: Range): Promise<Page<R>>;
  scan<R>(scan: Scan): Promise<ScanPage<R>>;
  /** All writes happen, or none: 1 to 100 of them, each to another row, in one partition. Throws Conflict. */
  batch(table: TableName, partition: string, writes: readonly Write[]): Promise<void>;
}
