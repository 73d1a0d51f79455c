import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from 'node:sqlite';
import { setImmediate } from 'node:timers';
import { Conflict, Unavailable } from '../store/records.ts';

/** A value SQLite gives. */
export type Cell = SQLOutputValue;

/** A prepared statement whose rows are arrays of columns. */
export interface Statement {
  first(...cells: SQLInputValue[]): readonly Cell[] | undefined;
  all(...cells: SQLInputValue[]): readonly (readonly Cell[])[];
  run(...cells: SQLInputValue[]): void;
}

interface Pending {
  readonly run: () => void;
  readonly settle: (failure?: unknown) => void;
}

/**
 * The layout of the tables below and of the files beside them; data of another one is refused. 2: files lie in folders
 * named by the ends of their names.
 */
const VERSION = 2;

// Rows hang on a rowid, not on their key: 1 to 60 KiB a row would leave the tree of keys a fan-out of four a page,
// and a point read measured twice as slow. `by_row` is for scans over partitions.
const SCHEMA = `
CREATE TABLE record (
  id INTEGER PRIMARY KEY,
  space TEXT NOT NULL, part TEXT NOT NULL, name TEXT NOT NULL,
  etag INTEGER NOT NULL, value TEXT NOT NULL, bytes BLOB,
  UNIQUE (space, part, name)
);
CREATE INDEX by_row ON record (space, name, part);
CREATE TABLE job (id INTEGER PRIMARY KEY, due INTEGER NOT NULL, attempt INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX by_due ON job (due);
CREATE TABLE counter (etag INTEGER NOT NULL);
INSERT INTO counter VALUES (0);
PRAGMA user_version = ${VERSION};
`;

/** Etags are handed out from blocks of this size, so that a write need not save the counter. */
const ETAG_BLOCK = 1_000_000;

const SQLITE_BUSY = 5;

/**
 * The one connection to the one database: rows and jobs. On disk, transactions that are asked for at the same time are
 * committed together, since each commit waits for the disk.
 */
export class Database {
  readonly #connection: DatabaseSync;
  readonly #onDisk: boolean;
  #pending: Pending[] = [];
  #etag: number;
  #reserved: number;

  /** Throws a plain Error, made for a person, when another process has the directory or the format is unknown. */
  constructor(dir: string | undefined) {
    this.#onDisk = dir !== undefined;
    this.#connection = connect(dir);
    this.#reserved = Number(this.prepare('SELECT etag FROM counter').first()?.[0] ?? 0);
    this.#etag = this.#reserved;
  }

  prepare(sql: string): Statement {
    const statement = this.#connection.prepare(sql);
    statement.setReturnArrays(true);
    return {
      first: (...cells) => toColumns(statement.get(...cells)),
      all: (...cells) => statement.all(...cells).map((row) => toColumns(row) ?? []),
      run: (...cells) => void statement.run(...cells),
    };
  }

  /** A number that no row of this database ever had. Call it inside `write`. */
  nextEtag(): number {
    if (this.#etag >= this.#reserved) {
      const reserved = this.#etag + ETAG_BLOCK;
      this.#connection.exec(`UPDATE counter SET etag = ${reserved}`);
      this.#reserved = reserved;
    }
    return ++this.#etag;
  }

  /**
   * Runs `work` in a transaction and resolves when it is safe on disk. `work` throws Conflict before it changes
   * anything; any other error undoes the whole transaction, and is Unavailable.
   */
  async write<T>(work: () => T): Promise<T> {
    return await new Promise((resolve, reject) => {
      let result: { readonly value: T } | undefined;
      this.#pending.push({
        run: () => {
          result = { value: work() };
        },
        settle: (failure) => {
          if (result && failure === undefined) resolve(result.value);
          else reject(failure instanceof Error ? failure : new Unavailable('a transaction was lost'));
        },
      });
      if (!this.#onDisk) this.#flush();
      // After the input at hand is read, so that requests that came during the last commit share the next one.
      else if (this.#pending.length === 1) setImmediate(() => this.#flush());
    });
  }

  /** Commits what is pending; all that comes later is Unavailable. */
  close(): void {
    if (!this.#connection.isOpen) return;
    this.#flush();
    this.#connection.close();
  }

  #flush(): void {
    const group = this.#pending;
    if (group.length === 0) return;
    this.#pending = [];
    const conflicts = new Map<Pending, Conflict>();
    const etags = this.#reserved;
    try {
      this.#connection.exec('BEGIN IMMEDIATE');
      for (const one of group) {
        try {
          one.run();
        } catch (error) {
          if (!(error instanceof Conflict)) throw error;
          conflicts.set(one, error);
        }
      }
      this.#connection.exec('COMMIT');
    } catch (error) {
      this.#reserved = etags;
      const failure = this.#rolledBack(error);
      for (const one of group) one.settle(failure);
      return;
    }
    for (const one of group) one.settle(conflicts.get(one));
  }

  #rolledBack(cause: unknown): Unavailable {
    try {
      if (this.#connection.isOpen && this.#connection.isTransaction) this.#connection.exec('ROLLBACK');
    } catch (error) {
      return unavailable(error);
    }
    return unavailable(cause);
  }
}

/** The types of `node:sqlite` know rows as objects, though `setReturnArrays` makes them arrays. */
function toColumns(row: unknown): readonly Cell[] | undefined {
  return Array.isArray(row) ? row : undefined;
}

/** Any failure of SQLite, a full disk included. */
export function unavailable(cause: unknown): Unavailable {
  return new Unavailable('the database does not answer', { cause });
}

function connect(dir: string | undefined): DatabaseSync {
  const connection = new DatabaseSync(dir === undefined ? ':memory:' : join(dir, 'registry.sqlite'));
  try {
    // The exclusive lock comes before WAL: it keeps a second process out, and spares shared memory and its locks.
    connection.exec(`
      PRAGMA page_size = 8192;
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA cache_size = -65536;
      PRAGMA mmap_size = 1073741824;
      PRAGMA journal_size_limit = 67108864;
    `);
    connection.exec('BEGIN IMMEDIATE; COMMIT');
    const row = connection.prepare('PRAGMA user_version').get();
    const version = Number(row?.['user_version'] ?? 0);
    if (version !== 0 && version !== VERSION) {
      const writer = version > VERSION ? 'a later' : 'an earlier';
      throw new Error(
        `the data in ${dir} was written by ${writer} version of this program, and left as it is; choose another directory`,
      );
    }
    if (version === 0) connection.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT`);
    return connection;
  } catch (error) {
    connection.close();
    if (!isBusy(error)) throw error;
    throw new Error(
      `the data in ${dir} is in use by another process; stop that one, or choose another directory`,
      {
        cause: error,
      },
    );
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}
