import { isRevoked, currentRegistry } from '../access/registry.ts';
import { ADMIN_SUBJECT } from '../access/admin.ts';
import {
  type Access,
  type Action,
  type Grants,
  carriedGrants,
  grantAccess,
  permits,
  seesDeleted,
} from '../access/permission.ts';
import type { RegistryRequest } from '../http/message.ts';
import type { RegistryName, Repository } from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import type { AccessClaims, Subject } from './jwt.ts';
import { ANONYMOUS, type Auth, type Credentials, grantsFor, signIn } from './sign-in.ts';

/**
 * What a route demands of its caller; every route names one (`app/routes.ts`). `session`: a signed upload session is
 * the proof, whatever has become of the token since. `open`: sign-in itself. `attributes`: those of a manifest, which
 * take `metadata_write` or `quarantine_write`; the handler demands the one that the change needs.
 */
export type Permission =
  | 'open'
  | 'sign-in'
  | 'session'
  | 'catalog'
  | 'deleted_catalog'
  | 'pull'
  | 'push'
  | 'delete'
  | 'metadata_read'
  | 'metadata_write'
  | 'deleted_read'
  | 'deleted_restore'
  | 'attributes'
  | 'quarantine_write';

/** Who is calling, and what else he may do. */
export interface Identity {
  readonly name: string;
  /** As tokens name it; undefined where a session must speak for the caller. */
  readonly subject: string | undefined;
  readonly allows: (repository: Repository, action: Action) => boolean;
}

/** Where a request came in. */
export interface Arrival {
  readonly request: RegistryRequest;
  readonly registry: RegistryName;
  /** Scheme, host and port of the registry as the client sees it: `https://host:port`. */
  readonly origin: string;
  /** The caller's address; '' where it cannot be known. */
  readonly address: string;
  /** For the audit: who it turned out to be, to be filled in. */
  readonly noted?: Noted;
}

export interface Noted {
  /** The user name that was given. */
  claimed?: string;
  /** The name of the identity that was proven. */
  identity?: string;
  /** The directory that it is from. */
  tenant?: string;
  /** The id of the token that was given out. */
  jwtId?: string;
}

/** Decides whether a caller has a permission, on `repository` where the route has one. Throws UNAUTHORIZED. */
export type Authorize = (
  arrival: Arrival,
  permission: Permission,
  repository: Repository | undefined,
) => Promise<Identity>;

/** Lets everybody do everything: for a host that only this machine can reach. `app/config.ts` guards its use. */
export const authorizeAll: Authorize = () =>
  Promise.resolve({ name: 'anonymous', subject: undefined, allows: () => true });

/** What a challenge asks for: a push is worth nothing without pull (ACR wire section 3.1). */
const CHALLENGED: Readonly<
  Record<Exclude<Permission, 'open' | 'sign-in' | 'catalog' | 'deleted_catalog'>, readonly Action[]>
> = {
  session: ['pull', 'push'],
  pull: ['pull'],
  push: ['pull', 'push'],
  delete: ['delete'],
  metadata_read: ['metadata_read'],
  metadata_write: ['metadata_write'],
  deleted_read: ['deleted_read'],
  deleted_restore: ['deleted_read', 'deleted_restore'],
  attributes: ['metadata_write'],
  quarantine_write: ['quarantine_write'],
};

type Failure = 'none' | 'invalid' | 'insufficient';

interface Caller {
  readonly name: string;
  readonly subject: string;
  /** Of the directory that the caller is from. */
  readonly tenant: string | undefined;
  readonly grants: Grants;
}

/** The authoriser: our tokens and Basic credentials, each answered by the full challenge where they do not do. */
export function createAuthorize(auth: Auth): Authorize {
  return async (arrival, permission, repository) => {
    if (permission === 'open') return identity(undefined);
    const header = arrival.request.headers.get('authorization');
    const caller = header === null ? undefined : await identify(auth, arrival, header);
    if (caller) {
      const { name, tenant } = caller;
      Object.assign(arrival.noted ?? {}, { identity: name, ...(tenant !== undefined && { tenant }) });
    }
    if (permission === 'session') return identity(caller);
    if (!caller) throw challenge(arrival, permission, repository, header === null ? 'none' : 'invalid');
    if (!decide(caller.grants, permission, repository)) {
      throw challenge(arrival, permission, repository, 'insufficient');
    }
    return identity(caller);
  };
}

