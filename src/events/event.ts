import type { Repository } from '../model/names.ts';
import { eventKey } from '../model/record.ts';
import type { Stamp } from '../model/stamp.ts';
import { type Write, ifAbsent, put } from '../store/records.ts';

/** Who did it and by which request, as ACR's webhooks and logs show it. */
export interface Cause {
  /** Correlation id of the request. */
  readonly id: string;
  readonly host: string;
  readonly method: string;
  readonly userAgent: string;
  /** Name of the identity. */
  readonly actor: string;
}

/** What happened to a repository. */
export interface RegistryEvent {
  /** `quarantine`: pushed, but not to be pulled until it is passed. `update`: attributes were changed. */
  readonly action: 'push' | 'quarantine' | 'delete' | 'untag' | 'restore' | 'update';
  /** Empty where a change is of the repository itself. */
  readonly digest: string;
  /** Set, moved or removed. */
  readonly tags: readonly string[];
  /** The one whose attributes were changed; absent where they are the manifest's or the repository's. */
  readonly tag?: string;
  readonly mediaType: string;
  /** Bytes of the manifest. */
  readonly size: number;
}

/** The outbox row of a change, for the transaction that makes it (DESIGN section 1.3). */
export function outboxWrite(
  repository: Repository,
  stamp: Stamp,
  id: string,
  event: RegistryEvent,
  cause: Cause,
): Write {
  const { registry, name } = repository;
  const text = JSON.stringify({ v: 1, id, stamp, registry, repository: name, ...event, cause });
  return put(eventKey(repository, stamp, id), { event: text }, ifAbsent);
}
