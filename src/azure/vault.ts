import type { KeyStore } from '../store/keys.ts';
import { Unavailable } from '../store/records.ts';
import { openCredential } from './credential.ts';

const SECRET = 'functionary-signing-keys';
const API = 'api-version=7.4';
const TIMEOUT_MS = 10_000;

/**
 * Signing keys as a secret of an Azure Key Vault, by managed identity (role Key Vault Secrets Officer): each change is
 * a new version, so a race of two first starts leaves the later version, which both then load. Throws Unavailable.
 * Source: Key Vault REST "Get Secret", "Set Secret", 7.4.
 */
export function openVaultKeys(uri: string, clientId: string | undefined): KeyStore {
  const credential = openCredential({ kind: 'identity', ...(clientId !== undefined && { clientId }) });
  const call = async (method: 'GET' | 'PUT', body?: string): Promise<Response> => {
    if (credential.kind !== 'token') throw new Error('a vault needs an identity');
    const token = await (await credential.token()).getToken('https://vault.azure.net/.default');
    const headers = { authorization: `Bearer ${token?.token}`, 'content-type': 'application/json' };
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      return await fetch(`${uri}/secrets/${SECRET}?${API}`, {
        method,
        headers,
        signal,
        ...(body && { body }),
      });
    } catch (cause) {
      throw new Unavailable('the key vault does not answer', { cause });
    }
  };
  return {
    async load() {
      const response = await call('GET');
      if (response.status === 404) return undefined;
      if (!response.ok) throw new Unavailable(`the key vault answered ${response.status}`);
      const secret: unknown = await response.json();
      const value =
        typeof secret === 'object' && secret !== null && 'value' in secret ? secret.value : undefined;
      return typeof value === 'string' ? value : undefined;
    },
    async save(text) {
      const response = await call('PUT', JSON.stringify({ value: text, contentType: 'application/json' }));
      if (!response.ok) throw new Unavailable(`the key vault answered ${response.status}`);
    },
  };
}
