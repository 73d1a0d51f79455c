import { Unavailable } from '../../store/records.ts';

/** The platform's `fetch`, or what stands for it in tests. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export type Fields = Readonly<Record<string, unknown>>;

const TIMEOUT_MS = 5000;

export interface JsonAnswer {
  readonly status: number;
  readonly body: Fields;
}

/**
 * Calls a JSON endpoint: GET, or POST of a form. Redirects are refused, for a form may hold a secret, and none of it
 * shows in errors. A status of 400 or 401 is an answer to a form; throws Unavailable for any other that is not 2xx,
 * for silence of 5 s, and for what is no JSON object.
 */
export async function callJson(fetch: Fetch, url: string, form?: URLSearchParams): Promise<JsonAnswer> {
  const { host } = new URL(url);
  const response = await request(fetch, url, host, form);
  const refused = form !== undefined && (response.status === 400 || response.status === 401);
  if (!response.ok && !refused) throw new Unavailable(`${host} answered ${response.status}`);
  return { status: response.status, body: await readFields(response, host) };
}

async function request(
  fetch: Fetch,
  url: string,
  host: string,
  form: URLSearchParams | undefined,
): Promise<Response> {
  try {
    return await fetch(url, {
      headers: { accept: 'application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(form && { method: 'POST', body: form }),
    });
  } catch (cause) {
    throw new Unavailable(`${host} does not answer`, { cause });
  }
}

async function readFields(response: Response, host: string): Promise<Fields> {
  try {
    const body: unknown = await response.json();
    if (typeof body === 'object' && body !== null) return { ...body };
  } catch (cause) {
    throw new Unavailable(`${host} answered no JSON`, { cause });
  }
  throw new Unavailable(`${host} answered no JSON object`);
}
