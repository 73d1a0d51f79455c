import { invalid } from '../arm.ts';

/** Times of the last change inside of what is fixed, ours to say. */
const SHOWN_INSIDE = new Set(['lastUpdatedTime']);

/**
 * Refuses a value other than the one that a property of this registry always has; parts that are not named, or null,
 * say nothing. Throws REQUEST_INVALID with the path of the part at fault.
 */
export function checkFixed(given: unknown, value: unknown, path: string): void {
  if (given === undefined || given === null) return;
  if (typeof given === 'object' && typeof value === 'object' && value !== null) {
    const known: Readonly<Record<string, unknown>> = { ...value };
    for (const [key, part] of Object.entries(given)) {
      if (!SHOWN_INSIDE.has(key)) checkFixed(part, known[key], `${path}.${key}`);
    }
    return;
  }
  const same =
    typeof given === 'string' && typeof value === 'string' ? sameWord(given, value) : given === value;
  if (same) return;
  const only = value === undefined ? '' : ` The only value supported is ${JSON.stringify(value)}.`;
  throw invalid(`This registry does not support this value of the property '${path}'.${only}`);
}

/** Whether two words are the same to ARM, which compares without case. */
export function sameWord(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
