import type { Blobs } from '../store/blobs.ts';
import type { Records } from '../store/records.ts';
import type { Work } from '../store/work.ts';
import type { RegistryName } from '../model/names.ts';
import { openBlobs } from './content/blobs.ts';
import { openCredential, type CredentialOptions } from './credential.ts';
import { openQueue } from './queue.ts';
import { openRecords } from './rows/records.ts';

/**
 * One storage account. Endpoints are those of Azure (`https://name.blob.core.windows.net`) or carry the account in
 * their path (`http://127.0.0.1:10000/devstoreaccount1`, as the emulator's do).
 */
export interface AzureOptions {
  readonly blobEndpoint: string;
  readonly tableEndpoint: string;
  readonly queueEndpoint: string;
  /** Where clients reach the blobs, when that is not `blobEndpoint`; download links point there. */
  readonly publicBlobEndpoint?: string;
  readonly credential: CredentialOptions;
}

export interface AzureStorage {
  readonly records: Records;
  readonly blobs: Blobs;
  readonly work: Work;
  /** Creates tables, queue and the containers of these registries where they are absent. */
  prepare(registries: readonly RegistryName[]): Promise<void>;
}

/** Opens the ports over one account, without a call: each loads its SDK when first used, for a quick cold start. */
export function openAzure(options: AzureOptions): AzureStorage {
  const credential = openCredential(options.credential);
  const records = openRecords(options.tableEndpoint, credential);
  const blobs = openBlobs(options.blobEndpoint, options.publicBlobEndpoint, credential);
  const work = openQueue(options.queueEndpoint, credential);
  return {
    records,
    blobs,
    work,
    async prepare(registries) {
      await Promise.all([
        records.prepare(),
        work.prepare(),
        ...registries.map((name) => blobs.prepare(name)),
      ]);
    },
  };
}
