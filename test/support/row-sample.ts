import type { Key, TableName } from '../../src/model/record.ts';
import {
  type Etag,
  type Found,
  ifAbsent,
  type Properties,
  put,
  type Records,
} from '../../src/store/records.ts';
import { freshName, freshRegistry } from './sample.ts';

export function newKey(table: TableName = 'repos'): Key<Properties> {
  return { table, partition: `${freshRegistry()}!${freshName()}`, row: `row-${freshName()}` };
}

export function newKeys(count: number): Key<Properties>[] {
  const { table, partition } = newKey();
  return Array.from({ length: count }, (_, i) => ({
    table,
    partition,
    row: `row!${String(i).padStart(3, '0')}`,
  }));
}

export async function writeOnce(records: Records, key: Key<Properties>, value: Properties): Promise<Etag> {
  await records.batch(key.table, key.partition, [put(key, value, ifAbsent)]);
  const found: Found<Properties> | undefined = await records.get(key);
  if (!found) throw new Error('a row that was just written is missing');
  return found.etag;
}
