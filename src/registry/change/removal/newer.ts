import type { RegistryEvent } from '../../../events/event.ts';
import { type Digest, isDigest } from '../../../model/digest.ts';
import { isIndex, listedDescriptors } from '../../../model/manifest.ts';
import type { Repository } from '../../../model/names.ts';
import { EVENT_PREFIX, type EventRow, manifestKey, repositoryPartition } from '../../../model/record.ts';
import type { Stamp } from '../../../model/stamp.ts';
import type { Context } from '../../../store/context.ts';
import { readStored } from '../../blobs.ts';

const PAGE = 1000;
const BRINGING: ReadonlySet<unknown> = new Set([
  'push',
  'quarantine',
  'restore',
] satisfies RegistryEvent['action'][]);

/** What came to a repository after a stamp. */
export interface Newer {
  /** Manifests that came, and those that they list, however old: an index is worth nothing without them. */
  readonly kept: ReadonlySet<string>;
  /** First key of the events that were not read yet. */
  readonly from: string;
}

export function nothingNewer(since: Stamp): Newer {
  return { kept: new Set(), from: `${EVENT_PREFIX}${since}!~` };
}

/** The same with what came meanwhile, as its events tell. One call per 1,000 events, and one per index. */
export async function readNewer(ctx: Context, repository: Repository, before: Newer): Promise<Newer> {
  const kept = new Set(before.kept);
  for (let { from } = before; ;) {
    const { rows, more } = await ctx.records.range<EventRow>({
      table: 'repos',
      partition: repositoryPartition(repository),
      from,
      before: `${EVENT_PREFIX}~`,
      limit: PAGE,
      select: ['event'],
    });
    for (const { value } of rows) {
      const { action, digest, mediaType }: Partial<RegistryEvent> = JSON.parse(value.event);
      if (!BRINGING.has(action) || digest === undefined || !isDigest(digest)) continue;
      await keepTree(ctx, repository, digest, mediaType, kept);
    }
    const last = rows.at(-1)?.row;
    if (last !== undefined) from = `${last}!`;
    if (!more) return { kept, from };
  }
}

async function keepTree(
  ctx: Context,
  repository: Repository,
  digest: Digest,
  mediaType: string | undefined,
  kept: Set<string>,
): Promise<void> {
  if (kept.has(digest)) return;
  kept.add(digest);
  // A descriptor may lack its media type.
  if (mediaType && !isIndex(mediaType)) return;
  const found = await ctx.records.get(manifestKey(repository, digest));
  if (!found) return;
  for (const child of listedDescriptors(await readStored(ctx, repository, found.value))) {
    await keepTree(ctx, repository, child.digest, child.mediaType, kept);
  }
}
