import { SignJWT, compactVerify, decodeProtectedHeader, errors, jwtVerify } from 'jose';
import type { TokenDocument } from '../model/access.ts';
import type { RegistryName } from '../model/names.ts';
import type { Access } from '../access/permission.ts';
import type { Context } from '../store/context.ts';
import { ALGORITHM, type KeyRing } from './keys.ts';

const ISSUER = 'Azure Container Registry';
export const REFRESH_TOKEN_SECONDS = 11_700;
/** As ACR's refresh tokens carry it, for whoever reads them; rights are looked up when the token is used. */
const REFRESH_PERMISSIONS = [
  'read',
  'write',
  'delete',
  'metadata/read',
  'metadata/write',
  'deleted/read',
  'deleted/restore/action',
];
/** No client of ours needs more; headers end at 16 KiB. */
const TOKEN_LIMIT = 12_000;
/** Clocks of instances differ a little. */
const TOLERANCE_SECONDS = 30;
const CACHE_LIMIT = 2000;

/** Who a token is about. */
export interface Subject {
  /** `admin`, `anonymous`, `token:<name>`, `entra:<object id>`. */
  readonly id: string;
  /** As logs show it. */
  readonly name: string;
  /** What tells the password that was used from others without telling it: a salt, or how often it was made anew. */
  readonly password?: string;
  /** When that password ends, in milliseconds since 1970. */
  readonly ends?: number;
  /** Of the directory. */
  readonly tenant?: string;
  /** The token as sign-in has just read it; does not travel. */
  readonly document?: TokenDocument;
}

/** What an access token gives, and from when on. */
export interface Given {
  readonly access: readonly Access[];
  /** When the rights were read, in milliseconds since 1970: taking them away later refuses the token. */
  readonly since: number;
  readonly seconds: number;
}

export interface AccessClaims {
  readonly subject: Subject;
  readonly access: readonly Access[];
  /** Milliseconds since 1970. */
  readonly issued: number;
}

export interface RefreshClaims {
  readonly subject: Subject;
  readonly issued: number;
}

/** Our own tokens, of ACR's claims and lifetimes (ACR wire section 3.3). */
export interface Tokens {
  signAccess(audience: string, registry: RegistryName, subject: Subject, given: Given): Promise<string>;
  signRefresh(audience: string, registry: RegistryName, subject: Subject): Promise<string>;
  /** Undefined for whatever is not a living access token of this registry, from us, for this host. No storage call. */
  verifyAccess(token: string, audience: string, registry: RegistryName): Promise<AccessClaims | undefined>;
  verifyRefresh(token: string, audience: string, registry: RegistryName): Promise<RefreshClaims | undefined>;
  /** Whether we signed it, however long ago and for whatever: then nobody guessed it. */
  isOurs(token: string): Promise<boolean>;
}

interface Verified {
  readonly expires: number;
  readonly claims: AccessClaims & { readonly kind: unknown };
}

export function openTokens(ctx: Pick<Context, 'now' | 'random'>, ring: KeyRing): Tokens {
  // Signatures never change, so a token verified once needs no second look until it expires.
  const verified = new Map<string, Verified>();

  const sign = async (
    audience: string,
    registry: RegistryName,
    { id, name, password, tenant }: Subject,
    seconds: number,
    own: Readonly<Record<string, unknown>>,
  ) => {
    const { kid, key } = await ring.signingKey();
    const now = ctx.now();
    return await new SignJWT({
      version: '1.0',
      rid: registry,
      roles: [],
      name,
      ...(password !== undefined && { pwd: password }),
      ...(tenant !== undefined && { tenant }),
      ...own,
    })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT', kid })
      .setJti(uuid(ctx.random(16)))
      .setSubject(id)
      .setIssuer(ISSUER)
      .setAudience(audience)
      .setIssuedAt(Math.floor(now / 1000))
      .setNotBefore(Math.floor(now / 1000))
      .setExpirationTime(Math.floor(now / 1000) + seconds)
      .sign(key);
  };

  const verify = async (
    token: string,
    audience: string,
    registry: RegistryName,
  ): Promise<Verified | undefined> => {
    if (token.length > TOKEN_LIMIT) return undefined;
    const cacheKey = `${audience} ${registry} ${token}`;
    const known = verified.get(cacheKey);
    if (known && known.expires > ctx.now()) return known;
    const fresh = await check(ctx, ring, token, audience, registry);
    if (!fresh) return undefined;
    if (verified.size >= CACHE_LIMIT) verified.clear();
    verified.set(cacheKey, fresh);
    return fresh;
  };

  return {
    signAccess: (audience, registry, subject, { access, since, seconds }) =>
      // Revocations need more than whole seconds.
      sign(audience, registry, subject, seconds, { access, grant_type: 'access_token', issued_ms: since }),
    signRefresh: (audience, registry, subject) =>
      sign(audience, registry, subject, REFRESH_TOKEN_SECONDS, {
        permissions: { actions: REFRESH_PERMISSIONS },
        grant_type: 'refresh_token',
        issued_ms: ctx.now(),
      }),
    async verifyAccess(token, audience, registry) {
      const found = await verify(token, audience, registry);
      return found?.claims.kind === 'access_token' ? found.claims : undefined;
    },
    async verifyRefresh(token, audience, registry) {
      const found = await verify(token, audience, registry);
      return found?.claims.kind === 'refresh_token' ? found.claims : undefined;
    },
    async isOurs(token) {
      const key = token.length > TOKEN_LIMIT ? undefined : await keyOf(ring, token);
      if (!key) return false;
      const found = await unlessInvalid(() => compactVerify(token, key, { algorithms: [ALGORITHM] }));
      return found !== undefined;
    },
  };
}

async function check(
  ctx: Pick<Context, 'now'>,
  ring: KeyRing,
  token: string,
  audience: string,
  registry: RegistryName,
): Promise<Verified | undefined> {
  const key = await keyOf(ring, token);
  if (!key) return undefined;
  const found = await unlessInvalid(() =>
    jwtVerify(token, key, {
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      audience,
      clockTolerance: TOLERANCE_SECONDS,
      currentDate: new Date(ctx.now()),
      requiredClaims: ['sub', 'exp', 'iat', 'nbf'],
      typ: 'JWT',
    }),
  );
  if (!found) return undefined;
  const {
    sub = '',
    exp = 0,
    rid,
    name,
    pwd,
    tenant,
    issued_ms: issued,
    access,
    grant_type: kind,
  } = found.payload;
  if (rid !== registry || typeof name !== 'string' || typeof issued !== 'number') return undefined;
  const subject = {
    id: sub,
    name,
    ...(typeof pwd === 'string' && { password: pwd }),
    ...(typeof tenant === 'string' && { tenant }),
  };
  // Signed by us, so its shape is ours.
  const list = (Array.isArray(access) ? access : []) as readonly Access[];
  return {
    expires: (exp + TOLERANCE_SECONDS) * 1000,
    claims: { subject, access: list, issued, kind },
  };
}

/** The key that a token names; undefined when it names none. Throws when the keys themselves cannot be had. */
async function keyOf(ring: KeyRing, token: string) {
  let kid: unknown;
  try {
    ({ kid } = decodeProtectedHeader(token));
  } catch {
    return undefined;
  }
  return typeof kid === 'string' ? await ring.verifyingKey(kid) : undefined;
}

/** Undefined where the token is to blame. */
async function unlessInvalid<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof TypeError || error instanceof SyntaxError)
      return undefined;
    throw error;
  }
}

function uuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}
