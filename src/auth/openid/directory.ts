import type { Fetch } from './call.ts';

/** A principal of the directory, from a verified token. */
export interface EntraPrincipal {
  /** Object id. */
  readonly id: string;
  /** User name or application id, as logs show it. */
  readonly name: string;
  readonly tenant: string;
  /** The token was made for the data plane of container registries alone, and must not manage one. */
  readonly dataOnly?: boolean;
}

/** Microsoft Entra, or any OpenID provider that stands in for it. */
export interface Entra {
  /** The principal of an access token for us; undefined for any other token. Throws Unavailable when keys cannot be had. */
  verify(token: string): Promise<EntraPrincipal | undefined>;
  /** Signs a service principal in by its secret; undefined when refused. Throws Unavailable. */
  signIn(clientId: string, secret: string): Promise<EntraPrincipal | undefined>;
}

/** Which directory is trusted, and for what. */
export interface EntraOptions {
  /**
   * Base URL without a slash at its end: `https://login.microsoftonline.com`. A `{tenant}` in it marks where another
   * provider wants the tenant (`https://id.example/realms/{tenant}`); without one, `/<tenant>/v2.0` follows.
   */
  readonly authority: string;
  /** Ids of the tenants whose principals may sign in: at least one. */
  readonly tenants: readonly string[];
  /** Audiences of tokens meant for us; the first is asked for when a service principal signs in. */
  readonly audiences: readonly string[];
  /** Further issuers, with `{tenant}` where its id stands; the one that the provider's document names always counts. */
  readonly issuers: readonly string[];
  readonly fetch?: Fetch;
}

/** Microsoft's cloud; tokens for Azure Resource Manager still come from the older issuer. */
export const ENTRA_AUTHORITY = 'https://login.microsoftonline.com';
export const ENTRA_ISSUER = 'https://sts.windows.net/{tenant}/';
/** What ACR takes: tokens for Azure Resource Manager, or for itself (ACR wire section 3.2). */
export const ENTRA_AUDIENCES = [
  'https://management.azure.com',
  'https://management.core.windows.net',
  'https://containerregistry.azure.net',
].flatMap((audience) => [audience, `${audience}/`]);
