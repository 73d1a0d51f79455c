import { SignJWT, compactVerify, decodeProtectedHeader, errors, jwtVerify } from 'jose';
import { ACCESS_TOKEN_SECONDS } from '../access/registry.ts';
import type { RegistryName } from '../model/names.ts';
import type { Access } from '../access/permission.ts';
import type { Context } from '../store/context.ts';
import { ALGORITHM, type KeyRing } from './keys.ts';

const ISSUER = 'Azure Container Registry';
export const REFRESH_TOKEN_SECONDS = 11_700;
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
  /** The salt of the password that was used: it tells passwords apart without telling them. */
  readonly password?: string;
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
  signAccess(
    audience: string,
    registry: RegistryName,
    subject: Subject,
    access: readonly Access[],
  ): Promise<string>;
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
    { id, name, password }: Subject,
    seconds: number,
    own: Record<string, unknown>,
  ) => {
    const { kid, key } = await ring.signingKey();
    const now = ctx.now();
    return await new SignJWT({
      version: '1.0',
      rid: registry,
      roles: [],
      // Revocations need more than whole seconds.
      issued_ms: now,
      name,
      ...(password !== undefined && { pwd: password }),
      ...own,
    })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT', kid })
      .setJti(Buffer.from(ctx.random(16)).toString('hex'))
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
    signAccess: (audience, registry, subject, access) =>
      sign(audience, registry, subject, ACCESS_TOKEN_SECONDS, { access, grant_type: 'access_token' }),
    signRefresh: (audience, registry, subject) =>
      sign(audience, registry, subject, REFRESH_TOKEN_SECONDS, { grant_type: 'refresh_token' }),
    async verifyAccess(token, audience, registry) {
      const found = await verify(token, audience, registry);
      return found?.claims.kind === 'access_token' ? found.claims : undefined;
    },
    async verifyRefresh(token, audience, registry) {
      const found = await verify(token, audience, registry);
      return found?.claims.kind === 'refresh_token' ? found.claims : undefined;
    },
    async isOurs(token) {
      if (token.length > TOKEN_LIMIT) return false;
      return (
        (await unlessInvalid(async () => {
          const key = await keyOf(ring, token);
          return key && (await compactVerify(token, key, { algorithms: [ALGORITHM] }));
        })) !== undefined
      );
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
  return await unlessInvalid(async () => {
    const key = await keyOf(ring, token);
    if (!key) return undefined;
    const { payload } = await jwtVerify(token, key, {
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      audience,
      clockTolerance: TOLERANCE_SECONDS,
      currentDate: new Date(ctx.now()),
      requiredClaims: ['sub', 'exp', 'iat', 'nbf'],
      typ: 'JWT',
    });
    const { sub = '', exp = 0, rid, name, pwd, issued_ms: issued, access, grant_type: kind } = payload;
    if (rid !== registry || typeof name !== 'string' || typeof issued !== 'number') return undefined;
    const subject = { id: sub, name, ...(typeof pwd === 'string' && { password: pwd }) };
    // Signed by us, so its shape is ours.
    const list = (Array.isArray(access) ? access : []) as readonly Access[];
    return {
      expires: (exp + TOLERANCE_SECONDS) * 1000,
      claims: { subject, access: list, issued, kind },
    };
  });
}

async function keyOf(ring: KeyRing, token: string) {
  const { kid } = decodeProtectedHeader(token);
  return typeof kid === 'string' ? await ring.verifyingKey(kid) : undefined;
}

/** Undefined where the token is to blame; what else goes wrong is thrown. */
async function unlessInvalid<T>(read: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof TypeError || error instanceof SyntaxError)
      return undefined;
    throw error;
  }
}
