import { ADMIN_SUBJECT, isAdminPassword, matchAdmin } from '../access/admin.ts';
import { currentRegistry } from '../access/registry.ts';
import { EVERYTHING, entraSubject, grantsOfRoles, listAssignments } from '../access/roles.ts';
import { getScopeMap, grantsOf } from '../access/scopemaps.ts';
import { getToken, isPrincipalName, isTokenName, matchPassword, tokenSubject } from '../access/tokens.ts';
import type { RegistryDocument, TokenDocument } from '../model/access.ts';
import type { RegistryName } from '../model/names.ts';
import { type Grants, NO_GRANTS } from '../access/permission.ts';
import type { Context } from '../store/context.ts';
import type { Throttle } from '../guard/throttle.ts';
import type { Entra, EntraPrincipal } from './openid/directory.ts';
import type { Subject, Tokens } from './jwt.ts';
import type { KeyRing } from './keys.ts';

/** What signing in needs beside the context. */
export interface Auth {
  readonly ctx: Context;
  readonly ring: KeyRing;
  readonly tokens: Tokens;
  /** Undefined where no directory is configured. */
  readonly entra: Entra | undefined;
  readonly throttle: Throttle;
}

/** The user name under which a refresh token is the password (`az acr login`). */
export const REFRESH_USER = '00000000-0000-0000-0000-000000000000';
export const ANONYMOUS: Subject = { id: 'anonymous', name: 'anonymous' };

/** Stands for tokens that do not exist: of the same shape, and no password can be its own. */
const NOBODY: TokenDocument = {
  name: '',
  scopeMap: '',
  enabled: false,
  created: 0,
  passwords: (['password1', 'password2'] as const).map((name) => ({
    name,
    hash: '0'.repeat(64),
    salt: '0'.repeat(32),
    created: 0,
  })),
};

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/**
 * Who these credentials belong to: the admin user, a token, a service principal, or the bearer of a refresh token.
 * Undefined when they are wrong, for whatever reason. Slowed after failures. At most one storage call.
 */
export async function signIn(
  auth: Auth,
  registry: RegistryName,
  audience: string,
  address: string,
  { username, password }: Credentials,
): Promise<Subject | undefined> {
  const identity = username.toLowerCase();
  if (identity === REFRESH_USER) return await refreshSubject(auth, registry, audience, address, password);
  return await auth.throttle.attempt(`${registry}/${identity}`, address, () =>
    match(auth, registry, { username: identity, password }),
  );
}

/**
 * Everybody's refresh tokens have one user name, so a good one is never held up by what others fail with, and one of
 * ours that is merely too old is no guess.
 */
async function refreshSubject(
  { tokens, throttle }: Auth,
  registry: RegistryName,
  audience: string,
  address: string,
  token: string,
): Promise<Subject | undefined> {
  const claims = await tokens.verifyRefresh(token, audience, registry);
  if (claims || (await tokens.isOurs(token))) return claims?.subject;
  return await throttle.attempt(`${registry}/${REFRESH_USER}`, address, () => Promise.resolve(undefined));
}

async function match(
  auth: Auth,
  registry: RegistryName,
  { username, password }: Credentials,
): Promise<Subject | undefined> {
  const { ctx } = auth;
  if (username === registry) {
    const document = await currentRegistry(ctx, registry);
    const mark = matchAdmin(ctx, registry, document, password);
    return mark === undefined ? undefined : { id: ADMIN_SUBJECT, name: registry, password: mark };
  }
  if (isPrincipalName(username)) {
    const principal = await auth.entra?.signIn(username, password);
    return principal && entraPrincipalSubject(principal);
  }
  if (!isTokenName(registry, username)) return undefined;
  const token = await getToken(ctx, registry, username);
  // As much work for a name that nobody has, so that time does not tell which names exist.
  const found = matchPassword(token ?? NOBODY, password, ctx.now());
  if (!token || !found) return undefined;
  const { salt, expiry } = found;
  const ends = expiry !== undefined && { ends: expiry };
  return { id: tokenSubject(token.name), name: token.name, password: salt, document: token, ...ends };
}

export function entraPrincipalSubject({ id, name, tenant }: EntraPrincipal): Subject {
  return { id: entraSubject(id), name, tenant };
}

/**
 * What a subject may do now; undefined when it is no longer anybody: disabled, deleted, its password replaced.
 * No call for the admin and for nobody, one for others who have just signed in.
 */
export async function grantsFor(
  ctx: Context,
  registry: RegistryName,
  subject: Subject,
): Promise<Grants | undefined> {
  const document = await currentRegistry(ctx, registry);
  if (subject.id === ANONYMOUS.id) return anonymousGrants(document);
  if (subject.id === ADMIN_SUBJECT)
    return isAdminPassword(document, subject.password) ? everything() : undefined;
  const [kind, name = ''] = subject.id.split(':', 2);
  if (kind === 'token') return await tokenGrants(ctx, registry, name, subject);
  if (kind !== 'entra') return undefined;
  return grantsOfRoles(await listAssignments(ctx, registry, name), document.repositoryRoles);
}

async function tokenGrants(
  ctx: Context,
  registry: RegistryName,
  name: string,
  { password, document }: Subject,
): Promise<Grants | undefined> {
  const token = document ?? (await getToken(ctx, registry, name));
  const living = token?.passwords.some(
    ({ salt, expiry }) => salt === password && (expiry === undefined || expiry > ctx.now()),
  );
  if (!token?.enabled || !living) return undefined;
  const map = await getScopeMap(ctx, registry, token.scopeMap);
  return map ? grantsOf(map) : NO_GRANTS;
}

function anonymousGrants({ anonymousPull, anonymousRepositories }: RegistryDocument): Grants {
  const patterns = anonymousPull ? ['*'] : anonymousRepositories;
  const actions = ['pull', 'metadata_read'] as const;
  return { repositories: patterns.map((pattern) => ({ pattern, actions })), catalog: false };
}

function everything(): Grants {
  return { repositories: [{ pattern: '*', actions: EVERYTHING }], catalog: true };
}
