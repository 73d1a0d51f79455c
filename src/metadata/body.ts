import type { RegistryCall, RepositoryCall } from '../http/call.ts';
import { jsonReply } from '../http/json.ts';
import type { Reply } from '../http/message.ts';
import { nextLink, parsePage } from '../http/page.ts';
import type { Listing, Next } from '../catalog/rows.ts';
import { Problem } from '../model/problem.ts';
import { isStamp } from '../model/stamp.ts';

/** Entries on a page when `n` is not given: ACR's. */
const PAGE = 100;
/** What a client may name its request: it is sent back, so nothing that could break a header. */
const CLIENT_ID = /^[\w.:-]{1,128}$/;

/** A time as ACR writes it: UTC, seven digits after the point (ACR wire section 1). */
export function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', '0000Z');
}

/** What a listing asks for. Throws PAGINATION_NUMBER_INVALID, and REQUEST_INVALID for an order that is none. */
export function parseListing(query: URLSearchParams): Listing {
  const { n, last } = parsePage(query, PAGE);
  const asked = query.get('orderby') ?? '';
  const order = asked === '' || asked === 'none' ? 'name' : asked;
  if (order !== 'name' && order !== 'timeasc' && order !== 'timedesc') {
    const orders = ['timeasc', 'timedesc', 'none', ''];
    throw new Problem('REQUEST_INVALID', { orderby: asked.slice(0, 100), orders });
  }
  const at = query.get('at') ?? '';
  return { limit: n, last, order, ...(isStamp(at) && { at }) };
}

/**
 * The `Link` of the page after this one, in ACR's form: the name encoded, keys in order, an empty `orderby` kept (ACR
 * wire, "Paging"). By time it has `at` besides, which clients send back unseen.
 */
export function linkTo(
  { repository, query }: RepositoryCall,
  list: '_tags' | '_manifests',
  n: number,
  next: Next,
): Record<string, string> {
  if (!next) return {};
  const digest = list === '_tags' ? query.get('digest') : null;
  const path = `/acr/v1/${encodeURIComponent(repository.name)}/${list}`;
  const keys = {
    ...(next.at && { at: next.at }),
    ...(digest && { digest }),
    last: next.last,
    n: String(n),
    orderby: query.get('orderby') ?? '',
  };
  return { link: nextLink(path, keys) };
}

/** An answer that begins with the registry's login server and the repository's name, as all of them do. */
export function envelope(call: RepositoryCall, fields: object, headers: Record<string, string> = {}): Reply {
  const { cause, repository } = call;
  return json(call, 200, { registry: cause.host, imageName: repository.name, ...fields }, headers);
}

export function json(
  call: RegistryCall,
  status: number,
  value: object,
  headers: Record<string, string> = {},
): Reply {
  return jsonReply(status, value, { ...requestIds(call), ...headers });
}

/** Ids that ACR's `/acr/v1` adds to successes. */
export function requestIds({ request, cause }: RegistryCall): Record<string, string> {
  const given = request.headers.get('x-ms-client-request-id') ?? '';
  return {
    'x-ms-request-id': cause.id,
    ...(CLIENT_ID.test(given) && { 'x-ms-client-request-id': given }),
  };
}
