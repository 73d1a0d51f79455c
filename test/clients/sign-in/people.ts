import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';

import { type Tls, loadDevelopmentTls } from '../../../src/local/tls/certificate.ts';
import { type Authority, openAuthority } from '../../support/authority.ts';
import { type GuardedServer, type ServerOptions, startGuarded } from '../server.ts';
import type { Login } from './station.ts';

/** A registry that asks for sign-in, a directory beside it, and those who may use it. */
export type People = {
  readonly registry: string;
  readonly admin: Login;
  /** Base URL of the directory. */
  readonly directory: string;
  /** File of the certificate that clients must trust, where the registry speaks https. */
  readonly trust: string | undefined;
  /** A new token for one repository, that may pull and push unless told otherwise: actions as in scope maps. */
  token(repository: string, actions?: readonly string[]): Promise<Login>;
  /** A new service principal with a role, by its id, on everything; may push unless told otherwise. */
  principal(role?: string): Promise<Login>;
  /** A refresh token of a new principal that may push everywhere, as `az acr login --expose-token` gives it. */
  refreshToken(): Promise<Login>;
  close(): Promise<void>;
};

/** What the directory serves. */
export const TENANT = '6a1f0000-1111-4222-8333-000000000002';
export const OWNER_ROLE = '8e3af657-a8ff-443c-a75c-2fe8c4bcb635';
const ZERO = '00000000-0000-0000-0000-000000000000';
const PUSH_ROLE = '8311e382-0749-4cb8-b61a-304f252e45ec';

/** With `secure`, registry and directory speak https by one certificate, which this process then trusts. */
export async function openPeople(options: ServerOptions, secure = false): Promise<People> {
  const tls = secure ? await trustedTls(join(options.directory, 'data', 'tls')) : undefined;
  const authority = await openAuthority([TENANT], Date.now, tls);
  let server: GuardedServer;
  try {
    const args = [...(options.args ?? []), ...(tls ? ['--tls'] : [])];
    server = await startGuarded(
      { ...options, args },
      {
        ...(tls?.trust !== undefined && { NODE_EXTRA_CA_CERTS: tls.trust }),
        ENTRA_AUTHORITY: authority.url,
        ENTRA_TENANTS: TENANT,
      },
    );
  } catch (error) {
    await authority.close();
    throw error;
  }
  const { registry, admin } = server;
  const base = `${tls ? 'https' : 'http'}://${registry}`;
  const call = async (method: 'PUT', path: string, properties: unknown): Promise<void> => {
    await send(base, admin, method, path, { properties });
  };
  const principalId = async (roleId = PUSH_ROLE): Promise<string> => {
    const id = randomUUID();
    const assignment = `providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`;
    const role = `/providers/Microsoft.Authorization/roleDefinitions/${roleId}`;
    await call('PUT', assignment, { principalId: id, roleDefinitionId: role });
    return id;
  };
  return {
    registry,
    admin,
    directory: authority.url,
    trust: tls?.trust,
    async token(repository, actions = ['content/read', 'content/write', 'metadata/read']) {
      const name = `token-${randomUUID().slice(0, 8)}`;
      await call('PUT', `scopeMaps/map-${name}`, {
        actions: actions.map((action) => `repositories/${repository}/${action}`),
      });
      await call('PUT', `tokens/${name}`, { scopeMapId: `${idOf(admin)}/scopeMaps/map-${name}` });
      const tokenId = `${idOf(admin)}/tokens/${name}`;
      const { passwords } = await send(base, admin, 'POST', 'generateCredentials', { tokenId });
      const [first]: readonly unknown[] = Array.isArray(passwords) ? passwords : [];
      return { username: name, password: textOf(first, 'value') };
    },
    async principal(role) {
      const login = { username: randomUUID(), password: `secret-${randomUUID()}` };
      const objectId = await principalId(role);
      authority.addClient({ clientId: login.username, secret: login.password, objectId });
      return login;
    },
    async refreshToken() {
      const token = await authority.mint(authority.claims(await principalId()));
      const body = new URLSearchParams({
        grant_type: 'access_token',
        service: registry,
        access_token: token,
      });
      const answer = await fetch(`${base}/oauth2/exchange`, { method: 'POST', body });
      return { username: ZERO, password: textOf(await answer.json(), 'refresh_token') };
    },
    close: async () => await closeBoth(server, authority),
  };
}

async function closeBoth(server: GuardedServer, authority: Authority): Promise<void> {
  try {
    await server.stop();
  } finally {
    await authority.close();
  }
}

/** The development certificate in `directory`, which this process trusts from now on. */
async function trustedTls(directory: string): Promise<Tls> {
  const tls = await loadDevelopmentTls(directory, '127.0.0.1');
  if (tls.trust === undefined) throw new Error('a development certificate without an authority');
  setDefaultCACertificates([...getCACertificates('default'), await readFile(tls.trust, 'utf8')]);
  return tls;
}

/** Calls the registry's management API as its admin user. */
async function send(
  base: string,
  admin: Login,
  method: string,
  path: string,
  body: unknown,
): Promise<Readonly<Record<string, unknown>>> {
  const { username, password } = admin;
  const url = `${base}${join(idOf(admin), path)}?api-version=2025-11-01`;
  const answer = await fetch(url, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status}: ${text.slice(0, 500)}`);
  const value: Readonly<Record<string, unknown>> = JSON.parse(text);
  return value;
}

function idOf({ username }: Login): string {
  const provider = 'providers/Microsoft.ContainerRegistry/registries';
  return `/subscriptions/${TENANT}/resourceGroups/tests/${provider}/${username}`;
}

function textOf(value: unknown, key: string): string {
  const text: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  if (typeof text !== 'string') throw new Error(`no ${key} in ${JSON.stringify(value)}`);
  return text;
}
