export interface IpRule {
  /** IPv4 or IPv6 address or CIDR range. */
  readonly value: string;
}

/** The registry resource as far as we keep it: one row, read by each instance every few seconds. */
export interface RegistryDocument {
  readonly version: 1;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly sku: 'Basic' | 'Standard' | 'Premium';
  readonly admin: {
    readonly enabled: boolean;
    /** How often each password was made anew; the passwords derive from these. */
    readonly generations: readonly [number, number];
  };
  readonly anonymousPull: boolean;
  /** Repositories that anybody may pull though `anonymousPull` is off: names, `prefix/*`. Our own setting. */
  readonly anonymousRepositories: readonly string[];
  readonly publicNetworkAccess: boolean;
  readonly networkRules: { readonly allowByDefault: boolean; readonly rules: readonly IpRule[] };
  /** ARM's `networkRuleBypassOptions`; 'AzureServices' when absent. */
  readonly networkBypass?: 'AzureServices' | 'None';
  /** AbacRepositoryPermissions when true, else LegacyRegistryPermissions. */
  readonly repositoryRoles: boolean;
  /** Repositories with locks that reads must look for; see `access/settings/policy.ts`. None when absent. */
  readonly guarded?: readonly string[] | 'all';
  readonly quarantine?: PolicyDocument;
  readonly retention?: RetentionDocument;
  readonly softDelete?: DaysDocument;
  /** Subject → time: its access tokens issued before are refused. Milliseconds since 1970. */
  readonly revoked: Readonly<Record<string, number>>;
  /** Every access token issued before is refused. */
  readonly revokedBefore: number;
}

/** A policy that is on or off. */
export interface PolicyDocument {
  readonly enabled: boolean;
  /** When it was last changed, in milliseconds since 1970. */
  readonly updated: number;
}

export interface DaysDocument extends PolicyDocument {
  readonly days: number;
}

/** Untagged manifests are deleted after some days; only those that lost their last tag after `updated`. */
export interface RetentionDocument extends DaysDocument {
  /** Docker's media types alone, as ACR does; else OCI's, too. */
  readonly dockerOnly?: boolean;
}

/** A scope map: what tokens bound to it may do. */
export interface ScopeMapDocument {
  readonly name: string;
  readonly description: string;
  readonly created: number;
  /** `repositories/<pattern>/content/read` and the like, as ARM shows them. */
  readonly actions: readonly string[];
}

/** A password of a token: never itself, only what recognises it. */
export interface PasswordDocument {
  readonly name: 'password1' | 'password2';
  /** SHA-256 of salt and password, hex: passwords are 32 random bytes, which no slow hash could make harder to guess. */
  readonly hash: string;
  readonly salt: string;
  readonly created: number;
  /** Milliseconds since 1970. */
  readonly expiry?: number;
}

export interface TokenDocument {
  readonly name: string;
  readonly scopeMap: string;
  readonly enabled: boolean;
  readonly created: number;
  readonly passwords: readonly PasswordDocument[];
}

/** A role of an Entra principal on the registry, or on the repositories that `patterns` name. */
export interface RoleAssignmentDocument {
  readonly id: string;
  readonly principalId: string;
  readonly role: string;
  readonly patterns: readonly string[];
  /** The condition that `patterns` was read from, as it was given. */
  readonly condition?: string;
  readonly description?: string;
  /** ARM's `principalType`: User, Group, ServicePrincipal; as it was given. */
  readonly principalType?: string;
  readonly created: number;
}
