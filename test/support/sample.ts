import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { parseRegistryName, type RegistryName } from '../../src/model/names.ts';

/** A registry nobody else uses, so that tests may share one store. */
export function freshRegistry(): RegistryName {
  return parseRegistryName(`r${freshName()}`);
}

/** Twenty lower-case hex characters that were never used before. */
export function freshName(): string {
  return randomBytes(10).toString('hex');
}

/** Bytes without pattern, so that a part of them cannot be taken for another part. */
export function noise(length: number): Uint8Array {
  return new Uint8Array(randomBytes(length));
}

/** Asks again until there is an answer, at most `seconds` long; undefined when time is up. */
export async function poll<T>(ask: () => Promise<T | undefined>, seconds = 15): Promise<T | undefined> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined || Date.now() > end) return answer;
    await wait(50);
  }
}

/** All bytes of a stream in one array. */
export async function gather(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return new Uint8Array(Buffer.concat(parts));
}

/** Equality of bytes at memory speed: deep equality of large arrays takes seconds. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
