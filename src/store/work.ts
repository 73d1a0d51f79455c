import type { RegistryName, RepositoryName } from '../model/names.ts';
import type { Digest } from '../model/digest.ts';
import type { Stamp } from '../model/stamp.ts';

/** Jobs that run later, each harmless to repeat. A message only wakes; what is true lies in the rows. */
export type Job =
  /** Delete the bytes at `name` unless they became the registry's copy of `digest`. */
  | {
      readonly kind: 'discard';
      readonly registry: RegistryName;
      readonly name: string;
      readonly digest: Digest;
    }
  /** Go on with the collection of a registry. */
  | { readonly kind: 'collect'; readonly registry: RegistryName }
  /** Go on forgetting what soft delete kept long enough, at that row of that repository. */
  | {
      readonly kind: 'forget';
      readonly registry: RegistryName;
      readonly place: { readonly repository: string; readonly row: string };
    }
  /** Judge the untagged manifests of a repository, of which one just lost a tag, by the retention policy. */
  | { readonly kind: 'retain'; readonly registry: RegistryName; readonly name: RepositoryName }
  /** Go on with retention and the lifecycle rules behind a repository; '' for the first. */
  | { readonly kind: 'clean'; readonly registry: RegistryName; readonly after: string }
  /** Go on with the purge of that schedule behind a repository; '' for the first. */
  | {
      readonly kind: 'purge';
      readonly registry: RegistryName;
      readonly schedule: string;
      readonly after: string;
    }
  /** Delete what is left of what a repository held at its version `before`, see `registry/change/removal/remove.ts`. */
  | {
      readonly kind: 'delete-repository';
      readonly registry: RegistryName;
      readonly name: RepositoryName;
      readonly before: Stamp;
      readonly created: number;
      /** Of the request, for its events. */
      readonly cause: Readonly<Record<'id' | 'host' | 'method' | 'userAgent' | 'actor', string>>;
    };

/** A job handed out; it comes back after its hiding time unless `done`. */
export interface Delivery {
  /** As it was sent, unchecked: parse before use. */
  readonly body: unknown;
  /** 1 at first. */
  readonly attempt: number;
  readonly done: () => Promise<void>;
}

/** A queue with at-least-once delivery. Jobs are JSON under 48 KiB. Any method may throw Unavailable. */
export interface Work {
  send(job: Job, delaySeconds?: number): Promise<void>;
  /** Up to `max` (1 to 32) jobs, hidden from others for `hideSeconds`. For hosts without queue triggers. */
  receive(max: number, hideSeconds: number): Promise<readonly Delivery[]>;
}

/** The queue all jobs go through; host.json and infra name the same. */
export const JOB_QUEUE = 'functionary-jobs';
