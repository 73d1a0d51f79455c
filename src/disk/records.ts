import type { Key, TableName, Value } from '../model/record.ts';
import {
  type Condition,
  Conflict,
  type Etag,
  type Found,
  type Page,
  type Properties,
  type Range,
  type Records,
  type Scan,
  type ScanPage,
  type Write,
} from '../store/records.ts';
import { type Cell, type Database, type Statement, unavailable } from './database.ts';
import { checkBatch, checkLimit } from './limits.ts';
import { decode, encode } from './row.ts';

const SAME_ROW = 'space = ? AND part = ? AND name = ?';
const IN_RANGE = 'space = ? AND part = ? AND name >= ? AND name < ? ORDER BY name LIMIT ?';
const IN_SCAN = 'space = ? AND name >= ? AND name < ? AND (name, part) > (?, ?) ORDER BY name, part LIMIT ?';
const IN_PARTITIONS =
  'space = ? AND part < ? AND name >= ? AND name < ? AND (part, name) > (?, ?) ORDER BY part, name LIMIT ?';

/** Rows in SQLite. Keys compare as bytes: SQLite's default for text. */
export class DiskRecords implements Records {
  readonly #database: Database;
  readonly #get: Statement;
  readonly #getText: Statement;
  readonly #getBytes: Statement;
  readonly #getEtag: Statement;
  readonly #upsert: Statement;
  readonly #delete: Statement;
  /** By whether all, some or no properties are wanted. */
  readonly #range: Readonly<Record<Wanted, Statement>>;
  readonly #scan: Readonly<Record<Wanted, Statement>>;
  readonly #scanPartitions: Readonly<Record<Wanted, Statement>>;

  constructor(database: Database) {
    this.#database = database;
    this.#get = database.prepare(`SELECT etag, value, bytes FROM record WHERE ${SAME_ROW}`);
    this.#getText = database.prepare(`SELECT etag, value FROM record WHERE ${SAME_ROW}`);
    this.#getBytes = database.prepare(`SELECT bytes FROM record WHERE ${SAME_ROW}`);
    this.#getEtag = database.prepare(`SELECT etag FROM record WHERE ${SAME_ROW}`);
    this.#upsert = database.prepare(
      `INSERT INTO record (space, part, name, etag, value, bytes) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET etag = excluded.etag, value = excluded.value, bytes = excluded.bytes`,
    );
    this.#delete = database.prepare(`DELETE FROM record WHERE ${SAME_ROW}`);
    const select = (where: string): Record<Wanted, Statement> => ({
      all: database.prepare(`SELECT part, name, etag, value, bytes FROM record WHERE ${where}`),
      some: database.prepare(`SELECT part, name, etag, value FROM record WHERE ${where}`),
      none: database.prepare(`SELECT part, name, etag FROM record WHERE ${where}`),
    });
    this.#range = select(IN_RANGE);
    this.#scan = select(IN_SCAN);
    this.#scanPartitions = select(IN_PARTITIONS);
  }

  async get<R>(key: Key<R>, select?: readonly (keyof R & string)[]): Promise<Found<R> | undefined> {
    return reading(() => {
      const { table, partition, row } = key;
      const cells = (select ? this.#getText : this.#get).first(table, partition, row);
      if (!cells) return undefined;
      const [etag, text, bytes] = cells;
      const value = select ? this.#selected(table, partition, row, text, select) : decode(text, bytes);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the key tells the shape of all that is written to it
      return { row, value: value as R, etag: toEtag(etag) };
    });
  }

  async range<R>(range: Range): Promise<Page<R>> {
    const { table, partition, from, before, limit, select } = range;
    checkLimit(limit);
    return reading(() => {
      const rows = this.#range[wanted(select)].all(table, partition, from, before, limit + 1);
      return {
        rows: rows.slice(0, limit).map((cells) => this.#found<R>(table, cells, select)),
        more: rows.length > limit,
      };
    });
  }

  async scan<R>(scan: Scan): Promise<ScanPage<R>> {
    const { table, partitions, from, before, limit, select, cursor } = scan;
    checkLimit(limit);
    return reading(() => {
      const [name, part] = cursor === undefined ? ['', partitions?.from ?? ''] : fromCursor(cursor);
      const cells = partitions
        ? this.#scanPartitions[wanted(select)].all(
            table,
            partitions.before,
            from,
            before,
            part,
            name,
            limit + 1,
          )
        : this.#scan[wanted(select)].all(table, from, before, name, part, limit + 1);
      const rows = cells
        .slice(0, limit)
        .map((one) => ({ ...this.#found<R>(table, one, select), partition: String(one[0]) }));
      const last = rows.at(-1);
      if (cells.length <= limit || !last) return { rows };
      return { rows, cursor: toCursor(last.row, last.partition) };
    });
  }

  async batch(table: TableName, partition: string, writes: readonly Write[]): Promise<void> {
    checkBatch(partition, writes);
    await this.#database.write(() => {
      for (const [index, write] of writes.entries()) {
        const etag = this.#getEtag.first(table, partition, write.row)?.[0];
        if (!holds(write.condition, etag)) throw new Conflict(index);
      }
      for (const write of writes) this.#apply(table, partition, write);
    });
  }

  #apply(table: TableName, partition: string, write: Write): void {
    const { row } = write;
    if (write.op === 'delete') {
      this.#delete.run(table, partition, row);
      return;
    }
    let value = write.value;
    if (write.op === 'merge') {
      const cells = this.#get.first(table, partition, row);
      if (cells) value = { ...decode(cells[1], cells[2]), ...defined(value) };
    }
    const { text, bytes } = encode(value);
    this.#upsert.run(table, partition, row, this.#database.nextEtag(), text, bytes);
  }

  #found<R>(
    table: TableName,
    [part, name, etag, text, bytes]: readonly Cell[],
    select: readonly string[] | undefined,
  ): Found<R> {
    const partition = String(part);
    const row = String(name);
    const value = select ? this.#selected(table, partition, row, text, select) : decode(text, bytes);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as in `get`
    return { row, value: value as R, etag: toEtag(etag) };
  }

  /** Reads the bytes of a row only when they are asked for: they are most of it. */
  #selected(
    table: TableName,
    partition: string,
    row: string,
    text: Cell | undefined,
    select: readonly string[],
  ): Record<string, Value> {
    return decode(text ?? '{}', () => this.#getBytes.first(table, partition, row)?.[0], select);
  }
}

type Wanted = 'all' | 'some' | 'none';

function wanted(select: readonly string[] | undefined): Wanted {
  if (!select) return 'all';
  return select.length === 0 ? 'none' : 'some';
}

function holds(condition: Condition, etag: Cell | undefined): boolean {
  switch (condition.kind) {
    case 'absent':
      return etag === undefined;
    case 'present':
      return etag !== undefined;
    case 'match':
      return etag !== undefined && toEtag(etag) === condition.etag;
    case 'always':
      return true;
  }
}

function defined(value: Properties): Properties {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined));
}

function toEtag(cell: Cell | undefined): Etag {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- here etags are made
  return String(cell) as Etag;
}

function toCursor(name: string, part: string): string {
  return Buffer.from(JSON.stringify([name, part])).toString('base64url');
}

function fromCursor(cursor: string): [string, string] {
  const parsed: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  if (!Array.isArray(parsed)) throw new Error('a cursor that no scan gave');
  return [String(parsed[0]), String(parsed[1])];
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw unavailable(error);
  }
}
