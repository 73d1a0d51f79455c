import type { Value } from '../model/record.ts';
import type { Properties } from '../store/records.ts';
import type { Cell } from './database.ts';

/**
 * A row is a JSON object, in which bytes stand as `[offset, length]`, and all its bytes one after the other. No value
 * of a row is an array, so the two cannot be taken for each other; and bytes are neither escaped nor copied.
 */
export function encode(value: Properties): { readonly text: string; readonly bytes: Uint8Array | null } {
  const parts: Uint8Array[] = [];
  let offset = 0;
  const header: Record<string, unknown> = {};
  for (const [name, one] of Object.entries(value)) {
    if (one instanceof Uint8Array) {
      header[name] = [offset, one.length];
      offset += one.length;
      parts.push(one);
    } else if (one !== undefined) header[name] = one;
  }
  const [first] = parts;
  const bytes = first === undefined ? null : parts.length === 1 ? first : Buffer.concat(parts);
  return { text: JSON.stringify(header), bytes };
}

/** The opposite of `encode`; `bytes` may be a way to get them, used only when `select` names some. */
export function decode(
  text: Cell | undefined,
  bytes: Cell | undefined | (() => Cell | undefined),
  select?: readonly string[],
): Record<string, Value> {
  if (bytes === null && !select) return JSON.parse(String(text));
  const header: Record<string, Value | [offset: number, length: number]> = JSON.parse(String(text));
  const value: Record<string, Value> = {};
  let source: Uint8Array | undefined;
  for (const name of select ?? Object.keys(header)) {
    const one = header[name];
    if (one === undefined) continue;
    if (!Array.isArray(one)) {
      value[name] = one;
      continue;
    }
    source ??= toBytes(typeof bytes === 'function' ? bytes() : bytes);
    value[name] = source.subarray(one[0], one[0] + one[1]);
  }
  return value;
}

function toBytes(cell: Cell | undefined): Uint8Array {
  return cell instanceof Uint8Array ? cell : new Uint8Array();
}
