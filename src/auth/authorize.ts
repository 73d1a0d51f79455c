import type { RegistryRequest } from '../http/message.ts';
import type { Repository } from '../model/names.ts';

/** What a route demands of its caller; every route names one (`app/routes.ts`). The words are ACR's token actions. */
export type Permission =
  | 'sign-in'
  | 'catalog'
  | 'pull'
  | 'push'
  | 'delete'
  | 'metadata_read'
  | 'metadata_write';

/** Who is calling. */
export interface Identity {
  readonly name: string;
}

/**
 * Decides whether the caller of `request` has `permission`, on `repository` where the route has one. Throws
 * UNAUTHORIZED with the challenge, or DENIED.
 */
export type Authorize = (
  request: RegistryRequest,
  permission: Permission,
  repository: Repository | undefined,
) => Promise<Identity>;

/** Lets everybody do everything: for a host that only this machine can reach. `app/config.ts` guards its use. */
export const authorizeAll: Authorize = () => Promise.resolve({ name: 'anonymous' });
