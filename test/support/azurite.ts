import { openAzure, type AzureStorage } from '../../src/azure/account.ts';
import { type Azurite, startAzurite } from '../../src/local/azurite.ts';

export interface TestStorage extends AzureStorage {
  readonly azurite: Azurite;
  close(): Promise<void>;
}

/** The ports over an emulator of their own, in memory. */
export async function openAzurite(): Promise<TestStorage> {
  const azurite = await startAzurite();
  const storage = openAzure(azurite.options);
  return { ...storage, azurite, close: () => azurite.stop() };
}
