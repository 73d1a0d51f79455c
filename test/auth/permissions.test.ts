import { describe, expect, test } from 'vitest';
import { roles } from '../../src/access/roles.ts';
import { systemScopeMaps } from '../../src/access/scopemaps.ts';
import { deletedRoutes, metadataRoutes, registryRoutes, repositoryRoutes } from '../../src/app/routes.ts';
import type { Permission } from '../../src/auth/authorize.ts';
import { parseRepositoryName } from '../../src/model/names.ts';
import { Problem } from '../../src/model/problem.ts';
import { HOST, type Adapter } from '../support/app.ts';
import { type Lab, type Login, SERVICE, ZERO, basic, bearer, openLab } from './lab.ts';
import { CHALLENGES, REPOSITORY, type Row, readRoutes, readTable } from './who-may.ts';

const ALL = ['content/read', 'content/write', 'content/delete', 'metadata/read', 'metadata/write'];
type Asking = Exclude<Permission, 'open' | 'session'>;
/** A record, so that a permission which is missing here does not compile. */
const ASKING: Readonly<Record<Asking, true>> = {
  'sign-in': true,
  catalog: true,
  pull: true,
  push: true,
  delete: true,
  metadata_read: true,
  metadata_write: true,
  attributes: true,
  quarantine_write: true,
  deleted_catalog: true,
  deleted_read: true,
  deleted_restore: true,
};
const PERMISSIONS = Object.keys(ASKING).filter((key): key is Asking => key in ASKING);
const routes = readRoutes();
const { columns, rows } = readTable();

describe('the table of who may do what', () => {
  test('has a line for every route, with the permission that the route names', () => {
    const found = [
      ...registryRoutes.flatMap(({ path, methods }) =>
        Object.entries(methods).map(([method, [permission]]) => `${method} ${path} ${permission}`),
      ),
      ...[...repositoryRoutes, ...metadataRoutes, ...deletedRoutes].flatMap(({ tail, methods }) =>
        Object.entries(methods).map(([method, [permission]]) => `${method} ${tail} ${permission}`),
      ),
    ];
    const told = routes.map(({ method, path, permission }) => {
      const acr = path.startsWith('/acr/v1/_deleted/') ? deletedRoutes : metadataRoutes;
      const below = path.startsWith('/acr/v1/') ? acr : repositoryRoutes;
      const exact = registryRoutes.some((row) => row.path === path);
      const row = exact ? undefined : below.find(({ tail }) => tail.test(path));
      return `${method} ${row?.tail ?? path} ${permission}`;
    });
    expect(told.toSorted()).toEqual(found.toSorted());
  });

  test('has a column for every permission', () => {
    expect(columns).toEqual(PERMISSIONS);
    expect(columns).toEqual(Object.keys(CHALLENGES));
    for (const { permission } of routes) expect([...columns, 'session']).toContain(permission);
  });

  test('has a row for every role in both modes, every system scope map and every action', () => {
    const expected = [
      ...Object.keys(roles).flatMap((role) => [`principal as ${role}`, `principal as ${role} (repository)`]),
      ...systemScopeMaps.map(({ name }) => `token ${name}`),
      ...ALL.map((action) => `token ${action} on *`),
    ];
    expect(rows.map(({ title }) => title)).toEqual(expect.arrayContaining(expected));
  });
});

describe('what everybody may do', () => {
  test.each(rows.map((row) => [row.title, row] as const))('%s', async (_, row) => {
    expect(await faultsOf(row, 'disk')).toEqual([]);
  });
});

describe('the same on Azure', () => {
  const few = [
    'anonymous where anybody may pull team/*',
    'admin',
    'token all on team/app',
    'token _repositories_pull',
    'principal as AcrPush + AcrDelete',
    'principal as Container Registry Repository Reader on team/* (repository)',
  ];
  test.each(few)('%s', async (title) => {
    const row = rows.find((other) => other.title === title);
    if (!row) throw new Error(`no row ${title}`);
    expect(await faultsOf(row, 'azure')).toEqual([]);
  });
});

/** Asks every route in every way that the identity has; what differs from the row. */
async function faultsOf(row: Row, adapter: Adapter): Promise<readonly string[]> {
  const lab = await openLab({ adapter });
  const found: string[] = [];
  for (const way of await waysOf(lab, row)) {
    for (const { method, path, permission } of routes) {
      const allowed = permission === 'session' || row.may.has(permission);
      const problem = await way.ask({ method, path, permission }, allowed);
      if (problem !== undefined) found.push(`${method} ${path} by ${way.name}: ${problem}`);
    }
    for (const permission of columns) {
      const problem = await way.ask({ permission }, row.may.has(permission));
      if (problem !== undefined) found.push(`${permission} by ${way.name}: ${problem}`);
    }
  }
  await lab.close();
  return found;
}

/** A route, or, without one, the bare decision: some permissions have no route yet. */
interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly permission: string;
}

interface Way {
  readonly name: string;
  /** Undefined when the answer is as it must be. */
  ask(what: Asked, allowed: boolean): Promise<string | undefined>;
}

