import { CommandError, UsageError } from '../arguments.ts';
import { lastPart, listAt, textAt } from '../output.ts';
import type { Session } from './session.ts';

const TIMEOUT_MS = 60_000;
/** The server ignores which one; the newest that it follows. */
const API_VERSION = '2025-11-01';

/** The management API of one registry. Every method throws CommandError with the server's own words. */
export interface Api {
  readonly session: Session;
  /** `path` that starts with `./` lies below the registry; others are absolute. */
  call(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Deletes what lies at `path`; throws when there is nothing. */
  remove(path: string): Promise<void>;
  /** All of a list, page by page. */
  list(path: string): Promise<readonly unknown[]>;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Calls the API as the session's user. Redirects are refused, since they would carry the password elsewhere. */
export function createApi(session: Session, ask: typeof fetch): Api {
  const send = async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const url = new URL(path.startsWith('.') ? `${session.registry}${path.slice(1)}` : path, session.server);
    url.searchParams.set('api-version', API_VERSION);
    const credentials = Buffer.from(`${session.username}:${session.password}`).toString('base64');
    const response = await reach(session.server, () =>
      ask(url, {
        method,
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: {
          authorization: `Basic ${credentials}`,
          accept: 'application/json',
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    );
    const text = await reach(session.server, () => response.text());
    if (!response.ok) throw new CommandError(describe(response.status, text));
    return { status: response.status, text };
  };
  const call: Api['call'] = async (method, path, body) => {
    const { status, text } = await send(method, path, body);
    return text === '' ? undefined : parse(text, status);
  };
  return {
    session,
    call,
    remove: async (path) => {
      const { status } = await send('DELETE', path);
      if (status === 204) throw new CommandError(`there is no ${decodeURIComponent(lastPart(path))}`);
    },
    list: async (path) => {
      const all: unknown[] = [];
      for (let next = path; next !== '';) {
        const page = await call('GET', next);
        all.push(...listAt(page, 'value'));
        next = pathOf(textAt(page, 'nextLink'), session.server);
      }
      return all;
    },
  };
}

/**
 * The base URL of a server that somebody typed. Plain HTTP, which shows the password to the network, is only for this
 * machine or where `plainHttp` asks for it. Throws UsageError.
 */
export function parseServer(text: string, plainHttp: boolean): string {
  const known = /^https?:\/\//i.test(text);
  const url = URL.parse(known ? text : `https://${text}`);
  if (!url || url.username !== '' || url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw new UsageError(`"${text}" is not a server: give a host name, with a port if needed`);
  const own = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol === 'https:' && !known && (own || plainHttp)) return `http://${url.host}`;
  if (url.protocol === 'http:' && !own && !plainHttp)
    throw new UsageError('plain HTTP would show the password to the network; use https, or add --plain-http');
  return url.origin;
}

async function reach<T>(server: string, send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    throw new CommandError(`cannot reach ${server}: ${reasonOf(error)}`, { cause: error });
  }
}

/** `fetch` hides the reason in causes. */
function reasonOf(error: unknown): string {
  let reason = error;
  while (reason instanceof Error && reason.cause !== undefined) reason = reason.cause;
  if (!(reason instanceof Error)) return String(reason);
  const code = 'code' in reason && typeof reason.code === 'string' ? reason.code : '';
  if (/CERT|SELF_SIGNED|ISSUER/.test(code))
    return `${reason.message} (${code}); for a certificate of your own set NODE_EXTRA_CA_CERTS`;
  return reason.message || code;
}

function parse(text: string, status: number): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CommandError(`the server answered ${status}, but not with JSON: is it a registry?`, {
      cause: error,
    });
  }
}

/**
 * Path and query of the link to a list's next page; empty where there is none. Its host is the server's opinion: the
 * password goes where it was given for.
 */
function pathOf(link: string, server: string): string {
  if (link === '') return '';
  const url = URL.parse(link, server);
  if (!url || url.pathname.startsWith('//')) throw new CommandError(`the link "${link}" leads nowhere`);
  return url.pathname + url.search;
}

/** The server's words: ARM's error, or a registry's. */
function describe(status: number, text: string): string {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return `the server answered ${status}`;
  }
  const message = textAt(body, 'error.message') || textAt(body, 'errors.0.message');
  const code = textAt(body, 'error.code') || textAt(body, 'errors.0.code');
  const hint = status === 401 ? '; are user name and password right?' : '';
  return message === '' ? `the server answered ${status}${hint}` : `${message} (${status} ${code})${hint}`;
}