/** The one table of which permission which grant satisfies. */
export function decide(grants: Grants, permission: Permission, repository: Repository | undefined): boolean {
  switch (permission) {
    case 'open':
    case 'sign-in':
    case 'session':
      return true;
    case 'catalog':
      return grants.catalog;
    case 'deleted_catalog':
      return seesDeleted(grants);
    case 'pull':
    case 'push':
    case 'delete':
    case 'metadata_read':
    case 'metadata_write':
    case 'deleted_read':
    case 'deleted_restore':
    case 'quarantine_write':
      return repository !== undefined && permits(grants, repository.name, permission);
    case 'attributes':
      return decide(grants, 'metadata_write', repository) || decide(grants, 'quarantine_write', repository);
  }
}

/** The caller behind an Authorization header; undefined when it proves nothing. No storage call for an access token. */
export async function identify(
  auth: Auth,
  { registry, origin, address }: Arrival,
  header: string,
): Promise<Caller | undefined> {
  const audience = new URL(origin).host;
  const bearer = /^bearer +(\S+)$/i.exec(header)?.[1];
  if (bearer !== undefined) {
    const claims = await auth.tokens.verifyAccess(bearer, audience, registry);
    if (!claims) return undefined;
    const { subject, issued } = claims;
    const document = await currentRegistry(auth.ctx, registry);
    if (isRevoked(document, subject.id, issued)) return undefined;
    const access = await stillGranted(auth, registry, claims);
    return access && callerOf(subject, carriedGrants(access));
  }
  const credentials = readBasic(header);
  const subject = credentials && (await signIn(auth, registry, audience, address, credentials));
  const grants = subject && (await grantsFor(auth.ctx, registry, subject));
  return subject && grants && callerOf(subject, grants);
}

function callerOf({ id, name, tenant }: Subject, grants: Grants): Caller {
  return { name, subject: id, tenant, grants };
}

/**
 * What an access token gives now; undefined when its bearer is nobody any more. What the settings alone decide is
 * decided anew at each use, since an instance whose settings are some seconds old may have given too much.
 */
async function stillGranted(
  auth: Auth,
  registry: RegistryName,
  { subject, access }: AccessClaims,
): Promise<readonly Access[] | undefined> {
  if (subject.id !== ADMIN_SUBJECT && subject.id !== ANONYMOUS.id) return access;
  const grants = await grantsFor(auth.ctx, registry, subject);
  return grants && grantAccess(grants, access);
}

/** User name and password of a Basic header (RFC 7617); undefined for anything else. */
export function readBasic(header: string): Credentials | undefined {
  const encoded = /^basic +([A-Za-z0-9+/_=-]+)$/i.exec(header)?.[1];
  const text = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString();
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

/**
 * ACR's 401: one header, quoted, no space after commas, since `az` splits at spaces (ACR wire section 3.1). `beside`:
 * what the same token must allow as well.
 */
export function challenge(
  { origin }: Arrival,
  permission: Permission,
  repository: Repository | undefined,
  failure: Failure,
  beside?: readonly [permission: Permission, repository: Repository],
): Problem {
  const asked = [...askedFor(permission, repository), ...(beside ? askedFor(...beside) : [])];
  const scope = asked.map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`).join(' ');
  const error = { none: '', invalid: ',error="invalid_token"', insufficient: ',error="insufficient_scope"' }[
    failure
  ];
  const header =
    `Bearer realm="${origin}/oauth2/token",service="${new URL(origin).host}"` +
    `${scope === '' ? '' : `,scope="${scope}"`}${error}`;
  const detail = asked.flatMap(({ type, name, actions }) =>
    actions.map((action) => ({ Type: type, Name: name, Action: action })),
  );
  return new Problem('UNAUTHORIZED', detail.length > 0 ? detail : null, {
    headers: { 'www-authenticate': header },
    message: 'authentication required, visit https://aka.ms/acr/authorization for more information.',
  });
}

function askedFor(permission: Permission, repository: Repository | undefined): readonly Access[] {
  if (permission === 'catalog' || permission === 'deleted_catalog') {
    return [{ type: 'registry', name: permission, actions: ['*'] }];
  }
  if (permission === 'sign-in' || permission === 'open' || !repository) return [];
  return [{ type: 'repository', name: repository.name, actions: CHALLENGED[permission] }];
}

function identity(caller: Caller | undefined): Identity {
  return {
    name: caller?.name ?? 'anonymous',
    subject: caller?.subject,
    allows: ({ name }, action) => caller !== undefined && permits(caller.grants, name, action),
  };
}
