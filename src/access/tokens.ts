import { createHash, timingSafeEqual } from 'node:crypto';
import type { PasswordDocument, TokenDocument } from '../model/access.ts';
import type { RegistryName } from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import type { Context } from '../store/context.ts';
import { passwordOf } from './admin.ts';
import { changeRights } from './registry.ts';
import { getResource, listResources } from './resources.ts';

/** A password as it is shown once. */
export interface NewPassword {
  readonly name: PasswordDocument['name'];
  readonly value: string;
  readonly created: number;
  readonly expiry?: number;
}

/** What service principals sign in with: their application's id. */
export function isPrincipalName(name: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(name);
}

/** Whether a token can have this name: the admin user and principals have theirs, and a token would never be asked. */
export function isTokenName(registry: RegistryName, name: string): boolean {
  return /^[A-Za-z0-9-]{5,50}$/.test(name) && name.toLowerCase() !== registry && !isPrincipalName(name);
}

export async function getToken(
  ctx: Context,
  registry: RegistryName,
  name: string,
): Promise<TokenDocument | undefined> {
  return (await getResource<TokenDocument>(ctx, registry, 'token', name))?.document;
}

export function listTokens(ctx: Context, registry: RegistryName): Promise<readonly TokenDocument[]> {
  return listResources<TokenDocument>(ctx, registry, 'token');
}

/**
 * Creates or changes a token; `kept` names the passwords that stay. Disabling it, binding it to another scope map or
 * taking a password away refuses its access tokens at once. Throws REQUEST_INVALID, and NOT_FOUND for one that must
 * exist and does not.
 */
export async function putToken(
  ctx: Context,
  registry: RegistryName,
  name: string,
  fields: {
    readonly scopeMap?: string | undefined;
    readonly enabled?: boolean | undefined;
    readonly kept?: readonly string[] | undefined;
    readonly mustExist?: boolean;
  },
): Promise<TokenDocument> {
  if (!isTokenName(registry, name)) {
    const rule =
      'a token has 5-50 letters, digits or dashes, and not the name of the registry or of a principal';
    throw new Problem('REQUEST_INVALID', rule);
  }
  return await changeRights<TokenDocument, TokenDocument>(
    ctx,
    registry,
    'token',
    name,
    (current) => {
      if (fields.mustExist && !current)
        throw new Problem('NOT_FOUND', undefined, { message: 'no such token' });
      const all = current?.passwords ?? [];
      const passwords = all.filter((password) => fields.kept?.includes(password.name) ?? true);
      const scopeMap = fields.scopeMap ?? current?.scopeMap;
      if (scopeMap === undefined) throw new Problem('REQUEST_INVALID', 'a token needs a scope map');
      const enabled = fields.enabled ?? current?.enabled ?? true;
      const created = current?.created ?? ctx.now();
      return {
        next: { name: current?.name ?? name, created, passwords, scopeMap, enabled },
        narrowed:
          current !== undefined &&
          (!enabled || current.scopeMap !== scopeMap || passwords.length < all.length),
      };
    },
    holderOf(name),
  );
}

/** False when there was none. */
export async function deleteToken(ctx: Context, registry: RegistryName, name: string): Promise<boolean> {
  let found = false;
  await changeRights<TokenDocument, undefined>(
    ctx,
    registry,
    'token',
    name,
    (current) => {
      found ||= current !== undefined;
      return { next: undefined, narrowed: found };
    },
    holderOf(name),
  );
  return found;
}

/**
 * Makes passwords anew, one or both, and returns them: the only time that anybody sees them. Access tokens of the
 * old ones are refused at once. Throws NOT_FOUND when there is no such token.
 */
export async function generatePasswords(
  ctx: Context,
  registry: RegistryName,
  name: string,
  wanted: readonly PasswordDocument['name'][],
  expiry?: number,
): Promise<readonly NewPassword[]> {
  const created = ctx.now();
  const fresh = wanted.map((which) => ({
    name: which,
    value: passwordOf(ctx.random(32)),
    created,
    ...(expiry !== undefined && { expiry }),
  }));
  await changeRights<TokenDocument, TokenDocument>(
    ctx,
    registry,
    'token',
    name,
    (current) => {
      if (!current) throw new Problem('NOT_FOUND', undefined, { message: 'no such token' });
      const kept = current.passwords.filter((password) => !wanted.includes(password.name));
      const passwords = [...kept, ...fresh.map((password) => hashed(ctx, password))];
      return {
        next: { ...current, passwords: passwords.toSorted((a, b) => (a.name < b.name ? -1 : 1)) },
        narrowed: kept.length < current.passwords.length,
      };
    },
    holderOf(name),
  );
  return fresh;
}

/** The password of an enabled token that `value` is; undefined when it is none or past its expiry. */
export function matchPassword(
  token: TokenDocument,
  value: string,
  now: number,
): PasswordDocument | undefined {
  let found: PasswordDocument | undefined;
  // Each is compared, so that timing tells neither which one matched nor how many there are.
  for (const password of token.passwords) {
    const same = timingSafeEqual(
      Buffer.from(hashOf(password.salt, value), 'hex'),
      Buffer.from(password.hash, 'hex'),
    );
    if (same && (password.expiry === undefined || password.expiry > now)) found = password;
  }
  return token.enabled ? found : undefined;
}

/** How access tokens of a token name it. */
export function tokenSubject(name: string): string {
  return `token:${name.toLowerCase()}`;
}

function holderOf(name: string): () => Promise<readonly string[]> {
  return () => Promise.resolve([tokenSubject(name)]);
}

function hashed(ctx: Context, { name, value, created, expiry }: NewPassword): PasswordDocument {
  const salt = Buffer.from(ctx.random(16)).toString('hex');
  return { name, salt, hash: hashOf(salt, value), created, ...(expiry !== undefined && { expiry }) };
}

function hashOf(salt: string, value: string): string {
  return createHash('sha256').update(salt).update(value).digest('hex');
}
