import type { Policy } from './policy.ts';

/** What a scanner may say of a manifest; one that nobody has judged has none (ACR features section 7, "Quarantine"). */
export const QUARANTINE_STATES = ['Quarantined', 'Passed', 'Failed'] as const;
export type QuarantineState = (typeof QUARANTINE_STATES)[number];

/** The state of a new manifest where the registry quarantines. */
export const QUARANTINED: QuarantineState = 'Quarantined';

/**
 * Whether a manifest in this state must not be pulled. As ACR does it: while the policy is on, all that has not passed is
 * held, also what was there before; while it is off, states are mere notes.
 */
export function isHeld({ quarantine }: Pick<Policy, 'quarantine'>, state: string | undefined): boolean {
  return quarantine && state !== ('Passed' satisfies QuarantineState);
}
