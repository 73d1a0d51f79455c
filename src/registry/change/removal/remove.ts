import type { Cause } from '../../../events/event.ts';
import type { Repository } from '../../../model/names.ts';
import { isLocked } from '../../../model/policy/locks.ts';
import type { Policy } from '../../../model/policy/policy.ts';
import { Problem } from '../../../model/problem.ts';
import { type RepositoryRow, repositoryKey } from '../../../model/record.ts';
import type { Stamp } from '../../../model/stamp.ts';
import type { Context } from '../../../store/context.ts';
import type { Found } from '../../../store/records.ts';
import { keepDeleted } from '../bin.ts';
import { commitChange, disallowed } from '../commit.ts';

import { dropHusk } from './name.ts';
import { type Newer, nothingNewer, readNewer } from './newer.ts';
import { type Entry, type Page, type Place, START, readPage } from './page.ts';
import { type Doomed, type Step, eventsOf, goneWith, planStep, writesOf } from './step.ts';

/** How long a request removes before it leaves the rest to a job, and how long a job does. */
const REQUEST_MS = 60_000;
const JOB_MS = 30_000;

/** A deletion of a repository that was asked for. */
export interface Removal {
  readonly repository: Repository;
  /** The repository's version then: what comes later stays. */
  readonly before: Stamp;
  /** When the repository was made, in milliseconds since 1970: a later one of its name is another. */
  readonly created: number;
  readonly policy: Policy;
  readonly cause: Cause;
}

/** How far a removal has come. */
interface Progress {
  place: Place | undefined;
  /** Rows as they are in `version` of the repository, and stay as long as it has that. */
  page: Page | undefined;
  version: Stamp | undefined;
  /** The repository's row where it was just read. */
  current: Found<RepositoryRow> | undefined;
  newer: Newer;
  readonly digests: string[];
  readonly tags: string[];
}

/**
 * Deletes all that a repository holds at this moment, and the repository with it. What is pushed meanwhile stays, with
 * the children of its indexes. Throws NAME_UNKNOWN; DISALLOWED when the repository, a manifest or a tag is locked:
 * nothing is removed then, but where a lock is set later, what was removed before. After a minute a job goes on; told
 * is what has gone by then. One call, two at once per 1,000 manifests or tags, then two for each transaction, which
 * takes 24 manifests with a tag each or 49 without, and two at the end; two more per 1,000 beyond the first. Two when it is not there.
 */
export async function deleteRepository(
  ctx: Context,
  repository: Repository,
  policy: Policy,
  cause: Cause,
): Promise<{ readonly digests: readonly string[]; readonly tags: readonly string[] }> {
  const deadline = ctx.now() + REQUEST_MS;
  const current = await ctx.records.get(repositoryKey(repository));
  if (!current) {
    await dropHusk(ctx, repository);
    throw new Problem('NAME_UNKNOWN', { name: repository.name });
  }
  demandDeletable(current);
  const { version, created } = current.value;
  const removal = { repository, before: version, created, policy, cause };
  const page = await lookAtAll(ctx, removal);
  const progress = { ...startAfter(version), page, version, current };
  await removeUntil(ctx, removal, progress, deadline);
  return progress;
}

/** The job behind `deleteRepository`: from the start, since what was removed is no longer there. */
export async function goOnDeleting(ctx: Context, removal: Removal): Promise<void> {
  try {
    await removeUntil(ctx, removal, startAfter(removal.before), ctx.now() + JOB_MS);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    // A lock that was set after the request: there is nobody to tell.
    const { registry, name } = removal.repository;
    ctx.log('warn', 'the deletion of a repository was stopped', { registry, name, why: error.detail });
  }
}

function startAfter(before: Stamp): Progress {
  const newer = nothingNewer(before);
  return {
    place: START,
    page: undefined,
    version: undefined,
    current: undefined,
    newer,
    digests: [],
    tags: [],
  };
}

