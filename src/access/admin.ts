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
    return { name, value: createHmac('sha256', ctx.settings.uploadKey).update(input).digest('base64url') };
  });
}

/** Whether `value` is one of the passwords of an enabled admin user. */
export function matchAdmin(
  ctx: Context,
  registry: RegistryName,
  document: RegistryDocument,
  value: string,
): boolean {
  const given = createHmac('sha256', ctx.settings.uploadKey).update(value).digest();
  const matches = adminPasswords(ctx, registry, document).map((password) =>
    timingSafeEqual(given, createHmac('sha256', ctx.settings.uploadKey).update(password.value).digest()),
  );
  return document.admin.enabled && matches.includes(true);
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

/** Makes a password anew; access tokens of the admin user are refused at once. */
export async function regenerateAdmin(
  ctx: Context,
  registry: RegistryName,
  name: (typeof ADMIN_PASSWORD_NAMES)[number],
): Promise<RegistryDocument> {
  return await updateRegistry(ctx, registry, (document) => {
    const [first, second] = document.admin.generations;
    const generations = name === 'password' ? ([first + 1, second] as const) : ([first, second + 1] as const);
    return withRevocation(
      { ...document, admin: { ...document.admin, generations } },
      ADMIN_SUBJECT,
      ctx.now(),
    );
  });
}
