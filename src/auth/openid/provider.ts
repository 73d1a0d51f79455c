import { type JSONWebKeySet, createLocalJWKSet } from 'jose';
import type { Context } from '../../store/context.ts';
import { Unavailable } from '../../store/records.ts';
import { type Fetch, type Fields, callJson } from './call.ts';

/** Keys rotate rarely, and a new one is found by its id sooner than this. */
const CACHE_MS = 6 * 3_600_000;
/** Keys that cannot be had anew serve this much longer. */
const STALE_MS = 24 * 3_600_000;
/** An id that no key has makes us look again at most this often, whoever asks, since anybody can invent ids. */
const LOOK_AGAIN_MS = 30_000;
/** After a failure the provider is left alone so long: what clients are told to wait, too. */
const REST_MS = 5000;

/** What a provider says of itself (OpenID Connect Discovery 1.0 section 3), with its keys (RFC 7517). */
export interface Metadata {
  readonly issuer: string;
  readonly tokenEndpoint: string;
  readonly keyIds: ReadonlySet<string>;
  readonly key: ReturnType<typeof createLocalJWKSet>;
}

/** An OpenID provider, read over the network and kept. */
export interface Provider {
  /** Throws Unavailable when the provider has not answered lately. */
  metadata(): Promise<Metadata>;
  /** The same, looked up again where no key has the id `kid` and the last look is not too recent. */
  metadataFor(kid: string): Promise<Metadata>;
}

/** Opens the provider whose discovery document lies at `url`. No call yet; callers at once share one. */
export function openProvider(ctx: Pick<Context, 'now' | 'log'>, url: string, fetch: Fetch): Provider {
  let kept: { readonly at: number; readonly value: Metadata } | undefined;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let failedAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<Metadata> | undefined;

  const look = async (): Promise<Metadata> => {
    lookedAt = ctx.now();
    try {
      const value = await discover(url, fetch);
      kept = { at: ctx.now(), value };
      failedAt = Number.NEGATIVE_INFINITY;
      return value;
    } catch (error) {
      failedAt = ctx.now();
      ctx.log('warn', 'identity provider unavailable', { url, error: String(error) });
      throw error;
    }
  };
  const lookOnce = async (): Promise<Metadata> => {
    if (ctx.now() - failedAt < REST_MS) throw new Unavailable('the identity provider failed a moment ago');
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return await looking;
  };
  const metadata = async (): Promise<Metadata> => {
    if (kept && ctx.now() - kept.at < CACHE_MS) return kept.value;
    try {
      return await lookOnce();
    } catch (error) {
      if (kept && ctx.now() - kept.at < CACHE_MS + STALE_MS) return kept.value;
      throw error;
    }
  };
  return {
    metadata,
    async metadataFor(kid) {
      const known = await metadata();
      if (known.keyIds.has(kid)) return known;
      if (looking) return await looking;
      // Whether the key is unknown or only new cannot be told while the provider is away.
      if (ctx.now() - lookedAt < LOOK_AGAIN_MS && failedAt < lookedAt) return known;
      return await lookOnce();
    },
  };
}

async function discover(url: string, fetch: Fetch): Promise<Metadata> {
  const { body } = await callJson(fetch, url);
  const { issuer, token_endpoint: tokenEndpoint, jwks_uri: keysUrl } = body;
  if (typeof issuer !== 'string' || typeof tokenEndpoint !== 'string' || typeof keysUrl !== 'string')
    throw new Unavailable('the discovery document lacks issuer, token_endpoint or jwks_uri');
  if (!isAsSafe(tokenEndpoint, url) || !isAsSafe(keysUrl, url))
    throw new Unavailable('the discovery document names endpoints that are not https');
  const { body: keys } = await callJson(fetch, keysUrl);
  const set = toKeySet(keys);
  return {
    issuer,
    tokenEndpoint,
    keyIds: new Set(set.keys.flatMap(({ kid }) => (kid === undefined ? [] : [kid]))),
    key: createLocalJWKSet(set),
  };
}

/** No endpoint may be less protected than the document that names it. */
function isAsSafe(endpoint: string, than: string): boolean {
  if (!URL.canParse(endpoint)) return false;
  const { protocol } = new URL(endpoint);
  return protocol === 'https:' || (protocol === 'http:' && than.startsWith('http:'));
}

/** Public keys alone: a secret in the set must never verify anything. */
function toKeySet({ keys }: Fields): JSONWebKeySet {
  if (!Array.isArray(keys)) throw new Unavailable('the key set holds no keys');
  const entries: readonly unknown[] = keys;
  // The adapter boundary: `jose` checks each member that it uses.
  const set = entries.filter((key) => typeof key === 'object' && key !== null) as JSONWebKeySet['keys'];
  return { keys: set.filter(({ kty }) => kty !== 'oct') };
}
