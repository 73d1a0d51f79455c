import { open, type FileHandle, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, parseDigest } from '../../model/digest.ts';
import { Unavailable } from '../../store/records.ts';
import { toUnavailable, unlessAbsent } from './files.ts';
import { parseBlockFile } from './naming.ts';

/** What the first line of a head tells. */
export interface Head {
  readonly size: number;
  readonly digest: Digest | undefined;
  /** Whether the bytes follow the line; else a JSON array of block files does. */
  readonly inline: boolean;
}

/** A head as it was read. */
export interface FoundHead extends Head {
  /** Where the first line ends. */
  readonly start: number;
  /** What was read after the first line: all of a small blob. */
  readonly rest: Uint8Array;
}

/** No first line is longer. */
const HEAD_BYTES = 512;
/** A blob up to this size comes in one read together with its head. */
const SMALL_BYTES = 64 * 1024;
/** Large enough to spend the time in the disk and not between reads. */
const PIECE_BYTES = 512 * 1024;

export function encodeHead({ size, digest, inline }: Head): Uint8Array {
  return Buffer.from(`${JSON.stringify({ size, digest, inline })}\n`);
}

/** Undefined when there is no such file. `alone` reads as little as can be. */
export async function readHead(path: string, mode: 'alone' | 'with bytes'): Promise<FoundHead | undefined> {
  const handle = await unlessAbsent(open(path, 'r'));
  if (!handle) return undefined;
  try {
    const buffer = Buffer.allocUnsafe(HEAD_BYTES + (mode === 'alone' ? 0 : SMALL_BYTES));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    const end = buffer.subarray(0, bytesRead).indexOf('\n');
    const head = end < 0 ? undefined : parseHead(buffer.toString('utf8', 0, end));
    if (!head) throw damaged(path);
    return { ...head, start: end + 1, rest: buffer.subarray(end + 1, bytesRead) };
  } finally {
    await handle.close();
  }
}

/** The block files of a blob in order; none when there is no such blob, or when it lies in its head. */
export async function readManifest(path: string): Promise<readonly string[]> {
  const bytes = await unlessAbsent(readFile(path));
  if (!bytes) return [];
  const end = bytes.indexOf('\n');
  if (parseHead(bytes.toString('utf8', 0, Math.max(end, 0)))?.inline) return [];
  const files = parseList(bytes.toString('utf8', end + 1));
  if (!files) throw damaged(path);
  return files;
}

/** Bytes `start` up to `end` of a blob that lies in its head. */
export async function* streamInline(
  path: string,
  head: FoundHead,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  if (end <= head.rest.length) {
    if (start < end) yield head.rest.subarray(start, end);
    return;
  }
  yield* streamFile(path, head.start + start, head.start + end);
}

/** Bytes `start` up to `end` of the files of a directory as if they were one, each opened when its turn comes. */
export async function* streamBlocks(
  dir: string,
  files: readonly string[],
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  let offset = 0;
  for (const file of files) {
    if (offset >= end) return;
    const block = parseBlockFile(file);
    if (!block) throw damaged(join(dir, file));
    const from = Math.max(start - offset, 0);
    const to = Math.min(end - offset, block.size);
    if (from < to) yield* streamFile(join(dir, file), from, to);
    offset += block.size;
  }
}

async function* streamFile(path: string, start: number, end: number): AsyncGenerator<Uint8Array> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    for (let offset = start; offset < end;) {
      const buffer = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, end - offset));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
      if (bytesRead === 0) throw damaged(path);
      offset += bytesRead;
      yield bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead);
    }
  } catch (error) {
    throw toUnavailable(error);
  } finally {
    await handle?.close();
  }
}

function parseHead(line: string): Head | undefined {
  try {
    const { size, digest, inline }: Partial<Record<string, unknown>> = JSON.parse(line);
    if (typeof size !== 'number' || typeof inline !== 'boolean') return undefined;
    return { size, inline, digest: typeof digest === 'string' ? parseDigest(digest) : undefined };
  } catch {
    return undefined;
  }
}

function parseList(text: string): string[] | undefined {
  try {
    const files: unknown = JSON.parse(text);
    return Array.isArray(files) ? files.map(String) : undefined;
  } catch {
    return undefined;
  }
}

function damaged(path: string): Unavailable {
  return new Unavailable(`the file ${path} is damaged`);
}
