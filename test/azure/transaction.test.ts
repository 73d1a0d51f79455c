import { describe, expect, test } from 'vitest';
import { refusalOf, toOperation, toTransaction } from '../../src/azure/rows/transaction.ts';
import { always, ifAbsent, put, remove } from '../../src/store/records.ts';
import { newKey } from '../support/row-sample.ts';

/** An answer to a transaction, in the form of the REST reference "Performing entity group transactions". */
function answer(status: string, code: string, message: string): string {
  const body = { 'odata.error': { code, message: { lang: 'en-US', value: message } } };
  return [
    '--batchresponse_1',
    'Content-Type: multipart/mixed; boundary=changesetresponse_2',
    '',
    '--changesetresponse_2',
    'Content-Type: application/http',
    'Content-Transfer-Encoding: binary',
    '',
    `HTTP/1.1 ${status}`,
    'Content-Type: application/json;odata=minimalmetadata;streaming=true;charset=utf-8',
    '',
    JSON.stringify(body),
    '--changesetresponse_2--',
    '--batchresponse_1--',
    '',
  ].join('\r\n');
}

describe('refusals', () => {
  test.each([
    ['0:The specified entity already exists.\nRequestId:1:2\nTime:2026-01-01T00:00:00Z', 0],
    ['7:The specified entity already exists.', 7],
    ['42:The specified entity already exists.', 42],
    ['99:The specified entity already exists.', 99],
    ['The specified entity already exists.', undefined],
    ['Element 5: not a position at the start', undefined],
  ])('the message %j names operation %s', (message, index) => {
    const refusal = refusalOf(202, answer('409 Conflict', 'EntityAlreadyExists', message));
    expect(refusal).toMatchObject({ status: 409, code: 'EntityAlreadyExists', message });
    expect(refusal?.index).toBe(index);
  });

  test('an answer without a failing part is none', () => {
    const done = ['--batchresponse_1', 'HTTP/1.1 204 No Content', 'HTTP/1.1 204 No Content', ''].join('\r\n');
    expect(refusalOf(202, done)).toBeUndefined();
    expect(refusalOf(204, '')).toBeUndefined();
  });

  test('a refusal without a readable reason still is one', () => {
    expect(refusalOf(413, '<html>{too large}</html>')).toMatchObject({ status: 413, code: 'Unknown' });
    expect(refusalOf(412, '')).toMatchObject({ status: 412, code: 'Unknown', message: '' });
  });
});

describe('requests', () => {
  test('an insert, an upsert and a delete carry their keys escaped and their conditions', () => {
    const key = { ...newKey(), row: "a'b/c" };
    const table = 'https://acct.table.invalid/repos';
    const insert = toOperation(table, "p'q", put(key, { a: 1 }, ifAbsent));
    expect(insert).toMatchObject({ method: 'POST', url: table });
    expect(insert.headers['If-Match']).toBeUndefined();
    const upsert = toOperation(table, "p'q", put(key, { a: 1 }, always));
    expect(upsert).toMatchObject({
      method: 'PUT',
      url: `${table}(PartitionKey='p''q',RowKey='a''b%2Fc')`,
    });
    expect(upsert.headers['If-Match']).toBeUndefined();
    expect(toOperation(table, "p'q", remove(key, always)).headers['If-Match']).toBe('*');
  });

  test('a delete that demands absence is a mistake of the caller', () => {
    expect(() => toOperation('https://t.invalid/repos', 'p', remove(newKey(), ifAbsent))).toThrow(TypeError);
  });

  test('two transactions never share a boundary', () => {
    const operation = toOperation('https://t.invalid/repos', 'p', remove(newKey(), always));
    const [one, two] = [1, 2].map(
      () => toTransaction('https://t.invalid', [operation]).headers['Content-Type'],
    );
    expect(one).not.toBe(two);
  });
});
