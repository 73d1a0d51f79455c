/** What a `Range` header asks of a blob (RFC 9110 section 14). */
export type RangeRequest =
  | { readonly kind: 'whole' }
  /** First and last byte, both included and inside the blob. `suffix`: asked as `-n`, which Azure Storage cannot answer. */
  | { readonly kind: 'part'; readonly first: number; readonly last: number; readonly suffix: boolean }
  | { readonly kind: 'unsatisfiable' };

/**
 * Judges a `Range` header against a size in bytes. Other units and several ranges are answered whole, as RFC 9110
 * allows; a reversed range is unsatisfiable, as the conformance suite wants.
 */
export function judgeRange(header: string | null, size: number): RangeRequest {
  const match = header === null ? undefined : /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header.trim());
  if (!match) return { kind: 'whole' };
  const [, from = '', to = ''] = match;
  if (from === '') return to === '' ? { kind: 'whole' } : judgeSuffix(Number(to), size);
  const first = Number(from);
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (first >= size || last < first) return { kind: 'unsatisfiable' };
  return { kind: 'part', first, last, suffix: false };
}

function judgeSuffix(length: number, size: number): RangeRequest {
  if (length === 0 || size === 0) return { kind: 'unsatisfiable' };
  return { kind: 'part', first: Math.max(0, size - length), last: size - 1, suffix: true };
}

/** Reads the `Content-Range` of an upload chunk: `a-b` (distribution-spec), or `bytes a-b/*` as some send it. */
export function parseChunkRange(header: string): { first: number; last: number } | undefined {
  const match = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\*|\d+))?$/.exec(header.trim());
  if (!match) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2]);
  return last < first ? undefined : { first, last };
}
