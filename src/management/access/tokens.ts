import { getScopeMap } from '../../access/scopemaps.ts';
import { deleteToken, getToken, listTokens, putToken } from '../../access/tokens.ts';
import type { Reply } from '../../http/message.ts';
import type { TokenDocument } from '../../model/access.ts';
import type { Context } from '../../store/context.ts';
import {
  type RegistryArmCall,
  answer,
  armTime,
  child,
  childName,
  deleted,
  invalid,
  list,
  notFound,
} from '../arm.ts';
import { type Fields, needed, readBody } from '../body.ts';
import { checkQuota } from '../usages.ts';

const TYPE = 'Microsoft.ContainerRegistry/registries/tokens';

/** GET tokens, by name. */
export async function getTokens(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  return list((await listTokens(ctx, call.registry)).map((token) => resource(call, token)));
}

/** GET tokens/{name}. */
export async function showToken(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  const token = await getToken(ctx, call.registry, call.name);
  if (!token) throw notFound(TYPE, call.name);
  return answer(200, resource(call, token));
}

/** PUT tokens/{name}. Its passwords stay unless `credentials` leaves some out. */
export async function replaceToken(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  const existing = await getToken(ctx, call.registry, call.name);
  const { scopeMap, enabled = true, kept } = await readChange(ctx, call, existing);
  if (!existing) await checkQuota(ctx, call, 'tokens');
  const fields = { scopeMap: needed(scopeMap, 'properties.scopeMapId'), enabled, kept };
  const token = await putToken(ctx, call.registry, call.name, fields);
  return answer(existing ? 200 : 201, resource(call, token));
}

/** PATCH tokens/{name}: what is left out stays; `credentials` names the passwords that stay. */
export async function updateToken(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  const existing = await getToken(ctx, call.registry, call.name);
  if (!existing) throw notFound(TYPE, call.name);
  const fields = { ...(await readChange(ctx, call, existing)), mustExist: true };
  return answer(200, resource(call, await putToken(ctx, call.registry, call.name, fields)));
}

/** DELETE tokens/{name}. */
export async function removeToken(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  return deleted(await deleteToken(ctx, call.registry, call.name));
}

async function readChange(ctx: Context, call: RegistryArmCall, existing: TokenDocument | undefined) {
  const body = (await readBody(call.request)).only('id', 'name', 'type', 'systemData', 'properties');
  const fields = body.object('properties');
  if (!fields) throw invalid("The property 'properties' is required.");
  fields.only('scopeMapId', 'status', 'credentials', 'creationDate', 'provisioningState');
  const status = fields.choice('status', ['enabled', 'disabled']);
  return {
    scopeMap: await readScopeMap(ctx, call, fields.text('scopeMapId')),
    enabled: status && status === 'enabled',
    kept: readKept(fields.object('credentials'), existing),
  };
}

async function readScopeMap(
  ctx: Context,
  call: RegistryArmCall,
  id: string | undefined,
): Promise<string | undefined> {
  if (id === undefined) return undefined;
  const name = childName(call, 'scopeMaps', id);
  const map = name === undefined ? undefined : await getScopeMap(ctx, call.registry, name);
  if (!map) throw invalid(`The scope map '${id.slice(0, 500)}' does not exist in this registry.`);
  return map.name;
}

/** Clients take a password away by sending the others back; they cannot make or change one so. */
function readKept(
  credentials: Fields | undefined,
  existing: TokenDocument | undefined,
): readonly string[] | undefined {
  if ((credentials?.only('passwords', 'certificates').objects('certificates') ?? []).length > 0)
    throw invalid('Certificates are not supported; use passwords.');
  return credentials?.objects('passwords')?.map((given) => {
    given.only('name', 'creationTime', 'expiry', 'value');
    const name = given.choice('name', ['password1', 'password2']);
    const password = existing?.passwords.find((one) => one.name === name);
    const expiry = given.time('expiry');
    if (password && given.text('value') === undefined && (expiry === undefined || expiry === password.expiry))
      return password.name;
    throw invalid('Passwords are made and changed by generateCredentials, and can only be taken away here.');
  });
}

/** The token as ARM shows it; `az` needs the list of passwords even when there are none. */
function resource(call: RegistryArmCall, token: TokenDocument): unknown {
  const { name, scopeMap, enabled, created, passwords } = token;
  return child(call, 'tokens', name, created, {
    scopeMapId: `${call.id}/scopeMaps/${scopeMap}`,
    status: enabled ? 'enabled' : 'disabled',
    credentials: { certificates: [], passwords: passwords.map(shownPassword) },
  });
}

/** What may be known of a password: all but itself. */
export function shownPassword(password: {
  readonly name: string;
  readonly created: number;
  readonly expiry?: number;
}) {
  const { name, created, expiry } = password;
  return {
    name,
    creationTime: armTime(created),
    ...(expiry !== undefined && { expiry: armTime(expiry) }),
  };
}
