import { type AzureStorage, openAzure } from '../../src/azure/account.ts';
import { type Azurite, startAzurite } from '../../src/local/azurite.ts';
import { startStrictFront, type StrictFront } from './strict-azure.ts';

export interface TestStorage extends AzureStorage {
  readonly azurite: Azurite;
  /** What the adapter's requests go through: they refuse what Azure refuses, and list the requests. */
  readonly fronts: { readonly blob: StrictFront; readonly table: StrictFront; readonly queue: StrictFront };
  /** How many requests were answered so far, over all services. */
  requests(): number;
  close(): Promise<void>;
}

/** The ports over an emulator of their own, in memory, made as strict as Azure. */
export async function openAzurite(): Promise<TestStorage> {
  const azurite = await startAzurite();
  const { options } = azurite;
  const [blob, table, queue] = await Promise.all([
    startStrictFront(options.blobEndpoint),
    startStrictFront(options.tableEndpoint),
    startStrictFront(options.queueEndpoint),
  ]);
  const storage = openAzure({
    ...options,
    blobEndpoint: blob.url,
    tableEndpoint: table.url,
    queueEndpoint: queue.url,
  });
  const all = [blob, table, queue];
  return {
    ...storage,
    azurite,
    fronts: { blob, table, queue },
    requests: () => all.reduce((sum, front) => sum + front.requests.length, 0),
    async close() {
      await Promise.all(all.map((front) => front.close()));
      await azurite.stop();
    },
  };
}
