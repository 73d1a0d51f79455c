import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Blobs } from '../store/blobs.ts';
import type { Records } from '../store/records.ts';
import type { Work } from '../store/work.ts';
import { DiskBlobs } from './content/blobs.ts';
import { Database } from './database.ts';
import { MemoryBlobs } from './content/memory.ts';
import { DiskWork } from './queue.ts';
import { DiskRecords } from './records.ts';

export interface DiskOptions {
  /** Where everything is kept; made when absent. Left out, everything is in memory and lost at the end. */
  readonly dir?: string;
  /** Largest piece of a blob to stage, in bytes; 8 MiB unless told. */
  readonly blockSize?: number;
  /** Milliseconds since 1970; the computer's clock unless told. */
  readonly now?: () => number;
}

export interface Disk {
  readonly records: Records;
  readonly blobs: Blobs;
  readonly work: Work;
  /** Commits the rows and jobs written before, and lets go of the directory. */
  close(): Promise<void>;
}

/**
 * Opens the storage of one process: content files and one SQLite database in one directory. Throws an Error made for a
 * person when another process has the directory.
 */
export async function openDisk(options: DiskOptions = {}): Promise<Disk> {
  const { blockSize = 8 * 1024 * 1024, now = () => Date.now() } = options;
  const dir = options.dir === undefined ? undefined : resolve(options.dir);
  if (dir !== undefined) await mkdir(dir, { recursive: true });
  const database = new Database(dir);
  const blobs = dir === undefined ? new MemoryBlobs({ blockSize, now }) : new DiskBlobs({ dir, blockSize });
  if (blobs instanceof DiskBlobs) await blobs.clean();
  return {
    records: new DiskRecords(database),
    work: new DiskWork(database, now),
    blobs,
    close: async () => database.close(),
  };
}
