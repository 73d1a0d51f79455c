import { hash } from 'node:crypto';
import type { BlockBlobClient, ContainerClient } from '@azure/storage-blob';
import { type Digest, isDigest } from '../../model/digest.ts';
import type { RegistryName } from '../../model/names.ts';
import { type BlobName, type Blobs, MissingBlock } from '../../store/blobs.ts';
import { once, type Credential } from '../credential.ts';
import { openLinks } from './links.ts';
import { BRIEF, carrying, codeOf, insist, statusOf } from '../outcome.ts';
import { resume } from './download.ts';

const BLOCK_SIZE = 8 * 1024 * 1024;

/** Block blobs in Azure Blob Storage: one container for each registry, named as it. */
export function openBlobs(
  endpoint: string,
  publicEndpoint: string | undefined,
  credential: Credential,
): Blobs & { prepare(registry: RegistryName): Promise<void> } {
  const service = once(async () => {
    const sdk = await import('@azure/storage-blob');
    const options = { retryOptions: { maxTries: 1 } };
    const linkBase = publicEndpoint ?? endpoint;
    if (credential.kind === 'key') {
      const key = new sdk.StorageSharedKeyCredential(credential.account, credential.key);
      return {
        client: new sdk.BlobServiceClient(endpoint, key, options),
        link: openLinks(sdk, { key }, linkBase),
      };
    }
    const client = new sdk.BlobServiceClient(endpoint, await credential.token(), options);
    return { client, link: openLinks(sdk, { service: client }, linkBase) };
  });
  const containers = new Map<RegistryName, ContainerClient>();

  async function container(registry: RegistryName): Promise<ContainerClient> {
    let kept = containers.get(registry);
    if (!kept) {
      kept = (await service()).client.getContainerClient(registry);
      containers.set(registry, kept);
    }
    return kept;
  }

  async function blob(at: BlobName): Promise<BlockBlobClient> {
    return (await container(at.registry)).getBlockBlobClient(at.name);
  }

  async function prepare(registry: RegistryName): Promise<void> {
    const client = await container(registry);
    await insist(BRIEF, (abortSignal) => client.createIfNotExists({ abortSignal }));
  }

  async function write<T>(registry: RegistryName, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (codeOf(error) !== 'ContainerNotFound') throw error;
      await prepare(registry);
      return await run();
    }
  }

  async function create(
    registry: RegistryName,
    run: () => Promise<unknown>,
  ): Promise<'committed' | 'exists'> {
    try {
      await write(registry, run);
      return 'committed';
    } catch (error) {
      // 409 BlobAlreadyExists is the answer to `If-None-Match: *`; the 412 is what older versions say.
      if (codeOf(error) === 'BlobAlreadyExists' || statusOf(error) === 412) return 'exists';
      throw error;
    }
  }

  async function stat(at: BlobName): Promise<{ size: number; digest?: Digest } | undefined> {
    const client = await blob(at);
    const found = await orAbsent(insist(BRIEF, (abortSignal) => client.getProperties({ abortSignal })));
    if (!found) return undefined;
    const digest = found.metadata?.['digest'];
    const size = found.contentLength ?? 0;
    return digest !== undefined && isDigest(digest) ? { size, digest } : { size };
  }

  async function staged(at: BlobName): Promise<readonly string[]> {
    const client = await blob(at);
    const list = await orAbsent(
      insist(BRIEF, (abortSignal) => client.getBlockList('uncommitted', { abortSignal })),
    );
    return (list?.uncommittedBlocks ?? []).map((block) => block.name);
  }

  return {
    prepare,
    blockSize: BLOCK_SIZE,
    stat,
    staged,

    async stage(at, id, bytes) {
      const client = await blob(at);
      const transactionalContentMD5 = md5(bytes);
      await write(at.registry, () =>
        insist(carrying(bytes.length), (abortSignal) =>
          client.stageBlock(id, view(bytes), bytes.length, { abortSignal, transactionalContentMD5 }),
        ),
      );
    },

    async commit(at, ids, digest) {
      const client = await blob(at);
      try {
        return await create(at.registry, () =>
          // Long lists take long: storage looks up every block.
          insist(carrying(ids.length * 256), (abortSignal) =>
            client.commitBlockList([...ids], { abortSignal, ...asNewBlob(digest) }),
          ),
        );
      } catch (error) {
        if (codeOf(error) !== 'InvalidBlockList') throw error;
        // Which of the two refusals comes first is not documented; that the blob exists is the one that counts.
        if (await stat(at)) return 'exists';
        throw new MissingBlock({ cause: error });
      }
    },

    async put(at, bytes, digest) {
      const client = await blob(at);
      const transactionalContentMD5 = md5(bytes);
      return await create(at.registry, () =>
        insist(carrying(bytes.length), (abortSignal) =>
          client.upload(view(bytes), bytes.length, {
            abortSignal,
            transactionalContentMD5,
            ...asNewBlob(digest),
          }),
        ),
      );
    },

    async read(at, range) {
      const client = await blob(at);
      return await orAbsent(resume(client, range));
    },

    async link(at, seconds) {
      const { link } = await service();
      return await link(at, seconds);
    },

    async delete(at) {
      const client = await blob(at);
      // Without the condition Azurite would forget a blob that has staged blocks alone, and keep its blocks.
      const conditions = { ifMatch: '*' };
      const remove = async () => {
        try {
          return await orAbsent(insist(BRIEF, (abortSignal) => client.delete({ abortSignal, conditions })));
        } catch (error) {
          if (statusOf(error) === 412) return undefined;
          throw error;
        }
      };
      if (await remove()) return;
      // Blocks that were staged and never committed cannot be deleted: they become an empty blob, which can.
      if ((await staged(at)).length === 0) return;
      await create(at.registry, () =>
        insist(BRIEF, (abortSignal) => client.commitBlockList([], { abortSignal, ...asNewBlob(undefined) })),
      );
      await remove();
    },

    async list(registry, limit, cursor) {
      const client = await container(registry);
      const settings = { maxPageSize: limit, ...(cursor !== undefined && { continuationToken: cursor }) };
      const answer = await orAbsent(
        insist(BRIEF, (abortSignal) =>
          client
            .listBlobsFlat({ abortSignal, includeMetadata: true, includeUncommitedBlobs: true })
            .byPage(settings)
            .next(),
        ),
      );
      if (!answer || answer.done) return { blobs: [] };
      const page = answer.value;
      const blobs = page.segment.blobItems.map((item) => {
        const size = item.properties.contentLength ?? 0;
        // Storage does not say which are committed: those are marked, or at least have bytes.
        const committed = size > 0 || item.metadata?.[COMMITTED] !== undefined;
        const modified = committed ? item.properties.lastModified.getTime() : 0;
        return { name: item.name, size, committed, modified };
      });
      const next = page.continuationToken;
      return next === undefined || next === '' ? { blobs } : { blobs, cursor: next };
    },
  };
}

/** Metadata that each committed blob has and no uncommitted one can have. */
const COMMITTED = 'committed';

function asNewBlob(digest: Digest | undefined) {
  return {
    conditions: { ifNoneMatch: '*' },
    blobHTTPHeaders: { blobContentType: 'application/octet-stream' },
    metadata: { [COMMITTED]: 'yes', ...(digest !== undefined && { digest }) },
  };
}

/** Azurite computes a checksum in JavaScript unless it gets one; Azure checks the transfer by it. */
function md5(bytes: Uint8Array): Uint8Array {
  return hash('md5', bytes, 'buffer');
}

/** The same memory as the only type whose length the SDK knows in every policy. */
function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Undefined when the blob or its container is not there. */
export async function orAbsent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}
