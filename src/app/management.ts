import type { Arrival } from '../auth/authorize.ts';
import { type Manager, authorizeManager } from '../auth/management.ts';
import type { Cause } from '../events/event.ts';
import type { Reply } from '../http/message.ts';
import type { RegistryName } from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import type { App } from './compose.ts';

/** Whether a path belongs to the management API: ARM's, in any case of letters. */
export function isManagementPath(path: string): boolean {
  return /^\/(?:subscriptions|providers)(?:\/|$)/i.test(path);
}

/** Answers a call of the management API, after asking for its right; problems in ARM's shape. */
export async function runManagement(
  app: App,
  arrival: Arrival,
  path: string,
  cause: (actor: string) => Cause,
): Promise<Reply> {
  const { request, origin } = arrival;
  const registry = namedRegistry(app, path);
  // Most requests never come here, and a cold start should not pay for it.
  const [{ armError }, { manage, managementAccess }] = await Promise.all([
    import('../management/arm.ts'),
    import('../management/routes.ts'),
  ]);
  let manager: Manager;
  try {
    const right = managementAccess(request.method, path);
    manager = app.auth
      ? await authorizeManager(app.auth, { ...arrival, registry }, right)
      : { name: 'anonymous', may: () => true };
  } catch (error) {
    if (error instanceof Problem) return armError(error);
    throw error;
  }
  const { searchParams: query, host } = new URL(request.url);
  return await manage(app.context, {
    request,
    query,
    // Rights are per registry: whoever may manage the one named sees only that.
    registries: app.auth ? [registry] : app.config.registries,
    host: app.config.publicUrl === undefined ? host : new URL(origin).host,
    path,
    cause: cause(manager.name),
    manager,
  });
}

/** The registry that the path names, else the first: a list needs somebody who may manage that. */
function namedRegistry({ config }: App, path: string): RegistryName {
  const name = /\/registries\/([^/]+)/i.exec(path)?.[1]?.toLowerCase();
  return config.registries.find((registry) => registry === name) ?? config.registries[0];
}
