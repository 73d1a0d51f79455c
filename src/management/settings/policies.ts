import type {
  DaysDocument,
  PolicyDocument,
  RegistryDocument,
  RetentionDocument,
} from '../../model/access.ts';
import { armTime, invalid } from '../arm.ts';
import type { Fields } from '../body.ts';
import { checkFixed } from './fixed.ts';

const STATUSES = ['enabled', 'disabled'] as const;
/** What is kept how long, in days (ACR features section 5). */
const RETENTION = { least: 0, most: 365, usual: 7 };
const SOFT_DELETE = { least: 1, most: 90, usual: 7 };

/** Policies that always are as they are. */
const FIXED = {
  trustPolicy: { type: 'Notary', status: 'disabled' },
  exportPolicy: { status: 'enabled' },
  azureADAuthenticationAsArmPolicy: { status: 'enabled' },
};

/** The policies that somebody asks to change; what is left out stays. */
export interface PolicyChange {
  readonly quarantine: Partial<PolicyDocument>;
  readonly retention: Partial<RetentionDocument>;
  readonly softDelete: Partial<DaysDocument>;
}

/** Reads ARM's `policies`. Throws REQUEST_INVALID with the path of the property at fault. */
export function readPolicies(fields: Fields, key: string): PolicyChange | undefined {
  const given = fields
    .object(key)
    ?.only('quarantinePolicy', 'retentionPolicy', 'softDeletePolicy', ...Object.keys(FIXED));
  if (!given) return undefined;
  for (const [name, value] of Object.entries(FIXED)) {
    checkFixed(given.value(name), value, `properties.${key}.${name}`);
  }
  const quarantine = given.object('quarantinePolicy')?.only('status');
  const retention = given
    .object('retentionPolicy')
    ?.only('days', 'status', 'lastUpdatedTime', 'dockerMediaTypesOnly');
  const softDelete = given.object('softDeletePolicy')?.only('retentionDays', 'status', 'lastUpdatedTime');
  const dockerOnly = retention?.flag('dockerMediaTypesOnly');
  return {
    quarantine: readStatus(quarantine),
    retention: {
      ...readStatus(retention),
      ...readDays(retention, 'days', RETENTION),
      ...(dockerOnly !== undefined && { dockerOnly }),
    },
    softDelete: { ...readStatus(softDelete), ...readDays(softDelete, 'retentionDays', SOFT_DELETE) },
  };
}

/** The document with its policies changed; when that was, `withPolicyConsequences` says. */
export function changePolicies(document: RegistryDocument, change: PolicyChange): RegistryDocument {
  const { quarantine, retention, softDelete } = policiesOf(document);
  return {
    ...document,
    quarantine: { ...quarantine, ...change.quarantine },
    retention: { ...retention, ...change.retention },
    softDelete: { ...softDelete, ...change.softDelete },
  };
}

/**
 * What follows from a change of policies: one of another status or of other days was changed `now`. Throws
 * REQUEST_INVALID for policies that cannot be on together, or that the tier does not have.
 */
export function withPolicyConsequences(
  before: RegistryDocument,
  after: RegistryDocument,
  now: number,
): RegistryDocument {
  const [old, { quarantine, retention, softDelete }] = [policiesOf(before), policiesOf(after)];
  if (retention.enabled && softDelete.enabled) {
    throw invalid(
      "The properties 'properties.policies.retentionPolicy' and 'properties.policies.softDeletePolicy' cannot both be enabled: disable one of them.",
    );
  }
  if (retention.enabled && after.sku !== 'Premium') {
    throw invalid(
      `The property 'properties.policies.retentionPolicy' can be enabled with the SKU Premium alone, not with ${after.sku}.`,
    );
  }
  return {
    ...after,
    ...(after.quarantine && { quarantine: timed(old.quarantine, quarantine, now) }),
    ...(after.retention && { retention: timed(old.retention, retention, now) }),
    ...(after.softDelete && { softDelete: timed(old.softDelete, softDelete, now) }),
  };
}

/** ARM's `policies`. */
export function showPolicies(document: RegistryDocument): Readonly<Record<string, unknown>> {
  const { quarantine, retention, softDelete } = policiesOf(document);
  return {
    quarantinePolicy: { status: status(quarantine) },
    ...FIXED,
    retentionPolicy: {
      days: retention.days,
      status: status(retention),
      lastUpdatedTime: armTime(retention.updated),
      // Our own: ACR knows no others.
      dockerMediaTypesOnly: retention.dockerOnly ?? false,
    },
    softDeletePolicy: {
      retentionDays: softDelete.days,
      status: status(softDelete),
      lastUpdatedTime: armTime(softDelete.updated),
    },
  };
}

function policiesOf({ created, quarantine, retention, softDelete }: RegistryDocument) {
  const off = { enabled: false, updated: created };
  return {
    quarantine: quarantine ?? off,
    retention: retention ?? { ...off, days: RETENTION.usual },
    softDelete: softDelete ?? { ...off, days: SOFT_DELETE.usual },
  };
}

function timed<P extends PolicyDocument & { readonly days?: number }>(before: P, after: P, now: number): P {
  const same = before.enabled === after.enabled && before.days === after.days;
  return same ? after : { ...after, updated: now };
}

function readStatus(fields: Fields | undefined): Partial<PolicyDocument> {
  const given = fields?.choice('status', STATUSES);
  return given === undefined ? {} : { enabled: given === 'enabled' };
}

function readDays(
  fields: Fields | undefined,
  key: string,
  { least, most }: typeof RETENTION,
): { readonly days?: number } {
  const days = fields?.whole(key, least, most);
  return days === undefined ? {} : { days };
}

function status({ enabled }: PolicyDocument): (typeof STATUSES)[number] {
  return enabled ? 'enabled' : 'disabled';
}
