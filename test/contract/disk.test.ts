import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Disk, openDisk } from '../../src/disk/open.ts';
import { blobsContract } from './blobs.ts';
import { recordsContract } from './records.ts';
import { workContract } from './work.ts';

async function openTemporary(): Promise<Disk> {
  const dir = await mkdtemp(join(tmpdir(), 'functionary-'));
  const disk = await openDisk({ dir });
  return {
    ...disk,
    close: async () => {
      await disk.close();
      await rm(dir, { recursive: true });
    },
  };
}

for (const [name, open] of [
  ['a directory', openTemporary],
  ['memory', openDisk],
] as const) {
  recordsContract(name, () => open());
  blobsContract(name, () => open());
  workContract(name, () => open());
}
