import { createHmac, timingSafeEqual } from 'node:crypto';
import type { RegistryDocument } from '../model/access.ts';
import type { RegistryName } from '../model/names.ts';
import type { Context } from '../store/context.ts';
import { updateRegistry, withRevocation } from './registry.ts';

export const ADMIN_SUBJECT = 'admin';
export const ADMIN_PASSWORD_NAMES = ['password', 'password2'] as const;

/**
 * The admin user's passwords. ACR shows them again on request, so they cannot be hashed; they are derived from the
 * deployment's secret and a counter instead of being kept anywhere.
 */
export function adminPasswords(
  ctx: Context,
  registry: RegistryName,
  document: Pick<RegistryDocument, 'admin'>,
): readonly { readonly name: (typeof ADMIN_PASSWORD_NAMES)[number]; readonly value: string }[] {
  return ADMIN_PASSWORD_NAMES.map((name, i) => {
    const input = JSON.stringify(['admin-password', registry, name, document.admin.generations[i]]);
    return { name, value: passwordOf(createHmac('sha256', ctx.settings.uploadKey).update(input).digest()) };
  });
}

/** Random bytes as a password. None begins with a dash: `az` and others take what does for an option. */
export function passwordOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url').replace(/^-/, '_');
}

/** Which password of an enabled admin user `value` is, as tokens carry it; undefined for none. */
export function matchAdmin(
  ctx: Context,
  registry: RegistryName,
  document: RegistryDocument,
  value: string,
): string | undefined {
  const given = createHmac('sha256', ctx.settings.uploadKey).update(value).digest();
  // Each is compared, so that timing does not tell which one matched.
  const matches = adminPasswords(ctx, registry, document).map((password) =>
    timingSafeEqual(given, createHmac('sha256', ctx.settings.uploadKey).update(password.value).digest()),
  );
  const index = matches.indexOf(true);
  return document.admin.enabled ? marksOf(document)[index] : undefined;
}

/** Whether a token that came by the password `mark` names still counts. */
export function isAdminPassword(document: RegistryDocument, mark: string | undefined): boolean {
  return document.admin.enabled && mark !== undefined && marksOf(document).includes(mark);
}

function marksOf({ admin }: RegistryDocument): readonly string[] {
  return ADMIN_PASSWORD_NAMES.map((name, i) => `${name}.${admin.generations[i]}`);
}

/** Turns the admin user on or off; off refuses its access tokens at once. */
export async function enableAdmin(
  ctx: Context,
  registry: RegistryName,
  enabled: boolean,
): Promise<RegistryDocument> {
  return await updateRegistry(ctx, registry, (document) => {
    const next = { ...document, admin: { ...document.admin, enabled } };
    return enabled ? next : withRevocation(next, ADMIN_SUBJECT, ctx.now());
  });
}

/** Makes a password anew; access tokens that came by the old one are refused at once, those by the other one live on. */
export async function regenerateAdmin(
  ctx: Context,
  registry: RegistryName,
  name: (typeof ADMIN_PASSWORD_NAMES)[number],
): Promise<RegistryDocument> {
  return await updateRegistry(ctx, registry, (document) => {
    const [first, second] = document.admin.generations;
    const generations = name === 'password' ? ([first + 1, second] as const) : ([first, second + 1] as const);
    return { ...document, admin: { ...document.admin, generations } };
  });
}
