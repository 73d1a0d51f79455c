import { randomUUID } from 'node:crypto';
import type { Condition, Write } from '../../store/records.ts';
import { toEntity } from './entity.ts';

/** One request to the table service, on its own or as a part of a transaction. */
export interface Operation {
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

const JSON_HEADERS = {
  Accept: 'application/json;odata=minimalmetadata',
  'Content-Type': 'application/json',
  DataServiceVersion: '3.0',
  Prefer: 'return-no-content',
};

/** The request that does `write` under its condition. `table` is the URL of the table. */
export function toOperation(table: string, partition: string, write: Write): Operation {
  const url = `${table}(PartitionKey='${quote(partition)}',RowKey='${quote(write.row)}')`;
  const { condition } = write;
  if (write.op === 'delete') {
    if (condition.kind === 'absent') throw new TypeError('a delete cannot demand that the row is absent');
    return {
      method: 'DELETE',
      url,
      headers: { Accept: JSON_HEADERS.Accept, ...(ifMatch(condition) ?? { 'If-Match': '*' }) },
    };
  }
  const body = JSON.stringify(toEntity(partition, write.row, write.value));
  if (condition.kind === 'absent') return { method: 'POST', url: table, headers: JSON_HEADERS, body };
  const method = write.op === 'put' ? 'PUT' : 'PATCH';
  return { method, url, headers: { ...JSON_HEADERS, ...ifMatch(condition) }, body };
}

function ifMatch(condition: Condition): { 'If-Match': string } | undefined {
  if (condition.kind === 'match') return { 'If-Match': condition.etag };
  return condition.kind === 'present' ? { 'If-Match': '*' } : undefined;
}

function quote(key: string): string {
  return encodeURIComponent(key.replaceAll("'", "''"));
}

const LINE = '\r\n';

/**
 * An entity group transaction as one multipart request (REST reference "Performing entity group transactions"). Made
 * here because the SDK's can neither delete by etag nor send a part of a larger buffer, and builds a client each time.
 */
export function toTransaction(endpoint: string, operations: readonly Operation[]): Operation {
  const batch = `batch_${randomUUID()}`;
  const changeset = `changeset_${randomUUID()}`;
  const parts = operations.map((operation) =>
    [
      `--${changeset}`,
      'Content-Type: application/http',
      'Content-Transfer-Encoding: binary',
      '',
      `${operation.method} ${operation.url} HTTP/1.1`,
      ...Object.entries(operation.headers).map(([name, value]) => `${name}: ${value}`),
      '',
      operation.body ?? '',
    ].join(LINE),
  );
  const body = [
    `--${batch}`,
    `Content-Type: multipart/mixed; boundary=${changeset}`,
    '',
    ...parts,
    `--${changeset}--`,
    `--${batch}--`,
    '',
  ].join(LINE);
  const headers = {
    Accept: JSON_HEADERS.Accept,
    'Content-Type': `multipart/mixed; boundary=${batch}`,
    DataServiceVersion: '3.0',
  };
  return { method: 'POST', url: `${endpoint}/$batch`, headers, body };
}

/** Why the service refused, and by which operation when it says so. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly index?: number;
}

/**
 * The refusal in an answer to an operation or a transaction; undefined when it was done. A transaction is answered
 * with 202 either way, and a refused one holds one answer: the first refusal, whose message begins with the position
 * of its operation and a colon.
 */
export function refusalOf(status: number, text: string): Refusal | undefined {
  if (status >= 400) return { status, ...detailsOf(text) };
  const part = [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)]
    .map((match) => Number(match[1]))
    .find((code) => code >= 400);
  return part === undefined ? undefined : { status: part, ...detailsOf(text) };
}

function detailsOf(text: string): { code: string; message: string; index?: number } {
  const error = parseError(text);
  const code = error?.code ?? 'Unknown';
  const message = error?.message?.value ?? text.slice(0, 500);
  const position = /^(\d+):/.exec(message)?.[1];
  return position === undefined ? { code, message } : { code, message, index: Number(position) };
}

interface ServiceError {
  readonly code?: string;
  readonly message?: { readonly value?: string };
}

function parseError(text: string): ServiceError | undefined {
  const json = /\{.*\}/s.exec(text)?.[0];
  if (json === undefined) return undefined;
  try {
    const body: { 'odata.error'?: ServiceError } = JSON.parse(json);
    return body['odata.error'];
  } catch {
    return undefined;
  }
}
