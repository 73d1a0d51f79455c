import type { RegistryName } from '../model/names.ts';
import type { RegistryDocument } from '../model/access.ts';
import type { Context } from '../store/context.ts';
import type { Write } from '../store/records.ts';
import { type ResourceKind, changeResource, getResource, resourceWrite } from './resources.ts';

const NAME = 'registry';

/** How old the registry's settings may be on an instance: a revocation acts within this time, in milliseconds. */
export const SETTINGS_LIFE_MS = 10_000;

/** Access tokens live so long; revocations older than that mean nothing (ACR wire section 3.3). In seconds. */
export const ACCESS_TOKEN_SECONDS = 4500;

/** Revocations kept one by one; beyond it all tokens are refused once, and clients sign in again by themselves. */
const REVOKED_LIMIT = 200;

export function newRegistryDocument(created: number): RegistryDocument {
  return {
    version: 1,
    created,
    tags: {},
    sku: 'Premium',
    admin: { enabled: false, generations: [1, 1] },
    anonymousPull: false,
    anonymousRepositories: [],
    publicNetworkAccess: true,
    networkRules: { allowByDefault: true, rules: [] },
    repositoryRoles: false,
    revoked: {},
    revokedBefore: 0,
  };
}

/** The settings as they are now. One call. */
export async function readRegistry(ctx: Context, registry: RegistryName): Promise<RegistryDocument> {
  const found = await getResource<RegistryDocument>(ctx, registry, 'registry', NAME);
  return found?.document ?? newRegistryDocument(ctx.now());
}

/** Whether the registry was ever set up. One call. */
export async function registryExists(ctx: Context, registry: RegistryName): Promise<boolean> {
  return (await getResource<RegistryDocument>(ctx, registry, 'registry', NAME)) !== undefined;
}

/** The settings as they are now, written down when nobody has yet, so that the registry's date of creation stays. */
export async function keepRegistry(ctx: Context, registry: RegistryName): Promise<RegistryDocument> {
  const found = await getResource<RegistryDocument>(ctx, registry, 'registry', NAME);
  return found?.document ?? (await updateRegistry(ctx, registry, (document) => document));
}

/** Settings at most SETTINGS_LIFE_MS old. No call while they are; else one, shared by all who wait. */
export async function currentRegistry(ctx: Context, registry: RegistryName): Promise<RegistryDocument> {
  const now = ctx.now();
  const cached = ctx.registryCache.get(registry);
  if (cached && now - cached.readAt < SETTINGS_LIFE_MS) return await cached.value;
  const value = readRegistry(ctx, registry);
  ctx.registryCache.set(registry, { readAt: now, value });
  try {
    return await value;
  } catch (error) {
    ctx.registryCache.delete(registry);
    throw error;
  }
}

/** Changes the settings; `change` may run again when somebody was faster. */
export async function updateRegistry(
  ctx: Context,
  registry: RegistryName,
  change: (document: RegistryDocument) => RegistryDocument,
): Promise<RegistryDocument> {
  const document = await changeResource<RegistryDocument, RegistryDocument>(
    ctx,
    registry,
    'registry',
    NAME,
    (current) => change(current ?? newRegistryDocument(ctx.now())),
  );
  ctx.registryCache.delete(registry);
  return document;
}

/**
 * Changes a resource that gives rights, as `changeResource` does. Where `change` says that it takes some away, all
 * access tokens of those who had them are refused at once, in the same transaction: no failure can keep them alive.
 */
export async function changeRights<D, N extends D | undefined>(
  ctx: Context,
  registry: RegistryName,
  kind: ResourceKind,
  name: string,
  change: (current: D | undefined) => { readonly next: N; readonly narrowed: boolean },
  /** The subjects of those who have the rights. */
  holders: () => Promise<readonly string[]>,
): Promise<N> {
  let narrowed = false;
  const next = await changeResource<D, N>(
    ctx,
    registry,
    kind,
    name,
    (current) => {
      const changed = change(current);
      narrowed ||= changed.narrowed;
      return changed.next;
    },
    async () => (narrowed ? await revocationOf(ctx, registry, await holders()) : []),
  );
  if (!narrowed) return next;
  // Once more, since somebody may have signed in by the old rights after that time and before that write.
  const late = await holders();
  await updateRegistry(ctx, registry, (document) => revokeAll(document, late, ctx.now()));
  return next;
}

async function revocationOf(
  ctx: Context,
  registry: RegistryName,
  subjects: readonly string[],
): Promise<readonly Write[]> {
  const current = await getResource<RegistryDocument>(ctx, registry, 'registry', NAME);
  const document = current?.document ?? newRegistryDocument(ctx.now());
  const next = revokeAll(document, subjects, ctx.now());
  const write = resourceWrite(registry, 'registry', NAME, next, current?.etag);
  return write ? [write] : [];
}

function revokeAll(document: RegistryDocument, subjects: readonly string[], now: number): RegistryDocument {
  return subjects.reduce((changed, subject) => withRevocation(changed, subject, now), document);
}

/** The document with all access tokens of `subject` issued until `now` refused. */
export function withRevocation(document: RegistryDocument, subject: string, now: number): RegistryDocument {
  const live = now - ACCESS_TOKEN_SECONDS * 1000;
  // Clocks of instances differ: what is refused stays so.
  const until = Math.max(now, document.revoked[subject] ?? 0);
  const revoked = Object.fromEntries(
    Object.entries({ ...document.revoked, [subject]: until }).filter(([, time]) => time >= live),
  );
  if (Object.keys(revoked).length <= REVOKED_LIMIT) return { ...document, revoked };
  return { ...document, revoked: {}, revokedBefore: Math.max(now, document.revokedBefore) };
}

/** Whether a token of `subject` issued at `issued` (milliseconds since 1970) is refused. */
export function isRevoked(document: RegistryDocument, subject: string, issued: number): boolean {
  return Math.max(document.revokedBefore, document.revoked[subject] ?? 0) >= issued;
}
