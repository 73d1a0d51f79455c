/** A principal of the directory, from a verified token. */
export interface EntraPrincipal {
  /** Object id. */
  readonly id: string;
  /** User name or application id, as logs show it. */
  readonly name: string;
  readonly tenant: string;
}

/** Microsoft Entra, or any OpenID provider that stands in for it. */
export interface Entra {
  /** The principal of an access token for us; undefined for any other token. Throws Unavailable when keys cannot be had. */
  verify(token: string): Promise<EntraPrincipal | undefined>;
  /** Signs a service principal in by its secret; undefined when refused. Throws Unavailable. */
  signIn(clientId: string, secret: string): Promise<EntraPrincipal | undefined>;
}
