import { currentRegistry } from '../access/registry.ts';
import type { Arrival } from '../auth/authorize.ts';
import { type Ending, type Trail, writeAudit } from '../events/audit.ts';
import { NO_PROXIES, callerAddress, networkOf } from '../guard/address.ts';
import { type CallKind, openLimits } from '../guard/limits.ts';
import { admitAddress } from '../guard/network.ts';
import type { RegistryRequest } from '../http/message.ts';
import type { Context } from '../store/context.ts';
import type { Config } from './config.ts';

type Headers = Readonly<Record<string, string>>;

/** What stands before the data plane: who may knock, how often, and what is written down about it. */
export interface Gate {
  /** The caller's address; '' where it cannot be known. */
  address(request: RegistryRequest): string;
  /**
   * Lets a request in before anybody looks at it: by its address, and by how often that address signs in. No storage
   * call while the registry's settings are fresh. Throws DENIED, TOOMANYREQUESTS.
   */
  admit(arrival: Arrival, signsIn: boolean): Promise<void>;
  /**
   * Counts a call of somebody who is known now; undefined: somebody whose proof is still to be seen. Gives the
   * headers that tell about the limit. Throws TOOMANYREQUESTS.
   */
  charge(arrival: Arrival, kind: CallKind, identity: string | undefined): Promise<Headers>;
  /** Writes the audit lines of a request that has ended. */
  record(trail: Trail, ending: Ending): void;
}

/** Stands open where sign-in is not required. */
export function openGate(ctx: Context, { auth, guard }: Config): Gate {
  const limits = auth && guard?.rateLimits ? openLimits(ctx) : undefined;

  const take = async ({ registry }: Arrival, kind: CallKind, identity: string, unproven: boolean) => {
    if (!limits) return {};
    const { sku } = await currentRegistry(ctx, registry);
    return limits.take({ registry, sku, kind, identity, unproven });
  };

  return {
    address: (request) => callerAddress(request, guard?.proxies ?? NO_PROXIES),
    async admit(arrival, signsIn) {
      if (!auth) return;
      admitAddress(await currentRegistry(ctx, arrival.registry), arrival.address);
      if (signsIn) await take(arrival, 'oauth', networkOf(arrival.address), true);
    },
    charge: (arrival, kind, identity) =>
      identity === undefined
        ? take(arrival, kind, networkOf(arrival.address), true)
        : take(arrival, kind, identity, false),
    record(trail, ending) {
      if (guard?.audit) writeAudit(ctx, trail, ending);
    },
  };
}
