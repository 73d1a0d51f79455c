import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Disk, openDisk } from '../../src/disk/open.ts';

/** A temporary directory and what is open in it. */
export interface DiskLab {
  readonly dir: string;
  open(): Promise<Disk>;
  /** Has a storage that was opened elsewhere closed at the end. */
  adopt(disk: Disk): void;
  /** Closes a storage and opens the directory again. */
  reopen(disk: Disk): Promise<Disk>;
  close(): Promise<void>;
}

export async function openDiskLab(): Promise<DiskLab> {
  const dir = await mkdtemp(join(tmpdir(), 'functionary-'));
  const opened = new Set<Disk>();
  const open = async (): Promise<Disk> => {
    const disk = await openDisk({ dir });
    opened.add(disk);
    return disk;
  };
  return {
    dir,
    open,
    adopt: (disk) => void opened.add(disk),
    reopen: async (disk) => {
      await disk.close();
      return await open();
    },
    close: async () => {
      for (const disk of opened) await disk.close();
      await rm(dir, { recursive: true });
    },
  };
}
