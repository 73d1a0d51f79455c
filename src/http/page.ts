import { Problem } from '../model/problem.ts';

/** Rows of one page: one storage transaction's worth. */
export const PAGE_LIMIT = 1000;

/** What a listing asks for: at most `n` entries after `last`. */
export interface PageRequest {
  readonly n: number;
  /** Printable ASCII, at most 301 characters; an entry or a place between entries. */
  readonly last: string;
}

/** Reads `n` and `last` of a listing (distribution-spec "Listing Tags"). Throws PAGINATION_NUMBER_INVALID. */
export function parsePage(query: URLSearchParams, usual: number): PageRequest {
  const n = query.get('n');
  if (n !== null && !/^\d{1,9}$/.test(n))
    throw new Problem('PAGINATION_NUMBER_INVALID', { n: n.slice(0, 100) });
  return { n: n === null ? usual : Math.min(Number(n), PAGE_LIMIT), last: placeOf(query.get('last') ?? '') };
}

/** Longer than any entry of any list. */
const PLACE_LENGTH = 300;

/**
 * The same place among entries, which are all printable ASCII below `~`, in characters that every storage can compare:
 * cut before a control character, and put behind everything of its prefix where a letter follows that none can have.
 */
function placeOf(last: string): string {
  const [printable = ''] = /^[ -~]*/.exec(last.slice(0, PLACE_LENGTH)) ?? [];
  const next = last.charAt(printable.length);
  return next > '~' ? `${printable}~` : printable;
}

/**
 * The `Link` of the next page: relative, keys in order, `<` first, as `az` and the Azure SDKs cut it
 * (ACR wire, "Paging").
 */
export function nextLink(path: string, query: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(Object.entries(query).toSorted(([a], [b]) => (a < b ? -1 : 1))).toString();
  return `<${path}?${text}>; rel="next"`;
}
