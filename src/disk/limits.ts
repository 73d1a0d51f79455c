import type { Write } from '../store/records.ts';

/**
 * What Azure Table Storage refuses ("Understanding the Table service data model", "Performing entity group
 * transactions"). Refused here too, so that what passes the fast tests passes in production.
 */
const MAX_KEY_CHARS = 512;
const MAX_BYTES = 64 * 1024;
const MAX_CHARS = 32 * 1024;
const MAX_ROW_BYTES = 1024 * 1024;
// oxlint-disable-next-line no-control-regex -- these are the characters that keys may not hold
const FORBIDDEN = /[/\\#?\u0000-\u001f\u007f-\u009f]/;

/** Throws a RangeError for a batch that no caller may send. */
export function checkBatch(partition: string, writes: readonly Write[]): void {
  if (writes.length < 1 || writes.length > 100)
    throw new RangeError(`a batch holds 1 to 100 writes, not ${writes.length}`);
  if (writes.length > 1 && new Set(writes.map((write) => write.row)).size < writes.length)
    throw new RangeError('a batch writes each row once');
  checkKey(partition);
  for (const write of writes) {
    checkKey(write.row);
    if (write.op !== 'delete') checkValue(write.row, write.value);
  }
}

/** Throws a RangeError unless 1 to 1,000 rows are asked for. */
export function checkLimit(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000)
    throw new RangeError(`a page holds 1 to 1,000 rows, not ${limit}`);
}

function checkKey(key: string): void {
  if (key.length > MAX_KEY_CHARS || FORBIDDEN.test(key))
    throw new RangeError(`${JSON.stringify(key)} cannot be a key`);
}

function checkValue(row: string, value: Extract<Write, { op: 'put' | 'merge' }>['value']): void {
  let total = 0;
  for (const [name, one] of Object.entries(value)) {
    const fits =
      typeof one === 'string'
        ? one.length <= MAX_CHARS
        : typeof one === 'number'
          ? Number.isSafeInteger(one)
          : one === undefined || typeof one === 'boolean' || one.length <= MAX_BYTES;
    if (!fits) throw new RangeError(`property ${name} of row ${row} is too large, or not an integer`);
    total += typeof one === 'string' ? one.length * 2 : one instanceof Uint8Array ? one.length : 8;
  }
  if (total > MAX_ROW_BYTES) throw new RangeError(`row ${row} is larger than 1 MiB`);
}
