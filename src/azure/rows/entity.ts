import type { TableEntityResult } from '@azure/data-tables';
import type { Etag, Found, Properties } from '../../store/records.ts';

/** A row in the JSON that the table service takes; values that JSON cannot tell apart carry their type beside them. */
export function toEntity(partition: string, row: string, value: Properties): Record<string, unknown> {
  const entity: Record<string, unknown> = { PartitionKey: partition, RowKey: row };
  for (const [name, property] of Object.entries(value)) {
    if (property === undefined) continue;
    const type = typeOf(property);
    if (type !== undefined) entity[`${name}@odata.type`] = type;
    entity[name] = wireValue(property, type);
  }
  return entity;
}

function typeOf(value: string | number | boolean | Uint8Array): string | undefined {
  if (typeof value === 'object') return 'Edm.Binary';
  if (typeof value !== 'number') return undefined;
  if (!Number.isInteger(value)) return 'Edm.Double';
  // Untyped integers are Edm.Int32.
  return value === (value | 0) ? undefined : 'Edm.Int64';
}

function wireValue(value: string | number | boolean | Uint8Array, type: string | undefined): unknown {
  if (typeof value === 'object')
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
  return type === 'Edm.Int64' ? String(value) : value;
}

/** Properties of the service beside a row's own, by the names that the SDK gives them. */
const FOREIGN = new Set(['partitionKey', 'rowKey', 'timestamp', 'etag', 'odata.metadata']);

/** What to ask for besides a row's own properties. The etag depends on Timestamp, so that is never left out. */
export const KEYS = ['PartitionKey', 'RowKey', 'Timestamp'];

export type Entity = TableEntityResult<Record<string, unknown>>;

export function fromEntity<R>(entity: Entity): Found<R> & { readonly partition: string } {
  const { partitionKey, rowKey, etag } = entity;
  if (partitionKey === undefined || rowKey === undefined) throw new Error('the table service left out a key');
  const value: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(entity)) {
    // A property that was asked for and that the row lacks comes back as null.
    if (FOREIGN.has(name) || property === null || property === undefined) continue;
    value[name] = ownValue(property);
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- rows become typed here; typed writes keep their shapes
  const typed = { value: value as R, etag: etag as Etag };
  return { partition: partitionKey, row: rowKey, ...typed };
}

function ownValue(property: unknown): unknown {
  if (typeof property === 'bigint') return Number(property);
  // Not the SDK's Buffer: small ones share one memory, and callers own what they read.
  if (property instanceof Uint8Array) return new Uint8Array(property);
  return property;
}
