import { afterAll, beforeAll, describe } from 'vitest';
import type { Records } from '../../src/store/records.ts';
import { pagingContract } from './records-paging.ts';
import { rowsContract } from './records-rows.ts';
import { writingContract } from './records-writing.ts';

/** What every `Records` must do. Each test works in partitions of its own. */
export function recordsContract(
  name: string,
  open: () => Promise<{ records: Records; close(): Promise<void> }>,
): void {
  describe(`${name}: records`, () => {
    let records: Records | undefined;
    let close: (() => Promise<void>) | undefined;

    beforeAll(async () => {
      const opened = await open();
      records = opened.records;
      close = () => opened.close();
    });

    afterAll(async () => {
      await close?.();
    });

    const current = (): Records => {
      if (!records) throw new Error('the store did not open');
      return records;
    };
    writingContract(current);
    rowsContract(current);
    pagingContract(current);
  });
}
