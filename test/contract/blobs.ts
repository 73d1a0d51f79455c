import { afterAll, beforeAll, describe } from 'vitest';
import type { Blobs } from '../../src/store/blobs.ts';
import { readingContract } from './blobs-reading.ts';
import { writingContract } from './blobs-writing.ts';

/** What every `Blobs` must do. Each test works in a registry of its own. */
export function blobsContract(
  name: string,
  open: () => Promise<{ blobs: Blobs; close(): Promise<void> }>,
): void {
  describe(`${name}: blobs`, () => {
    let blobs: Blobs | undefined;
    let close: (() => Promise<void>) | undefined;

    beforeAll(async () => {
      const opened = await open();
      blobs = opened.blobs;
      close = () => opened.close();
    });

    afterAll(async () => {
      await close?.();
    });

    const current = (): Blobs => {
      if (!blobs) throw new Error('the store did not open');
      return blobs;
    };
    writingContract(current);
    readingContract(current);
  });
}
