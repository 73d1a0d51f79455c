import { expect, test } from 'vitest';
import type { Range } from '../../src/store/records.ts';
import { openTestApp } from '../support/app.ts';
import { clientOf, document, publish } from '../support/client.ts';
import { intercept } from '../support/intercept.ts';
import { NAME } from '../support/scene.ts';

const POSITIONS = [
  '\u0000',
  'v\n',
  'a/b',
  '\\',
  '#?',
  '漢😀',
  'x'.repeat(9000),
  'sha256:' + 'f'.repeat(9000),
];
const LISTINGS = [`/v2/${NAME}/tags/list`, `/v2/${NAME}/referrers/sha256:${'0'.repeat(64)}`, '/v2/_catalog'];
const cases = LISTINGS.flatMap((path) => POSITIONS.map((last) => ({ path, last })));

test.each(cases)(
  'a listing of $path after $last asks storage only for what it can be asked for',
  async ({ path, last }) => {
    const asked: string[] = [];
    const app = await openTestApp({
      wrap: (stores) => {
        const spied = intercept(stores, { hook: (_, run) => run() });
        const range = <R>(wanted: Range) => {
          asked.push(wanted.from, wanted.before);
          return stores.records.range<R>(wanted);
        };
        return { ...spied, records: { ...spied.records, range } };
      },
    });
    const send = clientOf(app.app);
    expect((await publish(send, NAME, 'v1', document('one'))).status).toBe(201);
    expect((await send('GET', `${path}?last=${encodeURIComponent(last)}`)).status).toBe(200);
    expect(asked.length).toBe(2);
    // oxlint-disable-next-line no-control-regex -- these are what the table service refuses to be asked for
    for (const key of asked) expect(key).toMatch(/^[^\u0000-\u001f\u007f-\u009f]{1,800}$/);
    expect(asked.map((key) => key.isWellFormed())).toEqual([true, true]);
    await app.close();
  },
);
