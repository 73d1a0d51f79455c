import { type RepositoryName, isRepositoryName } from '../model/names.ts';

/** What a token may let its bearer do in a repository: ACR's words (ACR wire section 3.4). */
export type Action =
  | 'pull'
  | 'push'
  | 'delete'
  | 'metadata_read'
  | 'metadata_write'
  | 'deleted_read'
  | 'deleted_restore'
  | 'quarantine_read'
  | 'quarantine_write';

const ACTIONS: readonly string[] = [
  'pull',
  'push',
  'delete',
  'metadata_read',
  'metadata_write',
  'deleted_read',
  'deleted_restore',
  'quarantine_read',
  'quarantine_write',
] satisfies Action[];

export function isAction(text: string): text is Action {
  return ACTIONS.includes(text);
}

/** Actions on the repositories that a pattern names: a name, `prefix/*`, or `*`. */
export interface Grant {
  readonly pattern: string;
  readonly actions: readonly Action[];
}

/** Everything somebody may do. Rules add up. */
export interface Grants {
  readonly repositories: readonly Grant[];
  /** May list the catalog. */
  readonly catalog: boolean;
  /** May list deleted repositories; so may whoever reads what is deleted in all of them. */
  readonly deletedCatalog?: boolean;
}

export const NO_GRANTS: Grants = { repositories: [], catalog: false };

/** Whether a pattern names a repository; a wildcard stands for whole path segments only. */
export function matchesPattern(pattern: string, name: RepositoryName): boolean {
  if (pattern === '*') return true;
  return pattern.endsWith('/*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

/** The pattern of a scope-map action or a setting: a repository name, `prefix/*` or `*`. */
export function isPattern(text: string): boolean {
  return text === '*' || isRepositoryName(text.endsWith('/*') ? text.slice(0, -2) : text);
}

/** The one decision: whether grants allow an action on a repository. */
export function permits(grants: Grants, name: RepositoryName, action: Action): boolean {
  return grants.repositories.some(
    (grant) => grant.actions.includes(action) && matchesPattern(grant.pattern, name),
  );
}

/** Whether grants allow to list repositories that were deleted. */
export function seesDeleted({ deletedCatalog, repositories }: Grants): boolean {
  return (
    deletedCatalog ??
    repositories.some(({ pattern, actions }) => pattern === '*' && actions.includes('deleted_read'))
  );
}

/** One entry of a token's `access` claim (distribution token specification, "Access"). */
export interface Access {
  readonly type: 'repository' | 'registry';
  readonly name: string;
  readonly actions: readonly string[];
}

/** Lists of a registry that have scopes of their own, such as `registry:catalog:*`. */
const CATALOGS: readonly string[] = ['catalog', 'deleted_catalog'];
/** Scopes asked for in one request; more would only make tokens too long for headers. */
const SCOPE_LIMIT = 50;

/**
 * Reads `scope` parameters: repeated, or several in one, parted by spaces, as clients send them. What is not of the
 * form `type:name:actions` is dropped, as the resource will say what it misses.
 */
export function parseScopes(values: readonly string[]): readonly Access[] {
  const wanted = new Map<string, { type: 'repository' | 'registry'; name: string; actions: Set<string> }>();
  for (const scope of values.flatMap((value) => value.split(' ')).slice(0, SCOPE_LIMIT)) {
    const type = scope.slice(0, scope.indexOf(':'));
    const name = scope.slice(type.length + 1, scope.lastIndexOf(':'));
    const actions = scope.slice(scope.lastIndexOf(':') + 1).split(',');
    if (type !== 'repository' && type !== 'registry') continue;
    if (type === 'repository' ? !isRepositoryName(name) : !CATALOGS.includes(name)) continue;
    const entry = wanted.get(`${type}:${name}`) ?? { type, name, actions: new Set() };
    for (const action of actions) entry.actions.add(action);
    wanted.set(`${type}:${name}`, entry);
  }
  return [...wanted.values()].map(({ type, name, actions }) => ({ type, name, actions: [...actions] }));
}

/**
 * What clients need and do not ask for: they list tags with a token for pull, and ACR demands metadata_read for that;
 * scanners read what is in quarantine with one for pull, and judge it with one for push or for writing metadata (ACR
 * features section 7, "Quarantine").
 */
const FOLLOWING: ReadonlyMap<string, readonly Action[]> = new Map([
  ['pull', ['metadata_read', 'quarantine_read']],
  ['push', ['quarantine_write']],
  ['metadata_write', ['quarantine_write']],
]);

/**
 * The part of what was asked for that the grants allow; entries with nothing left are dropped. `*` asks for all.
 * Whoever gets an action gets with it what FOLLOWING names, where allowed.
 */
export function grantAccess(grants: Grants, asked: readonly Access[]): readonly Access[] {
  return asked
    .map((access) => ({ ...access, actions: allowedActions(grants, access) }))
    .filter(({ actions }) => actions.length > 0);
}

function allowedActions(grants: Grants, { type, name, actions }: Access): readonly string[] {
  if (type === 'registry') {
    const allowed = name === 'catalog' ? grants.catalog : name === 'deleted_catalog' && seesDeleted(grants);
    return allowed ? ['*'] : [];
  }
  if (!isRepositoryName(name)) return [];
  const asked = actions.includes('*') ? ACTIONS : actions;
  const wanted = new Set([...asked, ...asked.flatMap((action) => FOLLOWING.get(action) ?? [])]);
  return [...wanted].filter((action) => isAction(action) && permits(grants, name, action));
}

/** The grants that an access token carries. */
export function carriedGrants(access: readonly Access[]): Grants {
  const lists = (catalog: string) => access.some(({ type, name }) => type === 'registry' && name === catalog);
  return {
    repositories: access
      .filter(({ type }) => type === 'repository')
      .map(({ name, actions }) => ({ pattern: name, actions: actions.filter(isAction) })),
    catalog: lists('catalog'),
    deletedCatalog: lists('deleted_catalog'),
  };
}