/** Throws DISALLOWED when anything is locked, else gives the first page. */
async function lookAtAll(ctx: Context, removal: Removal): Promise<Page> {
  const newer = nothingNewer(removal.before);
  const first = await readPage(ctx, removal.repository, START);
  let page = first;
  for (;;) {
    demandUnlocked(removal, newer, page);
    if (!page.next) return first;
    page = await readPage(ctx, removal.repository, page.next);
  }
}

async function removeUntil(
  ctx: Context,
  removal: Removal,
  progress: Progress,
  deadline: number,
): Promise<void> {
  while (progress.place) {
    if (ctx.now() >= deadline) {
      const { repository, before, created, cause } = removal;
      await ctx.work.send({ kind: 'delete-repository', ...repository, before, created, cause });
      return;
    }
    await removeSome(ctx, removal, progress);
  }
}

/** One transaction; none where nothing of a page is to go. */
async function removeSome(ctx: Context, removal: Removal, progress: Progress): Promise<void> {
  const { repository, policy, cause } = removal;
  let step: Step | undefined;
  const committed = await commitChange(ctx, repository, cause, async () => {
    step = undefined;
    const current = progress.current ?? (await ctx.records.get(repositoryKey(repository)));
    progress.current = undefined;
    if (current?.value.created !== removal.created) return undefined;
    demandDeletable(current);
    const page = await pageFor(ctx, removal, progress, current.value);
    const keeps = policy.softDeleteDays !== undefined;
    step = planStep(page, (entry) => doomedOf(removal, progress.newer, entry), keeps);
    if (step.doomed.length === 0) return undefined;
    const { manifests, tags } = goneWith(step);
    const writes = writesOf(ctx, repository, step);
    const kept = await keepDeleted(ctx, repository, current.value, policy, { manifests, tags });
    return {
      repository: current,
      more: { manifests: -manifests.length, tags: -tags.length },
      events: eventsOf(step),
      writes: (stamp) => [...writes, ...kept(stamp)],
    };
  });
  progress.place = step?.place;
  progress.page = step?.rest;
  // The rest of the page is as it was read, if the next look finds that this change is the last.
  if (committed !== undefined) progress.version = committed;
  if (!step) return;
  const { manifests, tags } = goneWith(step);
  progress.digests.push(...manifests);
  progress.tags.push(...tags);
}

/** What is left of the last page while nobody else has changed anything, else the next one. */
async function pageFor(
  ctx: Context,
  removal: Removal,
  progress: Progress,
  { version, updated }: RepositoryRow,
): Promise<Page> {
  if (progress.page && progress.version === version) return progress.page;
  const { repository, before } = removal;
  const page = await readPage(ctx, repository, progress.place ?? START);
  if (updated > before) progress.newer = await readNewer(ctx, repository, progress.newer);
  demandUnlocked(removal, progress.newer, page);
  progress.page = page;
  progress.version = version;
  return page;
}

/** A manifest that was pushed since stays, without the tags that it had before. */
function doomedOf({ before }: Removal, { kept }: Newer, entry: Entry): Doomed {
  const stays = entry.found.value.stamp > before || kept.has(entry.digest);
  const tags = entry.tags.filter(({ stamp }) => stamp <= before).map(({ tag }) => tag);
  return { entry, tags, manifest: entry.whole && !stays };
}

function demandDeletable({ value }: Found<RepositoryRow>): void {
  if (isLocked(value, 'delete', 'write')) throw disallowed('the repository is locked');
}

function demandUnlocked(removal: Removal, newer: Newer, { entries }: Page): void {
  for (const entry of entries) {
    const { digest, found, tags } = entry;
    if (doomedOf(removal, newer, entry).manifest && isLocked(found.value, 'delete', 'write')) {
      throw disallowed(`the manifest ${digest} is locked`);
    }
    const locked = tags.find((tag) => tag.locked && tag.stamp <= removal.before);
    if (locked) throw disallowed(`the tag ${locked.tag} is locked`);
  }
}
