import type { Cause } from '../events/event.ts';
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
  /** Whether the caller may pull from another repository of the registry. */
  readonly mayPull: (repository: Repository) => boolean;
}
