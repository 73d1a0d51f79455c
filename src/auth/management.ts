import { type ManagementRight, entraSubject, listAssignments, mayManage } from '../access/roles.ts';
import { ADMIN_SUBJECT } from '../access/admin.ts';
import { Problem } from '../model/problem.ts';
import { type Arrival, readBasic } from './authorize.ts';
import { type Auth, REFRESH_USER, signIn } from './sign-in.ts';

/** Who manages a registry. */
export interface Manager {
  readonly name: string;
  readonly may: (right: ManagementRight) => boolean;
}

/**
 * Who may manage the registry: its admin user by Basic credentials, or a principal of the directory with the role
 * Owner, Contributor or Reader, by a bearer token or by client id and secret. Throws UNAUTHORIZED, DENIED.
 */
export async function authorizeManager(
  auth: Auth,
  arrival: Arrival,
  right: ManagementRight,
): Promise<Manager> {
  const header = arrival.request.headers.get('authorization') ?? '';
  const found = await principalOf(auth, arrival, header);
  if (!found) {
    throw new Problem('UNAUTHORIZED', undefined, {
      headers: {
        'www-authenticate': `Bearer realm="${arrival.origin}/oauth2/token",Basic realm="${arrival.origin}"`,
      },
    });
  }
  if (found.id === ADMIN_SUBJECT) return { name: found.name, may: () => true };
  const [kind, id = ''] = found.id.split(':', 2);
  const assignments = kind === 'entra' ? await listAssignments(auth.ctx, arrival.registry, id) : [];
  if (!mayManage(assignments, right)) throw new Problem('DENIED');
  return { name: found.name, may: (other) => mayManage(assignments, other) };
}

async function principalOf(auth: Auth, arrival: Arrival, header: string) {
  const { registry, origin, address } = arrival;
  const bearer = /^bearer +(\S+)$/i.exec(header)?.[1];
  if (bearer !== undefined) {
    const principal = await auth.entra?.verify(bearer);
    if (principal?.dataOnly) return undefined;
    return principal && { id: entraSubject(principal.id), name: principal.name };
  }
  const credentials = readBasic(header);
  // Refresh tokens lie in the files of clients that only push and pull; nobody manages by what is found there.
  if (credentials?.username === REFRESH_USER) return undefined;
  return credentials && (await signIn(auth, registry, new URL(origin).host, address, credentials));
}
