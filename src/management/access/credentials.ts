import { ADMIN_PASSWORD_NAMES, adminPasswords, regenerateAdmin } from '../../access/admin.ts';
import { readRegistry } from '../../access/registry.ts';
import { generatePasswords, getToken } from '../../access/tokens.ts';
import type { Reply } from '../../http/message.ts';
import type { RegistryDocument } from '../../model/access.ts';
import type { Context } from '../../store/context.ts';
import { ArmProblem, type RegistryArmCall, answer, childName, invalid } from '../arm.ts';
import { needed, readBody } from '../body.ts';
import { shownPassword } from './tokens.ts';

/** POST listCredentials: the admin user and its passwords. */
export async function listCredentials(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  return answer(200, adminOf(ctx, call, await readRegistry(ctx, call.registry)));
}

/** POST regenerateCredential `{name}`: makes an admin password anew. */
export async function regenerateCredential(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  const body = (await readBody(call.request)).only('name');
  const name = needed(body.choice('name', ADMIN_PASSWORD_NAMES), 'name');
  requireAdmin(call, await readRegistry(ctx, call.registry));
  return answer(200, adminOf(ctx, call, await regenerateAdmin(ctx, call.registry, name)));
}

/** POST generateCredentials `{tokenId, expiry?, name?}`: makes one password of a token anew, or both. */
export async function generateCredentials(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  const body = (await readBody(call.request)).only('tokenId', 'expiry', 'name');
  const id = needed(body.text('tokenId'), 'tokenId');
  const only = body.choice('name', ['password1', 'password2']);
  const expiry = body.time('expiry');
  if (expiry !== undefined && expiry <= ctx.now()) throw invalid("The property 'expiry' lies in the past.");
  const name = childName(call, 'tokens', id);
  const token = name === undefined ? undefined : await getToken(ctx, call.registry, name);
  if (!token) throw invalid(`The token '${id.slice(0, 500)}' does not exist in this registry.`);
  const wanted = only ? [only] : (['password1', 'password2'] as const);
  const passwords = await generatePasswords(ctx, call.registry, token.name, wanted, expiry);
  return answer(200, {
    username: token.name,
    passwords: passwords.map((password) => ({ ...shownPassword(password), value: password.value })),
  });
}

function adminOf(ctx: Context, call: RegistryArmCall, document: RegistryDocument) {
  requireAdmin(call, document);
  return { username: call.registry, passwords: adminPasswords(ctx, call.registry, document) };
}

function requireAdmin({ id }: RegistryArmCall, { admin }: RegistryDocument): void {
  if (admin.enabled) return;
  throw new ArmProblem(
    'REQUEST_INVALID',
    'UnAuthorizedForCredentialOperations',
    `Cannot perform credential operations for ${id} as Admin user is disabled. Enable it by setting adminUserEnabled to true.`,
  );
}
