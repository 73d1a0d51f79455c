import type {
  BlobSASSignatureValues,
  BlobServiceClient,
  SASQueryParameters,
  StorageSharedKeyCredential,
  UserDelegationKey,
} from '@azure/storage-blob';
import type { BlobName } from '../../store/blobs.ts';
import { accountOf } from '../credential.ts';
import { BRIEF, insist } from '../outcome.ts';

type Sdk = typeof import('@azure/storage-blob');

/** Clocks may differ by this much, in milliseconds. */
const SKEW = 5 * 60_000;
/** Life of a delegation key, in milliseconds; the service allows seven days. */
const KEY_LIFE = 24 * 3_600_000;

/** Signs a read-only URL of one blob; local, but for a delegation key once in half a day. */
export type Links = (at: BlobName, seconds: number) => Promise<string>;

export function openLinks(
  sdk: Sdk,
  proof: { readonly key: StorageSharedKeyCredential } | { readonly service: BlobServiceClient },
  endpoint: string,
): Links {
  const sign = 'key' in proof ? signByKey(sdk, proof.key) : signByDelegation(sdk, proof.service);
  const base = endpoint.replace(/\/$/, '');
  const protocol = base.startsWith('https:') ? sdk.SASProtocol.Https : sdk.SASProtocol.HttpsAndHttp;
  return async (at, seconds) => {
    const now = Date.now();
    const query = await sign({
      containerName: at.registry,
      blobName: at.name,
      permissions: sdk.BlobSASPermissions.from({ read: true }),
      protocol,
      startsOn: new Date(now - SKEW),
      expiresOn: new Date(now + seconds * 1000),
    });
    return `${base}/${at.registry}/${encodeURIComponent(at.name)}?${query.toString()}`;
  };
}

type Signer = (
  values: BlobSASSignatureValues & { expiresOn: Date },
) => SASQueryParameters | Promise<SASQueryParameters>;

function signByKey(sdk: Sdk, key: StorageSharedKeyCredential): Signer {
  return (values) => sdk.generateBlobSASQueryParameters(values, key);
}

function signByDelegation(sdk: Sdk, service: BlobServiceClient): Signer {
  const account = accountOf(service.url);
  const key = delegationKeys(
    (from, to) => insist(BRIEF, (abortSignal) => service.getUserDelegationKey(from, to, { abortSignal })),
    Date.now,
  );
  return async (values) =>
    sdk.generateBlobSASQueryParameters(values, await key(values.expiresOn.getTime()), account);
}

/**
 * Keeps one delegation key. The function it gives answers a key that lasts beyond `until` (milliseconds since 1970);
 * it is renewed in the background from half of its life on, so that requests wait for the first one only, and one
 * renewal runs at a time.
 */
export function delegationKeys(
  fetch: (from: Date, to: Date) => Promise<UserDelegationKey>,
  now: () => number,
): (until: number) => Promise<UserDelegationKey> {
  let kept: { readonly key: UserDelegationKey; readonly made: number; readonly ends: number } | undefined;
  let renewal: Promise<UserDelegationKey> | undefined;

  async function renew(until: number): Promise<UserDelegationKey> {
    const made = now();
    const ends = Math.max(made + KEY_LIFE, until + SKEW);
    try {
      const key = await fetch(new Date(made - SKEW), new Date(ends));
      kept = { key, made, ends };
      return key;
    } finally {
      renewal = undefined;
    }
  }

  return async (until) => {
    if (!kept || kept.ends < until) return await (renewal ??= renew(until));
    // A failed renewal is no harm yet: the next request tries again.
    if (now() - kept.made > KEY_LIFE / 2) (renewal ??= renew(until)).catch(() => undefined);
    return kept.key;
  };
}
