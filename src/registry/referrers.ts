import { type Digest, digestOf, isDigest } from '../model/digest.ts';
import {
  type ListedDescriptor,
  listedDescriptors,
  parseManifest,
  referrerDescriptor,
} from '../model/manifest.ts';
import { type Repository, type Tag, referrersTagSubject } from '../model/names.ts';
import {
  type FallbackRow,
  type ReferrerRow,
  fallbackKey,
  manifestKey,
  referrerPrefix,
  repositoryPartition,
} from '../model/record.ts';
import type { Context } from '../store/context.ts';
import { type Found, type Write, ifPresent, remove } from '../store/records.ts';
import { readStored } from './blobs.ts';

/** Clients cut an answer at 4 MiB (reference "Edge cases"): a page ends before. */
const PAGE_BYTES = 3 * 1024 * 1024;

export interface ReferrersPage {
  /** Descriptors as JSON texts, by digest. */
  readonly descriptors: readonly string[];
  /** Where the next page starts; absent on the last one. */
  readonly next?: string;
}

/**
 * The next `limit` manifests whose subject is `subject`, together with those that clients wrote under its referrers
 * tag (distribution-spec "Listing Referrers", "Referrers Tag Schema"); only of `artifactType`, when given.
 * Never fails for want of a repository or a subject. One call per 1,000 rows; one more for each page after the first
 * where a referrers tag exists.
 */
export async function listReferrers(
  ctx: Context,
  repository: Repository,
  subject: Digest,
  options: { readonly artifactType?: string | undefined; readonly last: string; readonly limit: number },
): Promise<ReferrersPage> {
  const { last, limit, artifactType } = options;
  const prefix = referrerPrefix(subject);
  const page = await ctx.records.range<ReferrerRow & FallbackRow>({
    table: 'repos',
    partition: repositoryPartition(repository),
    from: last === '' ? prefix : `${prefix}${askable(last)}!`,
    before: `${prefix}~`,
    limit,
  });
  const rows = page.rows.filter(({ row }) => row !== prefix);
  const fallback =
    last === ''
      ? page.rows.find(({ row }) => row === prefix)
      : await ctx.records.get(fallbackKey(repository, subject));
  const written = fallback ? listedDescriptors(await readStored(ctx, repository, fallback.value)) : [];
  const end = page.more ? rows.at(-1)?.row.slice(prefix.length) : undefined;

  const entries = new Map<string, () => Promise<string>>();
  for (const item of written) {
    const inPage = item.digest > last && (end === undefined || item.digest <= end);
    if (inPage && matches(artifactType, item.artifactType))
      entries.set(item.digest, async () => writtenText(item));
  }
  for (const found of rows) {
    const digest = found.row.slice(prefix.length);
    entries.delete(digest);
    if (found.value.hidden) continue;
    if (isDigest(digest) && matches(artifactType, found.value.artifactType)) {
      entries.set(digest, () => rowText(ctx, repository, digest, found));
    }
  }
  return await fill(entries, end);
}

/** A client's position as far as storage can be asked for it: no name is as long, and none holds a control character. */
export function askable(last: string): string {
  // oxlint-disable-next-line no-control-regex -- these are meant
  return /^[^\u0000-\u001f\u007f-\u009f]{0,300}/u.exec(last)?.[0] ?? '';
}

/** The write that forgets a referrers tag's index; none for ordinary tags. */
export function fallbackRemoval(repository: Repository, tag: Tag): Write[] {
  const subject = referrersTagSubject(tag);
  return subject ? [remove(fallbackKey(repository, subject), ifPresent)] : [];
}

async function fill(
  entries: Map<string, () => Promise<string>>,
  end: string | undefined,
): Promise<ReferrersPage> {
  const descriptors: string[] = [];
  let bytes = 0;
  let previous = '';
  for (const [digest, read] of [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const text = await read();
    bytes += Buffer.byteLength(text) + 1;
    if (bytes > PAGE_BYTES && descriptors.length > 0) return { descriptors, next: previous };
    descriptors.push(text);
    previous = digest;
  }
  return { descriptors, ...(end !== undefined && { next: end }) };
}

function matches(wanted: string | undefined, artifactType: string | undefined): boolean {
  return wanted === undefined || wanted === artifactType;
}

function writtenText(item: ListedDescriptor): string {
  return JSON.stringify(item.raw);
}

async function rowText(
  ctx: Context,
  repository: Repository,
  digest: Digest,
  found: Found<ReferrerRow>,
): Promise<string> {
  if (found.value.descriptor) return Buffer.from(found.value.descriptor).toString();
  const manifest = await ctx.records.get(manifestKey(repository, digest));
  if (!manifest) return JSON.stringify({ digest });
  const bytes = await readStored(ctx, repository, manifest.value);
  const parsed = parseManifest(bytes, manifest.value.mediaType);
  return referrerDescriptor(digestOf(bytes) === digest ? parsed : { ...parsed, digest });
}
