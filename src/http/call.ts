import type { Trail } from '../events/audit.ts';
import type { Cause } from '../events/event.ts';
import type { Policy } from '../model/policy/policy.ts';
import type { RegistryName, Repository } from '../model/names.ts';
import type { RegistryRequest } from './message.ts';

/** A request after routing and authorisation: what a wire handler gets. */
export interface RegistryCall {
  readonly request: RegistryRequest;
  readonly query: URLSearchParams;
  readonly registry: RegistryName;
  readonly cause: Cause;
}

/** A call on a repository. */
export interface RepositoryCall extends RegistryCall {
  readonly repository: Repository;
  /** The path's last part, decoded and unchecked: a reference, a digest, an upload id; empty where there is none. */
  readonly reference: string;
  /** Who calls, as tokens name it; undefined where an upload session must speak for the caller, or nobody is asked. */
  readonly subject: string | undefined;
  /** For the audit: what the manifest turned out to be, to be filled in. */
  readonly noted?: Pick<Trail, 'digest' | 'mediaType' | 'artifactType' | 'size'>;
  /** What else the caller may do, here and in other repositories of the registry: ACR's word of an action. */
  readonly allows: (repository: Repository, action: 'pull' | 'push' | 'quarantine_read') => boolean;
  /**
   * Throws UNAUTHORIZED unless the caller may do it here, or in another repository; with the challenge for that, and for
   * what the route demands here.
   */
  readonly demand: (action: 'pull' | 'metadata_write' | 'quarantine_write', where?: Repository) => void;
  readonly policy: Policy;
}

/** A call of the management API (`management/routes.ts`), after authorisation. */
export interface ManagementCall {
  readonly request: RegistryRequest;
  readonly query: URLSearchParams;
  /** The registries that the caller may manage; others do not exist for it. */
  readonly registries: readonly RegistryName[];
  /** Host and port under which clients know the registry. */
  readonly host: string;
  /** Decoded once. */
  readonly path: string;
  readonly cause: Cause;
  readonly manager: {
    readonly name: string;
    readonly may: (right: 'read' | 'write' | 'assign') => boolean;
  };
}
