import { createHash } from 'node:crypto';
import { type JWTPayload, decodeJwt, decodeProtectedHeader, errors, jwtVerify } from 'jose';
import type { Context } from '../../store/context.ts';
import { Unavailable } from '../../store/records.ts';
import type { Entra, EntraOptions, EntraPrincipal } from './directory.ts';
import { type Fetch, callJson } from './call.ts';
import { type Metadata, type Provider, openProvider } from './provider.ts';

/** Signatures by a public key alone: with HS256 the public key itself would be the secret. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
/** Tokens of users in many groups are long. */
const TOKEN_LIMIT = 32_000;
const TOLERANCE_SECONDS = 60;
/** A client that sends its secret with each request must not have us ask the directory each time. */
const SIGN_IN_MS = 60_000;
const SIGN_INS = 1000;
/** Ids that role assignments can name; others could be taken for somebody else's by where they are written. */
const PRINCIPAL_ID = /^[0-9A-Za-z-]{1,64}$/;

interface Tenant {
  readonly id: string;
  readonly provider: Provider;
  readonly issuers: readonly string[];
}

/**
 * Opens the directory. No call yet. Its documents and keys are kept for hours, and outlive an outage of a day; a
 * service principal's sign-in is kept for 60 s.
 */
export function openDirectory(ctx: Pick<Context, 'now' | 'log'>, options: EntraOptions): Entra {
  const { authority, audiences, fetch = globalThis.fetch } = options;
  const tenants = options.tenants.map((id): Tenant => {
    const base = authority.includes('{tenant}') ? fill(authority, id) : `${authority}/${id}/v2.0`;
    const provider = openProvider(ctx, `${base}/.well-known/openid-configuration`, fetch);
    return { id, provider, issuers: options.issuers.map((issuer) => fill(issuer, id)) };
  });
  const verify = async (token: string): Promise<Verified | undefined> => {
    const claimed = readUnverified(token);
    if (!claimed) return undefined;
    for (const { id, provider, issuers } of tenants) {
      if (!mayBe(claimed.tenant, id)) continue;
      const { issuer, key } = await provider.metadataFor(claimed.kid);
      // An issuer that all tenants share proves one only together with the claim that names it.
      const accepted = claimed.tenant === undefined ? [issuer] : [issuer, ...issuers];
      const claims = await check(ctx, token, key, accepted, audiences);
      const found = claims && toPrincipal(claims, id);
      if (found) return found;
    }
    return undefined;
  };
  const ask = async (clientId: string, secret: string): Promise<EntraPrincipal | undefined> => {
    for (const tenant of tenants) {
      const { tokenEndpoint } = await tenant.provider.metadata();
      const token = await askToken(ctx, fetch, tokenEndpoint, audiences, clientId, secret);
      const found = token === undefined ? undefined : await verify(token);
      if (found?.clientId?.toLowerCase() === clientId.toLowerCase()) return found.principal;
    }
    return undefined;
  };
  return {
    verify: async (token) => (await verify(token))?.principal,
    signIn: keepSuccess(ctx, ask),
  };
}

function fill(template: string, tenant: string): string {
  return template.replaceAll('{tenant}', tenant);
}

/** What a token says before anybody has checked it: only to know whose keys to check it with. */
function readUnverified(token: string): { readonly kid: string; readonly tenant: unknown } | undefined {
  if (token.length > TOKEN_LIMIT) return undefined;
  try {
    const { kid, alg } = decodeProtectedHeader(token);
    if (kid === undefined || !ALGORITHMS.includes(alg ?? '')) return undefined;
    return { kid, tenant: decodeJwt(token)['tid'] };
  } catch {
    return undefined;
  }
}

/** Other providers name no tenant in their tokens; there the issuer alone tells. */
function mayBe(claimed: unknown, tenant: string): boolean {
  return (
    claimed === undefined || (typeof claimed === 'string' && claimed.toLowerCase() === tenant.toLowerCase())
  );
}

interface Verified {
  readonly principal: EntraPrincipal;
  /** The application that the token was given to. */
  readonly clientId: string | undefined;
}

async function check(
  ctx: Pick<Context, 'now'>,
  token: string,
  key: Metadata['key'],
  issuers: readonly string[],
  audiences: readonly string[],
): Promise<JWTPayload | undefined> {
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: ALGORITHMS,
      issuer: [...issuers],
      audience: [...audiences],
      clockTolerance: TOLERANCE_SECONDS,
      currentDate: new Date(ctx.now()),
      requiredClaims: ['exp'],
    });
    return payload;
  } catch (error) {
    // A key that does not suit the algorithm is a TypeError.
    if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Any registry of the world may be sent such a token by its clients, and could pass it on. */
const DATA_AUDIENCE = /^https:\/\/containerregistry\.azure\.net\/?$/;

/** Claims as Microsoft's access tokens have them; `sub` and `client_id` are what others have (RFC 9068). */
function toPrincipal(claims: JWTPayload, tenant: string): Verified | undefined {
  const text = (name: string): string | undefined => {
    const value = claims[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const id = text('oid') ?? (claims['tid'] === undefined ? text('sub') : undefined);
  if (id === undefined || !PRINCIPAL_ID.test(id)) return undefined;
  const clientId = text('appid') ?? text('azp') ?? text('client_id');
  const name = text('upn') ?? text('preferred_username') ?? clientId ?? id;
  const audiences = [claims.aud ?? []].flat();
  const dataOnly = audiences.every((audience) => DATA_AUDIENCE.test(audience));
  return { principal: { id, name: name.slice(0, 200), tenant, ...(dataOnly && { dataOnly }) }, clientId };
}

/** The client credentials grant (RFC 6749 section 4.4); undefined when refused. Throws Unavailable. */
async function askToken(
  ctx: Pick<Context, 'log'>,
  fetch: Fetch,
  tokenEndpoint: string,
  [audience = '']: readonly string[],
  clientId: string,
  secret: string,
): Promise<string | undefined> {
  const { status, body } = await callJson(
    fetch,
    tokenEndpoint,
    new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: secret,
      scope: `${audience.replace(/\/$/, '')}/.default`,
    }),
  );
  if (status !== 200) {
    // Wrong secrets are everyday; anything else is a setting of ours that somebody must see.
    const { error } = body;
    if (error !== 'invalid_client' && error !== 'unauthorized_client')
      ctx.log('warn', 'the identity provider refused to sign a client in', { error, tokenEndpoint });
    return undefined;
  }
  const token = body['access_token'];
  if (typeof token !== 'string') throw new Unavailable('the identity provider gave no token');
  return token;
}

/** Keeps successes for a while, and shares an answer under way; secrets are kept as hashes alone. */
function keepSuccess(ctx: Pick<Context, 'now'>, ask: Entra['signIn']): Entra['signIn'] {
  const kept = new Map<string, { readonly until: number; readonly answer: ReturnType<Entra['signIn']> }>();
  return async (clientId, secret) => {
    const key = createHash('sha256')
      .update(JSON.stringify([clientId.toLowerCase(), secret]))
      .digest('base64');
    const known = kept.get(key);
    if (known && known.until > ctx.now()) return await known.answer;
    if (kept.size >= SIGN_INS) kept.clear();
    const entry = { until: ctx.now() + SIGN_IN_MS, answer: ask(clientId, secret) };
    kept.set(key, entry);
    let principal: EntraPrincipal | undefined;
    try {
      principal = await entry.answer;
      return principal;
    } finally {
      if (!principal && kept.get(key) === entry) kept.delete(key);
    }
  };
}
