import { afterEach } from 'vitest';
import { enableAdmin, adminPasswords } from '../../src/access/admin.ts';
import { updateRegistry } from '../../src/access/registry.ts';
import { putAssignment } from '../../src/access/roles.ts';
import { putScopeMap } from '../../src/access/scopemaps.ts';
import { generatePasswords, putToken } from '../../src/access/tokens.ts';
import type { Entra } from '../../src/auth/openid/directory.ts';
import { memoryKeyStore } from '../../src/auth/keys.ts';
import type { RegistryDocument } from '../../src/model/access.ts';
import { HOST, type TestApp, type TestAppOptions, openTestApp } from '../support/app.ts';
import { jsonOf, problemOf } from '../support/answer.ts';

/** An app that requires sign-in, and what tests of it need. */
export interface Lab extends TestApp {
  /** Name of the registry as the user name of its admin. */
  admin(): Promise<Login>;
  /** A token with these actions, or bound to the scope map of this name, and its password. */
  token(name: string, actions: readonly string[] | string, expiry?: number): Promise<Login>;
  /** A principal of the directory with these roles, each on everything or on `patterns`. */
  principal(assigned: readonly string[], patterns?: readonly string[]): Promise<Login & { id: string }>;
  settings(change: Partial<RegistryDocument>): Promise<void>;
  /** GET /oauth2/token; `login` undefined: anonymous. */
  ask(login: Login | undefined, ...scopes: string[]): Promise<Response>;
  /** The access token for `scopes`. */
  access(login: Login | undefined, ...scopes: string[]): Promise<string>;
  /** POST of a form to `/oauth2/…`. */
  post(path: string, form: Readonly<Record<string, string>> | URLSearchParams): Promise<Response>;
  /** A refresh token for a principal of the directory. */
  refresh(principalId: string): Promise<string>;
}

export interface Login {
  readonly username: string;
  readonly password: string;
}

export const SERVICE = new URL(HOST).host;
export const ZERO = '00000000-0000-0000-0000-000000000000';
/** Making RSA keys takes long, so all apps of a test file share theirs, but for those that test keys. */
const shared = memoryKeyStore();

/** A directory that knows every GUID: `entra <id>` is its token, `secret of <id>` the secret of a service principal. */
export const directory: Entra = {
  verify: (token) => {
    const id = /^entra ([0-9a-f-]{36})$/.exec(token)?.[1];
    return Promise.resolve(id === undefined ? undefined : principalOf(id));
  },
  signIn: (id, secret) => Promise.resolve(secret === `secret of ${id}` ? principalOf(id) : undefined),
};

function principalOf(id: string) {
  return { id, name: `user-${id.slice(0, 8)}`, tenant: '9d2b8a34-0000-4000-8000-000000000000' };
}

export async function openLab(options: TestAppOptions = {}): Promise<Lab> {
  const signIn = { keys: shared, entra: directory, ...options.signIn };
  const test = await openTestApp({ ...options, signIn });
  const { registry } = test;
  const ctx = test.app.context;
  let made = 0;
  const ask: Lab['ask'] = async (login, ...scopes) => {
    const query = new URLSearchParams({ service: SERVICE });
    for (const scope of scopes) query.append('scope', scope);
    const path = `/oauth2/token?${query.toString()}`;
    return await test.fetch('GET', path, login ? { headers: { authorization: basic(login) } } : {});
  };
  const post: Lab['post'] = async (path, form) =>
    await test.fetch('POST', path, {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form).toString(),
    });
  const settings: Lab['settings'] = async (change) => {
    await updateRegistry(ctx, registry, (document) => ({ ...document, ...change }));
  };
  return {
    ...test,
    ask,
    post,
    settings,
    async admin() {
      const document = await enableAdmin(ctx, registry, true);
      const [first] = adminPasswords(ctx, registry, document);
      return { username: registry, password: first?.value ?? '' };
    },
    async token(name, actions, expiry) {
      const map = typeof actions === 'string' ? actions : `map-of-${name}`;
      if (typeof actions !== 'string') await putScopeMap(ctx, registry, map, { actions });
      await putToken(ctx, registry, name, { scopeMap: map });
      const [password] = await generatePasswords(ctx, registry, name, ['password1'], expiry);
      return { username: name, password: password?.value ?? '' };
    },
    async principal(assigned, patterns = ['*']) {
      const id = `0b7cf06a-0000-4000-8000-${String(++made).padStart(12, '0')}`;
      for (const [i, role] of assigned.entries()) {
        await putAssignment(ctx, registry, `a${made}-${i}`, { principalId: id, role, patterns });
      }
      return { id, username: id, password: `secret of ${id}` };
    },
    access: async (login, ...scopes) => textOf(await jsonOf(await ask(login, ...scopes)), 'access_token'),
    async refresh(id) {
      const form = { grant_type: 'access_token', service: SERVICE, access_token: `entra ${id}` };
      return textOf(await jsonOf(await post('/oauth2/exchange', form)), 'refresh_token');
    },
  };
}

/** Opens labs, and closes them after the test that opened them. */
export function keptLabs(): typeof openLab {
  const labs: Lab[] = [];
  afterEach(async () => {
    await Promise.all(labs.splice(0).map((lab) => lab.close()));
  });
  return async (options) => {
    const lab = await openLab(options);
    labs.push(lab);
    return lab;
  };
}

export const TAGS = '/v2/team/app/tags/list';
export const PULL = 'repository:team/app:pull';

/** The answer to `GET tags` with this header. */
export async function listTags(lab: Lab, authorization: string): Promise<string> {
  const response = await lab.fetch('GET', TAGS, { headers: { authorization } });
  // A repository that is not there: the answer to those who may look.
  if (response.status === 404) return 'let in';
  const challenge = response.headers.get('www-authenticate') ?? '';
  const error = /,error="(\w+)"$/.exec(challenge)?.[1] ?? 'no error';
  return `${await problemOf(response)} ${error}`;
}

export const REFUSED = '401 UNAUTHORIZED invalid_token';
export const NARROW = '401 UNAUTHORIZED insufficient_scope';

export function basic({ username, password }: Login): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

export function bearer(token: string): string {
  return `Bearer ${token}`;
}

/** A text field of a JSON object. */
export function textOf(value: unknown, key: string): string {
  const text: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  if (typeof text !== 'string') throw new Error(`no ${key} in ${JSON.stringify(value)}`);
  return text;
}

/** The payload of a token, or its header with `part` 0; unverified. */
export function decoded(token: string, part: 0 | 1 = 1): Record<string, unknown> {
  const json = Buffer.from(token.split('.')[part] ?? '', 'base64url').toString();
  const value: Record<string, unknown> = JSON.parse(json);
  return value;
}
