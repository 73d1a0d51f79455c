import type { RepositoryName } from '../names.ts';

/**
 * What the settings of a registry demand of what is done in it: `access/settings/policy.ts` reads it from the registry's
 * document, at most some seconds old, and every operation of the core that it bears on takes it.
 */
export interface Policy {
  /**
   * Whether reads and uploads must look for locks of this repository and of its manifests: one that has none, as
   * nearly all, is read without the calls that it takes to look.
   */
  readonly guards: (name: RepositoryName) => boolean;
  /** Only manifests that somebody passed may be pulled; new ones are marked as quarantined. */
  readonly quarantine: boolean;
  /** What is deleted can be restored for so many days; undefined where it is gone at once. */
  readonly softDeleteDays: number | undefined;
  /** The tier's storage is used up: nothing more may be pushed. */
  readonly full: boolean;
  /** Untagged manifests go at once: the retention policy is on with 0 days. */
  readonly sweepsUntagged: boolean;
}

/** Of a registry whose settings were never touched. */
export const NO_POLICY: Policy = {
  guards: () => false,
  quarantine: false,
  softDeleteDays: undefined,
  full: false,
  sweepsUntagged: false,
};
