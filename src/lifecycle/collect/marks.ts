import { type Digest, algorithmOf, parseDigest } from '../../model/digest.ts';
import { parseManifest, referencesOf, unpackDigests } from '../../model/manifest.ts';
import { DELETED_MANIFESTS, type ManifestRow } from '../../model/record.ts';
import { type Found, Unavailable } from '../../store/records.ts';
import { Filter } from './filter.ts';
import type { Sums } from './measured.ts';
import { type Run, pages } from './run.ts';

const MANIFESTS = 'm!';
/** The least salt that nobody guesses. */
const SALT_BYTES = 16;
/** Digests are told apart by their first byte. */
const FIRST_BYTES = 256;

/** One of `of` equal parts of all digests, by their first byte: what marks of one run have room for. */
export interface Slice {
  readonly index: number;
  /** A power of two up to 256. */
  readonly of: number;
}

/** What manifests need. */
export interface Marks {
  /** Whether the repository may need this blob; false only when it does not. */
  readonly keeps: (repository: string, digest: Digest) => boolean;
  /** References met, those of other slices too. */
  readonly references: number;
}

export function freshFilter({ ctx, memory }: Run): Filter {
  return new Filter(memory, ctx.random(SALT_BYTES));
}

/** First bytes of the digests in a slice, the last one not among them. */
export function firstBytes({ index, of }: Slice): { readonly from: number; readonly before: number } {
  return { from: (FIRST_BYTES / of) * index, before: (FIRST_BYTES / of) * (index + 1) };
}

/**
 * Reads what every manifest of the registry references, and the names of their bytes into `named`. Manifests come
 * before deleted ones, lest one that is deleted meanwhile is missed; one that is restored meanwhile may be: that relies
 * on its links anew, and has its bytes under a new name. One call per 1,000 manifests, and one or two more for each
 * whose references do not fit its row.
 */
export async function mark(run: Run, slice: Slice, named: Filter, sums: Sums | undefined): Promise<Marks> {
  const filter = freshFilter(run);
  const { from, before } = firstBytes(slice);
  const unreadable = new Set<string>();
  let references = 0;
  for (const prefix of [MANIFESTS, DELETED_MANIFESTS]) {
    for await (const { repository, found } of manifestRows(run, prefix)) {
      run.totals.scanned++;
      const { phys, size } = found.value;
      if (phys !== undefined) named.add(phys);
      sums?.addManifest(repository, size);
      const digests = await readReferences(run, repository, found);
      if (digests === 'unreadable') unreadable.add(repository);
      else {
        references += digests.length;
        for (const digest of digests) {
          const first = firstByte(digest);
          if (first >= from && first < before) filter.add(entryOf(repository, digest));
        }
      }
    }
  }
  return {
    references,
    keeps: (repository, digest) => unreadable.has(repository) || filter.has(entryOf(repository, digest)),
  };
}

/** Reads the names of the bytes of all manifests and all blobs. One call per 1,000 rows. */
export async function nameBytes(run: Run, named: Filter): Promise<void> {
  for (const prefix of [MANIFESTS, DELETED_MANIFESTS]) {
    for await (const { found } of manifestRows(run, prefix)) {
      if (found.value.phys !== undefined) named.add(found.value.phys);
    }
  }
  const scan = {
    table: 'blobs',
    partitions: ownPartitions(run),
    from: '!',
    before: '~',
    select: ['phys'],
  } as const;
  for await (const { rows } of pages<{ phys: string }>(run, scan)) {
    for (const { value } of rows) named.add(value.phys);
  }
}

type Row = Pick<ManifestRow, (typeof FIELDS)[number]>;
const FIELDS = ['refs', 'phys', 'size'] as const;

async function* manifestRows(
  run: Run,
  prefix: string,
): AsyncGenerator<{ readonly repository: string; readonly found: Found<Row> }> {
  const bounds = { partitions: ownPartitions(run), from: prefix, before: `${prefix}~` };
  for await (const { rows } of pages<Row>(run, { table: 'repos', ...bounds, select: FIELDS })) {
    for (const { partition, ...found } of rows) {
      yield { repository: partition.slice(run.registry.length + 1), found };
    }
  }
}

/** Those of repositories and blobs: names and digests begin with a letter or a digit. */
function ownPartitions({ registry }: Run) {
  return { from: `${registry}!0`, before: `${registry}!~` };
}

/** What a manifest references; 'unreadable' when that cannot be told: all that its repository has is spared then. */
async function readReferences(
  run: Run,
  repository: string,
  found: Found<Row>,
): Promise<readonly Digest[] | 'unreadable'> {
  try {
    const { refs } = found.value;
    return refs ? unpackDigests(refs) : await parseReferences(run, repository, found.row);
  } catch (error) {
    if (error instanceof Unavailable) throw error;
    const { ctx, registry } = run;
    ctx.log('error', 'a manifest cannot be read', {
      registry,
      repository,
      row: found.row,
      error: String(error),
    });
    return 'unreadable';
  }
}

async function parseReferences(
  { ctx, registry }: Run,
  repository: string,
  row: string,
): Promise<readonly Digest[]> {
  const partition = `${registry}!${repository}`;
  const found = await ctx.records.get<ManifestRow>({ table: 'repos', partition, row });
  // Deleted since it was met: where it can be restored, its other row is still to come.
  if (!found) return [];
  const { digest, mediaType, body, phys } = found.value;
  const source = body ? [body] : phys && (await ctx.blobs.read({ registry, name: phys }));
  if (!source) throw new Error('its bytes are gone');
  const bytes = Buffer.concat(await Array.fromAsync(source));
  return referencesOf(parseManifest(bytes, mediaType, algorithmOf(parseDigest(digest))));
}

function firstByte(digest: Digest): number {
  return Number.parseInt(digest.slice(7, 9), 16);
}

function entryOf(repository: string, digest: Digest): string {
  return `${repository}!${digest}`;
}