async function waysOf(lab: Lab, row: Row): Promise<readonly Way[]> {
  const identity = await identityOf(lab, row);
  if (identity === 'nobody') return [wayOf(lab, 'no credentials', '', () => Promise.resolve(undefined))];
  if (identity === 'anonymous') return [tokenWay(lab, 'token', undefined)];
  const { login, wrong, principal } = identity;
  const error = wrong ? ',error="invalid_token"' : ',error="insufficient_scope"';
  const ways = [
    wayOf(lab, 'Basic', error, () => {
      // So that failures are forgotten, and the answer is not 429.
      if (wrong) lab.clock.advance(60_000);
      return Promise.resolve(basic(login));
    }),
  ];
  if (wrong) return ways;
  ways.push(tokenWay(lab, 'token', login));
  if (principal !== undefined) {
    const refresh = { username: ZERO, password: await lab.refresh(principal) };
    ways.push(
      wayOf(lab, 'Basic with a refresh token', error, () => Promise.resolve(basic(refresh))),
      tokenWay(lab, 'token for a refresh token', refresh),
    );
  }
  return ways;
}

/** As clients do: the challenge's scope, a token for it, the request again. */
function tokenWay(lab: Lab, name: string, login: Login | undefined): Way {
  const tokens = new Map<string, Promise<string>>();
  return wayOf(lab, name, ',error="insufficient_scope"', async (permission) => {
    const { scope = '' } = CHALLENGES[permission] ?? {};
    const token = tokens.get(scope) ?? lab.access(login, ...(scope === '' ? [] : [scope]));
    tokens.set(scope, token);
    return bearer(await token);
  });
}

function wayOf(
  lab: Lab,
  name: string,
  error: string,
  credentials: (permission: string) => Promise<string | undefined>,
): Way {
  return {
    name,
    async ask({ method = 'GET', path, permission }, allowed) {
      const authorization = await credentials(permission);
      const headers = authorization === undefined ? {} : { authorization };
      const response =
        path === undefined
          ? await decision(lab, permission, headers)
          : await lab.fetch(method, path, { headers, ...(method === 'PUT' && { body: '{}' }) });
      const { status } = response;
      if (status >= 500) return `${status}`;
      if (allowed) return status === 401 || status === 403 ? `refused with ${status}` : undefined;
      if (status !== 401) return `allowed with ${status}`;
      const { scope, detail } = CHALLENGES[permission] ?? {};
      const asked = scope === undefined ? '' : `,scope="${scope}"`;
      const wanted = `Bearer realm="http://${SERVICE}/oauth2/token",service="${SERVICE}"${asked}${error}`;
      const header = response.headers.get('www-authenticate');
      if (header !== wanted) return `challenged by ${header}, not ${wanted}`;
      const body = await response.text();
      const message = 'authentication required, visit https://aka.ms/acr/authorization for more information.';
      const told = JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message, detail }] });
      return body === (method === 'HEAD' ? '' : told) ? undefined : `told ${body}`;
    },
  };
}

/** What the one function that decides says, as a response. */
async function decision(
  { app, registry }: Lab,
  permission: string,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  const known = PERMISSIONS.find((one) => one === permission);
  if (!known) throw new Error(`no permission ${permission}`);
  const request = new Request(HOST, { headers });
  const repository = { registry, name: parseRepositoryName(REPOSITORY) };
  try {
    await app.authorize({ request, registry, origin: HOST, address: '' }, known, repository);
    return new Response('{}');
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return new Response(error.toBody(), { status: error.status, headers: error.headers });
  }
}

type Identified =
  | 'nobody'
  | 'anonymous'
  | { readonly login: Login; readonly wrong?: boolean; readonly principal?: string };

async function identityOf(lab: Lab, { who, repositoryRoles }: Row): Promise<Identified> {
  const [kind = '', ...rest] = who.split(' ');
  const words = rest.join(' ');
  await lab.settings({ repositoryRoles });
  switch (kind) {
    case 'nobody':
    case 'anonymous': {
      const pattern = /^where anybody may pull (.+)$/.exec(words)?.[1];
      if (pattern === '*') await lab.settings({ anonymousPull: true });
      else if (pattern !== undefined) await lab.settings({ anonymousRepositories: [pattern] });
      return kind;
    }
    case 'admin': {
      const login = await lab.admin();
      if (words !== 'while disabled') return { login };
      await lab.settings({ admin: { enabled: false, generations: [1, 1] } });
      return { login, wrong: true };
    }
    case 'token': {
      const [action = '', pattern] = words.split(' on ');
      if (pattern === undefined)
        return { login: await lab.token('ci-token', action === 'none' ? [] : action) };
      const actions = (action === 'all' ? ALL : [action]).map((one) => `repositories/${pattern}/${one}`);
      return { login: await lab.token('ci-token', actions) };
    }
    case 'principal': {
      const [, names, pattern = '*'] = /^as (.+?)(?: on (\S+))?$/.exec(words) ?? [];
      const login = await lab.principal(names?.split(' + ') ?? [], [pattern]);
      return { login, principal: login.id };
    }
    default:
      throw new Error(`who is ${who}?`);
  }
}
