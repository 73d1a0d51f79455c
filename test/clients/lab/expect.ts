import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { blobPath, sha256, type TestImage } from './image.ts';

/** Throws, naming both, unless found is what was wanted. */
export function expectEqual(what: string, found: string, wanted: string): void {
  if (found !== wanted) throw new Error(`${what}: found ${found || 'nothing'}, wanted ${wanted}`);
}

/** Throws unless `text` has `wanted` as one of its lines, spaces around it aside. */
export function expectLine(what: string, text: string, wanted: string): void {
  const lines = text.split('\n').map((line) => line.trim());
  if (!lines.includes(wanted)) throw new Error(`${what}: no line ${wanted} in:\n${text.slice(0, 1000)}`);
}

export function expectIncludes(what: string, text: string, wanted: string): void {
  if (!text.includes(wanted)) throw new Error(`${what}: no ${wanted} in:\n${text.slice(0, 1000)}`);
}

/** Throws unless a layout on disk holds every blob of the image, each with the bytes its name claims. */
export async function expectLayout(layout: string, image: TestImage): Promise<void> {
  for (const digest of image.digests) {
    expectEqual(`blob ${digest}`, sha256(await readFile(blobPath(layout, digest))), digest);
  }
}

/** Throws unless a directory holds every file of the image, byte by byte. */
export async function expectTree(directory: string, image: TestImage): Promise<void> {
  if (image.files.size === 0) throw new Error('an image without files proves nothing');
  for (const [path, digest] of image.files) {
    const names = await readdir(directory);
    if (!names.includes(path)) throw new Error(`${path} is missing: ${names.join(' ')}`);
    expectEqual(path, sha256(await readFile(join(directory, path))), digest);
  }
}
