import { Problem } from '../model/problem.ts';

/** Rows of one page: one storage transaction's worth. */
export const PAGE_LIMIT = 1000;

/** What a listing asks for: at most `n` entries after `last`. */
export interface PageRequest {
  readonly n: number;
  readonly last: string;
}

/** Reads `n` and `last` of a listing (distribution-spec "Listing Tags"). Throws PAGINATION_NUMBER_INVALID. */
export function parsePage(query: URLSearchParams, usual: number): PageRequest {
  const n = query.get('n');
  if (n !== null && !/^\d{1,9}$/.test(n))
    throw new Problem('PAGINATION_NUMBER_INVALID', { n: n.slice(0, 100) });
  return { n: n === null ? usual : Math.min(Number(n), PAGE_LIMIT), last: query.get('last') ?? '' };
}

/**
 * The `Link` of the next page: relative, keys in order, `<` first, as `az` and the Azure SDKs cut it
 * (ACR wire, "Paging").
 */
export function nextLink(path: string, query: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(Object.entries(query).toSorted(([a], [b]) => (a < b ? -1 : 1))).toString();
  return `<${path}?${text}>; rel="next"`;
}
