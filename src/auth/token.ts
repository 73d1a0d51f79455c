import { decodeJwt } from 'jose';
import { jsonReply } from '../http/json.ts';
import type { RegistryRequest, Reply } from '../http/message.ts';
import { ACCESS_TOKEN_SECONDS } from '../access/registry.ts';
import { grantAccess, parseScopes } from '../access/permission.ts';
import { Problem } from '../model/problem.ts';
import { type Arrival, type Noted, challenge, readBasic } from './authorize.ts';
import { readForm } from '../http/form.ts';
import type { Subject } from './jwt.ts';
import {
  ANONYMOUS,
  type Auth,
  type Credentials,
  REFRESH_USER,
  entraPrincipalSubject,
  grantsFor,
  signIn,
} from './sign-in.ts';

/**
 * GET and POST `/oauth2/token`: credentials or a refresh token for an access token (distribution token specification;
 * ACR wire section 3.2). Grants what is allowed of what is asked, possibly nothing: the resource then says what is
 * missing. Throws UNAUTHORIZED for wrong credentials.
 */
export async function serveToken(auth: Auth, arrival: Arrival): Promise<Reply> {
  const { request, registry, origin } = arrival;
  // Before anything is read, so that what is taken away meanwhile is refused.
  const since = auth.ctx.now();
  const asked = request.method === 'POST' ? await readPost(request) : readGet(request);
  note(arrival, { claimed: asked.credentials?.username ?? '' });
  const subject = await subjectOf(auth, arrival, asked);
  const grants = subject && (await grantsFor(auth.ctx, registry, subject));
  if (!subject || !grants) throw challenge(arrival, 'sign-in', undefined, 'none');
  const audience = new URL(origin).host;
  note(arrival, { identity: subject.name });
  const access = grantAccess(grants, parseScopes(asked.scopes));
  // No token outlives the password that it came by.
  const left =
    subject.ends === undefined ? Number.POSITIVE_INFINITY : Math.ceil((subject.ends - since) / 1000);
  const seconds = Math.min(ACCESS_TOKEN_SECONDS, left);
  const token = await auth.tokens.signAccess(audience, registry, subject, { access, since, seconds });
  note(arrival, { jwtId: decodeJwt(token).jti ?? '' });
  // Docker would forget a password for a refresh token that dies in hours: only who came with one gets it back.
  const kept = asked.offline && asked.refreshToken !== undefined ? { refresh_token: asked.refreshToken } : {};
  return json({ access_token: token, token, expires_in: seconds, ...kept });
}

/** POST `/oauth2/exchange`: a directory's token for a refresh token of ours. */
export async function serveExchange(auth: Auth, arrival: Arrival): Promise<Reply> {
  const { request, registry, origin } = arrival;
  const form = await readForm(request);
  const grant = form.get('grant_type') ?? '';
  if (!['access_token', 'access_token_refresh_token', 'refresh_token'].includes(grant)) {
    throw new Problem('REQUEST_INVALID', 'grant_type must be access_token');
  }
  const principal = await auth.entra?.verify(form.get('access_token') ?? '');
  if (!principal) throw challenge(arrival, 'sign-in', undefined, 'none');
  const subject = entraPrincipalSubject(principal);
  const audience = new URL(origin).host;
  const token = await auth.tokens.signRefresh(audience, registry, subject);
  note(arrival, { identity: subject.name, jwtId: decodeJwt(token).jti ?? '' });
  return json({ refresh_token: token });
}

/** GET `/oauth2/keys`: the public keys of our tokens, as a JSON Web Key Set. */
export async function serveKeys(auth: Auth): Promise<Reply> {
  return json(await auth.ring.publicKeys());
}

const NOBODY: Credentials = { username: '', password: '' };

interface Asked {
  readonly credentials?: Credentials;
  readonly refreshToken?: string;
  readonly scopes: readonly string[];
  /** Whether a refresh token is wanted back. */
  readonly offline: boolean;
}

function readGet(request: RegistryRequest): Asked {
  const query = new URL(request.url).searchParams;
  const header = request.headers.get('authorization');
  // What is no Basic header belongs to nobody, and is refused as a wrong password is.
  const credentials = header === null ? undefined : (readBasic(header) ?? NOBODY);
  return {
    ...asIdentityToken(credentials),
    scopes: query.getAll('scope'),
    offline: query.get('offline_token') === 'true',
  };
}

async function readPost(request: RegistryRequest): Promise<Asked> {
  const form = await readForm(request);
  const shared = { scopes: form.getAll('scope'), offline: form.get('access_type') === 'offline' };
  const username = form.get('username') ?? '';
  const refreshToken = form.get('refresh_token') ?? '';
  const grant = form.get('grant_type');
  if (grant === 'refresh_token') return { refreshToken, ...shared };
  if (grant !== 'password')
    throw new Problem('REQUEST_INVALID', 'grant_type must be password or refresh_token');
  // The Azure SDKs' anonymous clients send neither name nor token.
  return username === ''
    ? shared
    : { ...asIdentityToken({ username, password: form.get('password') ?? '' }), ...shared };
}

function asIdentityToken(credentials: Credentials | undefined) {
  if (!credentials) return {};
  return credentials.username === REFRESH_USER ? { refreshToken: credentials.password } : { credentials };
}

async function subjectOf(auth: Auth, arrival: Arrival, asked: Asked): Promise<Subject | undefined> {
  const { registry, origin, address } = arrival;
  const audience = new URL(origin).host;
  if (asked.refreshToken !== undefined) {
    const credentials = { username: REFRESH_USER, password: asked.refreshToken };
    return await signIn(auth, registry, audience, address, credentials);
  }
  if (asked.credentials) return await signIn(auth, registry, audience, address, asked.credentials);
  return ANONYMOUS;
}

function note({ noted }: Arrival, facts: Noted): void {
  if (noted) Object.assign(noted, facts);
}

function json(value: unknown): Reply {
  return jsonReply(200, value, { 'cache-control': 'no-store' });
}
