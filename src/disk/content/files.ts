import { link, mkdir, open, type FileHandle, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Unavailable } from '../../store/records.ts';

/** The directories a write of this process made, so that each is made and synced once. */
export class Folders {
  readonly #made = new Map<string, Promise<void>>();

  /** Makes a directory with its parents, so that it survives a loss of power. */
  async make(dir: string): Promise<void> {
    let made = this.#made.get(dir);
    if (!made) {
      made = makeFolder(dir);
      this.#made.set(dir, made);
    }
    try {
      await made;
    } catch (error) {
      this.#made.delete(dir);
      throw error;
    }
  }
}

async function makeFolder(dir: string): Promise<void> {
  const first = await mkdir(dir, { recursive: true });
  if (first === undefined) return;
  let parent = dir;
  do {
    parent = dirname(parent);
    await syncFolder(parent);
  } while (parent !== dirname(first));
}

/** Makes the names in a directory survive a loss of power; those below need calls of their own. */
export async function syncFolder(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes a file whose bytes survive a loss of power; its name does not until `syncFolder`. */
export async function writeFile(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    for (const part of parts) await writeAll(handle, part);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** The kernel copies small writes several times faster than one of 8 MiB (`npm run bench`, row layer). */
const WRITE_BYTES = 128 * 1024;

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length;) {
    const length = Math.min(bytes.length - offset, WRITE_BYTES);
    const { bytesWritten } = await handle.write(bytes, offset, length);
    offset += bytesWritten;
  }
}

/** Where files are written before they get their names; emptied at the start, so that a crash leaves nothing behind. */
export class Incoming {
  readonly #dir: string;
  #count = 0;

  constructor(dir: string) {
    this.#dir = dir;
  }

  async clean(): Promise<void> {
    await rm(this.#dir, { recursive: true, force: true });
    await mkdir(this.#dir, { recursive: true });
  }

  /** Writes a file and gives it its name, which may be another file's, all or nothing. */
  async replace(path: string, parts: readonly Uint8Array[]): Promise<void> {
    const temporary = this.#next();
    try {
      await writeFile(temporary, parts);
      await rename(temporary, path);
    } catch (error) {
      await discard(temporary);
      throw error;
    }
  }

  /** Writes a file under a name that must be free, all or nothing. False when the name is taken. */
  async claim(path: string, parts: readonly Uint8Array[]): Promise<boolean> {
    const temporary = this.#next();
    try {
      await writeFile(temporary, parts);
      await link(temporary, path);
      return true;
    } catch (error) {
      if (hasCode(error, 'EEXIST')) return false;
      throw error;
    } finally {
      await discard(temporary);
    }
  }

  #next(): string {
    return join(this.#dir, String(this.#count++));
  }
}

/** What fails here waits for the next `clean`; the caller has a better error to tell, or none. */
async function discard(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => undefined);
}

/** The result, or undefined when the file or directory is not there. */
export async function unlessAbsent<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Turns what the file system refuses (no space, no handles, a failing disk) into Unavailable. */
export async function answering<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toUnavailable(error);
  }
}

/** The error itself when it does not come from the file system. */
export function toUnavailable(error: unknown): unknown {
  const fromSystem = error instanceof Error && 'syscall' in error && 'code' in error;
  return fromSystem
    ? new Unavailable(`the disk does not answer: ${String(error.code)}`, { cause: error })
    : error;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
