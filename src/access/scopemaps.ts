import type { ScopeMapDocument, TokenDocument } from '../model/access.ts';
import type { RegistryName } from '../model/names.ts';
import { type Action, type Grant, type Grants, isPattern } from './permission.ts';
import { Problem } from '../model/problem.ts';
import type { Context } from '../store/context.ts';
import { changeRights } from './registry.ts';
import { changeResource, getResource, listResources } from './resources.ts';
import { listTokens, tokenSubject } from './tokens.ts';

/** Scope-map action → token action (ACR wire section 3.4); the older spellings of `az` too. */
const ACTION_OF: ReadonlyMap<string, Action> = new Map([
  ['content/read', 'pull'],
  ['content/write', 'push'],
  ['content/delete', 'delete'],
  ['metadata/read', 'metadata_read'],
  ['metadata/write', 'metadata_write'],
  ['metadataRead', 'metadata_read'],
  ['metadataWrite', 'metadata_write'],
]);
const GATEWAY = /^gateway\/[A-Za-z0-9_-]{1,50}\/(?:config|message)\/(?:read|write)$/;
const NAME = /^[A-Za-z0-9-]{5,50}$/;
/** ACR's limits (ACR wire section 7). */
const ACTION_LIMIT = 500;
const DESCRIPTION_LIMIT = 256;

const ALL = ['content/read', 'content/write', 'content/delete', 'metadata/read', 'metadata/write'];

/** The scope maps that every registry has, as exported from real ones. */
export const systemScopeMaps: readonly ScopeMapDocument[] = [
  system('_repositories_admin', 'Can perform all read, write and delete operations on the registry', ALL),
  system('_repositories_pull', 'Can pull any repository of the registry', ['content/read']),
  system('_repositories_pull_metadata_read', 'Can perform all read operations on the registry', [
    'content/read',
    'metadata/read',
  ]),
  system('_repositories_push', 'Can push to any repository of the registry', [
    'content/read',
    'content/write',
  ]),
  system('_repositories_push_metadata_write', 'Can perform all read and write operations on the registry', [
    'metadata/read',
    'metadata/write',
    'content/read',
    'content/write',
  ]),
];

export function isSystemScopeMap(name: string): boolean {
  return name.startsWith('_');
}

/** A scope map, system ones included; undefined when absent. One call; none for system ones. */
export async function getScopeMap(
  ctx: Context,
  registry: RegistryName,
  name: string,
): Promise<ScopeMapDocument | undefined> {
  const known = systemScopeMaps.find((map) => map.name === name.toLowerCase());
  if (!known && !NAME.test(name)) return undefined;
  return known ?? (await getResource<ScopeMapDocument>(ctx, registry, 'scopeMap', name))?.document;
}

export async function listScopeMaps(
  ctx: Context,
  registry: RegistryName,
): Promise<readonly ScopeMapDocument[]> {
  return [...systemScopeMaps, ...(await listResources<ScopeMapDocument>(ctx, registry, 'scopeMap'))];
}

/**
 * Creates or changes a scope map. When it takes an action away, access tokens that carry it are refused at once; what
 * it gives acts at the next sign-in. Throws REQUEST_INVALID, and NOT_FOUND for one that must exist and does not.
 */
export async function putScopeMap(
  ctx: Context,
  registry: RegistryName,
  name: string,
  {
    description,
    actions,
    mustExist = false,
  }: {
    readonly description?: string | undefined;
    readonly actions?: readonly string[] | undefined;
    readonly mustExist?: boolean;
  },
): Promise<ScopeMapDocument> {
  if (isSystemScopeMap(name)) throw new Problem('REQUEST_INVALID', 'system scope maps cannot be changed');
  if (!NAME.test(name))
    throw new Problem('REQUEST_INVALID', 'a scope map has 5-50 letters, digits or dashes');
  if ((description ?? '').length > DESCRIPTION_LIMIT)
    throw new Problem('REQUEST_INVALID', 'the description is too long');
  checkActions(actions ?? []);
  return await changeRights<ScopeMapDocument, ScopeMapDocument>(
    ctx,
    registry,
    'scopeMap',
    name,
    (current) => {
      if (mustExist && !current) throw new Problem('NOT_FOUND', undefined, { message: 'no such scope map' });
      return {
        next: {
          name: current?.name ?? name,
          created: current?.created ?? ctx.now(),
          description: description ?? current?.description ?? '',
          actions: actions ?? current?.actions ?? [],
        },
        narrowed: current?.actions.some((action) => actions && !actions.includes(action)) ?? false,
      };
    },
    async () => (await listUsers(ctx, registry, name)).map((token) => tokenSubject(token.name)),
  );
}

/** False when there was none. Throws CONFLICT while a token is bound to it, REQUEST_INVALID for a system one. */
export async function deleteScopeMap(ctx: Context, registry: RegistryName, name: string): Promise<boolean> {
  if (isSystemScopeMap(name)) throw new Problem('REQUEST_INVALID', 'system scope maps cannot be deleted');
  const [user] = await listUsers(ctx, registry, name);
  if (user) throw new Problem('CONFLICT', `the scope map is in use by the token ${user.name}`);
  let found = false;
  await changeResource<ScopeMapDocument, undefined>(ctx, registry, 'scopeMap', name, (current) => {
    found ||= current !== undefined;
    return undefined;
  });
  return found;
}

async function listUsers(
  ctx: Context,
  registry: RegistryName,
  name: string,
): Promise<readonly TokenDocument[]> {
  const tokens = await listTokens(ctx, registry);
  return tokens.filter(({ scopeMap }) => scopeMap.toLowerCase() === name.toLowerCase());
}

/** What the actions of a scope map allow. A catalog belongs to those who may read everything. */
export function grantsOf({ actions }: ScopeMapDocument): Grants {
  const byPattern = new Map<string, Set<Action>>();
  for (const action of actions) {
    const parsed = parseAction(action);
    if (!parsed) continue;
    byPattern.set(parsed.pattern, (byPattern.get(parsed.pattern) ?? new Set()).add(parsed.action));
  }
  const repositories: Grant[] = [...byPattern].map(([pattern, set]) => ({ pattern, actions: [...set] }));
  return {
    repositories,
    catalog: repositories.some(
      ({ pattern, actions: list }) => pattern === '*' && list.includes('metadata_read'),
    ),
  };
}

function checkActions(actions: readonly string[]): void {
  if (actions.length > ACTION_LIMIT) throw new Problem('REQUEST_INVALID', `at most ${ACTION_LIMIT} actions`);
  const wrong = actions.find((action) => !parseAction(action) && !GATEWAY.test(action));
  if (wrong !== undefined)
    throw new Problem('REQUEST_INVALID', `not a scope map action: ${wrong.slice(0, 300)}`);
}

function parseAction(text: string): { readonly pattern: string; readonly action: Action } | undefined {
  const match =
    /^repositories\/(.+)\/((?:content|metadata)\/(?:read|write|delete)|metadata(?:Read|Write))$/.exec(text);
  const action = ACTION_OF.get(match?.[2] ?? '');
  const pattern = match?.[1] ?? '';
  return action && isPattern(pattern) ? { pattern, action } : undefined;
}

function system(name: string, description: string, actions: readonly string[]): ScopeMapDocument {
  return { name, description, created: 0, actions: actions.map((action) => `repositories/*/${action}`) };
}
