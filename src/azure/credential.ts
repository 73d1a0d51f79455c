import type { TokenCredential } from '@azure/identity';

export type CredentialOptions =
  | { readonly kind: 'key'; readonly account: string; readonly key: string }
  /** A managed identity where `clientId` is given, else whatever the machine has (`az login` included). */
  | { readonly kind: 'identity'; readonly clientId?: string };

export type Credential =
  | { readonly kind: 'key'; readonly account: string; readonly key: string }
  | { readonly kind: 'token'; readonly token: () => Promise<TokenCredential> };

/** The identity library is large, so it is loaded only where no account key serves. */
export function openCredential(options: CredentialOptions): Credential {
  if (options.kind === 'key') return options;
  const { clientId } = options;
  return {
    kind: 'token',
    token: once(async () => {
      const sdk = await import('@azure/identity');
      return clientId === undefined
        ? new sdk.DefaultAzureCredential()
        : new sdk.ManagedIdentityCredential({ clientId });
    }),
  };
}

/** Computes on first use and keeps the answer; a failure is not kept. */
export function once<T>(compute: () => Promise<T>): () => Promise<T> {
  let kept: Promise<T> | undefined;
  return () => {
    kept ??= compute().catch((error: unknown) => {
      kept = undefined;
      throw error;
    });
    return kept;
  };
}

/** The account an endpoint belongs to: the first part of its path if it has one, else of its host name. */
export function accountOf(endpoint: string): string {
  const url = new URL(endpoint);
  const account = url.pathname.split('/')[1] || url.hostname.split('.')[0];
  if (account === undefined || account === '') throw new Error(`no storage account in ${endpoint}`);
  return account;
}
