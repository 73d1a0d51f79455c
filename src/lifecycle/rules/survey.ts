import type { RegistryEvent } from '../../events/event.ts';
import { type Digest, isDigest, parseDigest } from '../../model/digest.ts';
import { packDigests, parseManifest, referencesOf } from '../../model/manifest.ts';
import { type Repository, type Tag, isTag, parseTag } from '../../model/names.ts';
import {
  EVENT_PREFIX,
  type EventRow,
  type ManifestRow,
  type RepositoryRow,
  type StoredBytes,
  type TagRow,
  manifestKey,
  repositoryPartition,
  rowsUnder,
  tagKey,
} from '../../model/record.ts';
import type { Stamp } from '../../model/stamp.ts';
import { readStored } from '../../registry/blobs.ts';
import type { Context } from '../../store/context.ts';
import { readRange } from '../../store/paging.ts';
import type { Found } from '../../store/records.ts';
import type { ManifestState, State, TagState } from './state.ts';

const PAGE = 1000;
const READS_AT_ONCE = 16;
const OF_MANIFEST = [
  'digest',
  'mediaType',
  'size',
  'stamp',
  'untagged',
  'pulled',
  'subject',
  'locks',
  'refs',
] as const;
const OF_TAG = ['digest', 'mediaType', 'size', 'stamp', 'pulled', 'locks'] as const;
type ManifestFields = Pick<ManifestRow, (typeof OF_MANIFEST)[number]>;
type TagFields = Pick<TagRow, (typeof OF_TAG)[number]>;

/** What a repository held when it had this version; whoever changes it makes the maps follow. */
export interface Survey extends State {
  readonly repository: Repository;
  version: Stamp;
  /** When the repository was made: one that was made anew may have the same version. */
  readonly created: number;
  readonly manifests: Map<string, ManifestState>;
  readonly tags: Map<string, TagState>;
  /** Manifests were left out. */
  readonly tagsAlone: boolean;
}

/**
 * All manifests and tags of a repository, as of `before`, its row, or later: `isCurrent` tells whether that is still so.
 * One call per 1,000 of them, both kinds at once; one or two for a manifest that names more than a row can tell.
 */
export async function readSurvey(
  ctx: Context,
  repository: Repository,
  { value: { version, created } }: Found<RepositoryRow>,
  tagsAlone: boolean,
): Promise<Survey> {
  const [manifests, tags] = await Promise.all([
    tagsAlone ? [] : readRange<ManifestFields>(ctx, { ...rowsUnder(repository, 'm!'), select: OF_MANIFEST }),
    readRange<TagFields>(ctx, { ...rowsUnder(repository, 't!'), select: OF_TAG }),
  ]);
  const survey: Survey = {
    repository,
    version,
    created,
    manifests: new Map(),
    tags: new Map(tags.map(({ row, value }) => [row.slice(2), tagState(parseTag(row.slice(2)), value)])),
    tagsAlone,
  };
  for (const { value } of manifests) await noteManifest(ctx, survey, value);
  return survey;
}

/** Whether nothing was changed since a survey. */
export function isCurrent({ version, created }: Survey, { value }: Found<RepositoryRow>): boolean {
  return value.version === version && value.created === created;
}

/**
 * Makes a survey as of `now`, the repository's row as it was just read, by the events of all changes between; they are
 * there, since each was written together with that row. False where they do not tell, or are too many: then it must be
 * made anew. One call, and one for each manifest and tag that was changed.
 */
export async function catchUp(ctx: Context, survey: Survey, now: Found<RepositoryRow>): Promise<boolean> {
  if (now.value.created !== survey.created) return false;
  const { rows, more } = await ctx.records.range<EventRow>({
    table: 'repos',
    partition: repositoryPartition(survey.repository),
    // `~` sorts behind whatever may follow in a key.
    from: `${EVENT_PREFIX}${survey.version}~`,
    before: `${EVENT_PREFIX}~`,
    limit: PAGE,
    select: ['event'],
  });
  if (more || !rows.some(({ row }) => row.startsWith(`${EVENT_PREFIX}${now.value.version}!`))) return false;
  const digests = new Set<Digest>();
  const tags = new Set<Tag>();
  for (const { value } of rows) {
    const event: Partial<RegistryEvent> = JSON.parse(value.event);
    const { digest = '', tags: changed = [], tag: updated } = event;
    if (isDigest(digest)) digests.add(digest);
    for (const tag of changed.filter(isTag)) {
      tags.add(tag);
      // The manifest that it was taken from.
      const before = survey.tags.get(tag);
      if (before) digests.add(before.digest);
    }
    if (updated !== undefined && isTag(updated)) tags.add(updated);
  }
  await refresh(ctx, survey, survey.tagsAlone ? [] : [...digests], [...tags]);
  survey.version = now.value.version;
  return true;
}

/** Reads manifests and tags again. One call for each. */
async function refresh(
  ctx: Context,
  survey: Survey,
  digests: readonly Digest[],
  tags: readonly Tag[],
): Promise<void> {
  const { repository } = survey;
  const reads = [
    ...digests.map((digest) => async () => {
      const found = await ctx.records.get(manifestKey(repository, digest), OF_MANIFEST);
      if (found) await noteManifest(ctx, survey, found.value);
      else survey.manifests.delete(digest);
    }),
    ...tags.map((tag) => async () => {
      const found = await ctx.records.get(tagKey(repository, tag), OF_TAG);
      if (found) survey.tags.set(tag, tagState(tag, found.value));
      else survey.tags.delete(tag);
    }),
  ];
  for (let i = 0; i < reads.length; i += READS_AT_ONCE) {
    await Promise.all(reads.slice(i, i + READS_AT_ONCE).map(async (read) => await read()));
  }
}

async function noteManifest(ctx: Context, survey: Survey, row: ManifestFields): Promise<void> {
  const digest = parseDigest(row.digest);
  const refs = row.refs ?? (await readReferences(ctx, survey.repository, digest));
  survey.manifests.set(digest, { ...row, digest, refs });
}

/** What a manifest names that is too much for its row. Nothing for one that was deleted since it was read. */
async function readReferences(ctx: Context, repository: Repository, digest: Digest): Promise<Uint8Array> {
  const found = await ctx.records.get<StoredBytes>(manifestKey(repository, digest));
  if (!found) return new Uint8Array();
  const bytes = await readStored(ctx, repository, found.value);
  return packDigests(referencesOf(parseManifest(bytes, found.value.mediaType)));
}

function tagState(tag: Tag, row: TagFields): TagState {
  return { ...row, tag, digest: parseDigest(row.digest) };
}
