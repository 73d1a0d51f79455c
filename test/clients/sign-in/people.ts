import { randomUUID } from 'node:crypto';
import { join } from 'node:path';

import { type Authority, openAuthority } from '../../support/authority.ts';
import { type GuardedServer, type ServerOptions, startGuarded } from '../server.ts';
import type { Login } from './station.ts';

/** A registry that asks for sign-in, a directory beside it, and those who may use it. */
export type People = {
  readonly registry: string;
  readonly admin: Login;
  /** A new token that may pull from and push to one repository. */
  token(repository: string): Promise<Login>;
  /** A new service principal that may push everywhere. */
  principal(): Promise<Login>;
  /** A refresh token of a new principal that may push everywhere, as `az acr login --expose-token` gives it. */
  refreshToken(): Promise<Login>;
  close(): Promise<void>;
};

const TENANT = '6a1f0000-1111-4222-8333-000000000002';
const ZERO = '00000000-0000-0000-0000-000000000000';
const PUSH_ROLE = '8311e382-0749-4cb8-b61a-304f252e45ec';

export async function openPeople(options: ServerOptions): Promise<People> {
  const authority = await openAuthority([TENANT]);
  let server: GuardedServer;
  try {
    server = await startGuarded(options, {
      ENTRA_AUTHORITY: authority.url,
      ENTRA_TENANTS: TENANT,
      ENTRA_AUDIENCES: authority.options.audiences.join(','),
    });
  } catch (error) {
    await authority.close();
    throw error;
  }
  const { registry, admin } = server;
  const call = managing(server);
  const principalId = async (): Promise<string> => {
    const id = randomUUID();
    const assignment = `providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`;
    const role = `/providers/Microsoft.Authorization/roleDefinitions/${PUSH_ROLE}`;
    await call('PUT', assignment, { principalId: id, roleDefinitionId: role });
    return id;
  };
  return {
    registry,
    admin,
    async token(repository) {
      const name = `token-${randomUUID().slice(0, 8)}`;
      const actions = ['content/read', 'content/write', 'metadata/read'];
      await call('PUT', `scopeMaps/map-${name}`, {
        actions: actions.map((action) => `repositories/${repository}/${action}`),
      });
      await call('PUT', `tokens/${name}`, { scopeMapId: `${idOf(server)}/scopeMaps/map-${name}` });
      const tokenId = `${idOf(server)}/tokens/${name}`;
      const { passwords } = await send(server, 'POST', 'generateCredentials', { tokenId });
      const [first]: readonly unknown[] = Array.isArray(passwords) ? passwords : [];
      return { username: name, password: textOf(first, 'value') };
    },
    async principal() {
      const login = { username: randomUUID(), password: `secret-${randomUUID()}` };
      const objectId = await principalId();
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
      const answer = await fetch(`http://${registry}/oauth2/exchange`, { method: 'POST', body });
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

/** Changes a resource of the registry by its management API, as its admin user. */
function managing(server: GuardedServer) {
  return async (method: 'PUT', path: string, properties: unknown): Promise<void> => {
    await send(server, method, path, { properties });
  };
}

async function send(
  server: GuardedServer,
  method: string,
  path: string,
  body: unknown,
): Promise<Readonly<Record<string, unknown>>> {
  const { username, password } = server.admin;
  const url = `http://${join(server.registry, idOf(server), path)}?api-version=2025-11-01`;
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

function idOf({ admin }: GuardedServer): string {
  const provider = 'providers/Microsoft.ContainerRegistry/registries';
  return `/subscriptions/${TENANT}/resourceGroups/tests/${provider}/${admin.username}`;
}

function textOf(value: unknown, key: string): string {
  const text: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  if (typeof text !== 'string') throw new Error(`no ${key} in ${JSON.stringify(value)}`);
  return text;
}
