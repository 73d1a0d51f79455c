import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { once } from 'node:events';
import { type CryptoKey, type JWK, SignJWT, exportJWK, generateKeyPair } from 'jose';
import type { EntraOptions } from '../../src/auth/openid/directory.ts';
import type { Tls } from '../../src/local/tls/certificate.ts';
import { gather } from './sample.ts';

/** How the authority answers: as it should; by cut connections; by 503; by a page that is not JSON. */
export type Mood = 'well' | 'down' | 'ailing' | 'babbling';

export interface MintOptions {
  readonly kid?: string;
  /** Seconds from now; may be negative. */
  readonly lives?: number;
  readonly startsIn?: number;
}

/** An application that may sign in by its secret. */
export interface Client {
  readonly clientId: string;
  readonly secret: string;
  readonly objectId: string;
  readonly tenant: string;
  /** The application that its tokens name, where that is another. */
  readonly issuedTo?: string;
}

/** A directory on the loopback that speaks OpenID Connect as Microsoft Entra does. */
export interface Authority {
  readonly url: string;
  readonly tenant: string;
  /** Options that trust it. */
  readonly options: EntraOptions;
  /** How often each endpoint was called. */
  readonly calls: { discovery: number; keys: number; token: number };
  /** Forms that the token endpoint got, newest last. */
  readonly forms: URLSearchParams[];
  mood: Mood;
  /** Another issuer than discovery should name, for the documents of a provider gone wrong. */
  issuerOf(tenant: string): string;
  /** The claims that a good token for `objectId` has. */
  claims(objectId: string, more?: Readonly<Record<string, unknown>>): Record<string, unknown>;
  /** A token of the newest key with these claims and times; undefined ones are left out. */
  mint(claims: Readonly<Record<string, unknown>>, options?: MintOptions): Promise<string>;
  /** A new key signs from now on, and alone is published. */
  rotate(algorithm?: 'RS256' | 'ES256'): Promise<void>;
  /** The published key that signs. */
  publicKey(): JWK & { readonly kid: string };
  /** The private half, to sign what `mint` would not. */
  privateKey(): CryptoKey;
  addClient(client: Omit<Client, 'tenant'> & { readonly tenant?: string }): void;
  close(): Promise<void>;
}

interface Key {
  readonly algorithm: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK & { readonly kid: string };
}

export const AUDIENCE = 'https://management.azure.com';

/**
 * Starts an authority for `tenants`, over https where there is a certificate; tokens are as old as `now` says
 * (milliseconds since 1970).
 */
export async function openAuthority(
  tenants: readonly [string, ...string[]],
  now: () => number = Date.now,
  tls?: Tls,
): Promise<Authority> {
  let made = 0;
  let key = await newKey(++made, 'RS256');
  const clients: Client[] = [];
  const respond = (request: IncomingMessage, response: ServerResponse): void => {
    void answer(request, response);
  };
  const server = tls ? createTlsServer({ key: tls.key, cert: tls.cert }, respond) : createServer(respond);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');
  const url = `${tls ? 'https' : 'http'}://127.0.0.1:${address.port}`;
  const [tenant] = tenants;

  const authority: Authority = {
    url,
    tenant,
    options: { authority: url, tenants, audiences: [AUDIENCE, `${AUDIENCE}/`], issuers: [] },
    calls: { discovery: 0, keys: 0, token: 0 },
    forms: [],
    mood: 'well',
    issuerOf: (id) => `${url}/${id}/v2.0`,
    claims: (objectId, more = {}) => ({
      aud: AUDIENCE,
      iss: `${url}/${tenant}/v2.0`,
      tid: tenant,
      oid: objectId,
      sub: `pairwise-${objectId}`,
      ...more,
    }),
    async mint(claims, { kid = key.jwk.kid, lives = 3600, startsIn = 0 } = {}) {
      const seconds = Math.floor(now() / 1000);
      const times = { iat: seconds, nbf: seconds + startsIn, exp: seconds + lives };
      const present = Object.entries({ ...times, ...claims }).filter(([, value]) => value !== undefined);
      return await new SignJWT(Object.fromEntries(present))
        .setProtectedHeader({ alg: key.algorithm, kid, typ: 'JWT' })
        .sign(key.privateKey);
    },
    async rotate(algorithm = 'RS256') {
      key = await newKey(++made, algorithm);
    },
    publicKey: () => key.jwk,
    privateKey: () => key.privateKey,
    addClient: (client) => void clients.push({ tenant, ...client }),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, id = '', rest = ''] = /^\/([^/]+)(\/[^?]*)/.exec(request.url ?? '') ?? [];
    const endpoint = ENDPOINTS.get(rest);
    if (endpoint) authority.calls[endpoint]++;
    if (authority.mood === 'down') request.socket.destroy();
    else if (authority.mood === 'ailing') send(response, [503, { error: 'temporarily_unavailable' }]);
    else if (authority.mood === 'babbling') response.end('<html>');
    else if (!tenants.includes(id) || !endpoint) send(response, [404, { error: 'unknown' }]);
    else if (endpoint === 'keys') send(response, [200, { keys: [key.jwk] }]);
    else if (endpoint === 'discovery') send(response, [200, describe(id)]);
    else send(response, await grant(id, new URLSearchParams(String(Buffer.from(await gather(request))))));
  }

  const describe = (id: string) => ({
    issuer: authority.issuerOf(id),
    authorization_endpoint: `${url}/${id}/oauth2/v2.0/authorize`,
    jwks_uri: `${url}/${id}${KEYS}`,
    token_endpoint: `${url}/${id}${TOKEN}`,
  });

  async function grant(id: string, form: URLSearchParams): Promise<Answer> {
    authority.forms.push(form);
    const field = (name: string) => form.get(name) ?? '';
    if (field('grant_type') !== 'client_credentials') return [400, { error: 'unsupported_grant_type' }];
    const client = clients.find((other) => other.clientId === field('client_id') && other.tenant === id);
    if (!client) return [400, { error: 'unauthorized_client' }];
    if (client.secret !== field('client_secret')) return [401, { error: 'invalid_client' }];
    const own = { aud: field('scope').replace(/\/\.default$/, ''), iss: authority.issuerOf(id), tid: id };
    const appid = client.issuedTo ?? client.clientId;
    const token = await authority.mint(authority.claims(client.objectId, { ...own, appid }));
    return [200, { token_type: 'Bearer', expires_in: 3600, access_token: token }];
  }

  return authority;
}

const DISCOVERY = '/v2.0/.well-known/openid-configuration';
const KEYS = '/discovery/v2.0/keys';
const TOKEN = '/oauth2/v2.0/token';
const ENDPOINTS: ReadonlyMap<string, keyof Authority['calls']> = new Map([
  [DISCOVERY, 'discovery'],
  [KEYS, 'keys'],
  [TOKEN, 'token'],
] as const);

type Answer = readonly [status: number, body: unknown];

function send(response: ServerResponse, [status, body]: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function newKey(number: number, algorithm: string): Promise<Key> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
  // Microsoft's keys name no algorithm, so a token may claim any that suits the key.
  return {
    algorithm,
    privateKey,
    jwk: { ...(await exportJWK(publicKey)), use: 'sig', kid: `key-${number}` },
  };
}
