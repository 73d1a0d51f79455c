import type { Cause } from '../../events/event.ts';
import type { Repository } from '../../model/names.ts';
import { isLocked } from '../../model/policy/locks.ts';
import type { Policy } from '../../model/policy/policy.ts';
import { type RepositoryRow, repositoryKey } from '../../model/record.ts';
import { keepDeleted } from '../../registry/change/bin.ts';
import { type Plan, commitChange } from '../../registry/change/commit.ts';
import { judgeUntagged } from '../../registry/change/untagged.ts';
import type { Context } from '../../store/context.ts';
import { type Found, Unavailable } from '../../store/records.ts';
import { type Decision, decide } from './decide.ts';
import type { Select } from './state.ts';
import { type Step, apply, nextStep, planStep } from './step.ts';
import { type Survey, catchUp, isCurrent, readSurvey } from './survey.ts';

/** Changes by others that one step bears before the rest is left to the next run. */
const TRIES = 20;

/** What is to be done to a repository, and how far. */
export interface Cleaning {
  readonly repository: Repository;
  readonly select: Select;
  /** The selection looks at tags alone. */
  readonly tagsAlone: boolean;
  readonly policy: Policy;
  readonly cause: Cause;
  /** Nothing is deleted, only told. */
  readonly dryRun: boolean;
  /** When to stop, in milliseconds since 1970, and after how many things; a step that has begun is ended. */
  readonly until: number;
  readonly most: number;
}

/** Why something is left that should go. */
export type Left =
  /** The repository is locked against writing. */
  | 'locked'
  /** Others changed it again and again. */
  | 'busy'
  /** There was no more time, or storage stopped answering: call again. */
  | 'more'
  /** A manifest cannot be read. */
  | 'failed';

export interface Gone {
  /** A rule's name, `retention` or `purge`. */
  readonly why: string;
  readonly digest: string;
  /** Undefined for a manifest. */
  readonly tag?: string;
}

export interface Cleaned {
  readonly repository: Repository;
  /** Tags first. */
  readonly gone: readonly Gone[];
  readonly left: Left | undefined;
}

/** A cleaning under way. */
interface Work {
  survey: Survey;
  decision: Decision;
  /** Changes by others since the last step. */
  tried: number;
  left: Left | undefined;
}

/**
 * Deletes what is selected and what nothing that stays needs (`decide`), all of it judged by the state that the
 * repository has at the moment of each transaction: every change of a repository rewrites its row, a transaction here
 * proves the version that it judged, and what others changed meanwhile is read again and judged again. Whatever breaks it off, another
 * run finds the rest. Throws Unavailable when nothing was deleted yet. One call, those of `readSurvey`, and two for
 * each transaction; where soft delete is on, `keepDeleted` besides.
 */
export async function cleanRepository(ctx: Context, cleaning: Cleaning): Promise<Cleaned> {
  const { repository, select, tagsAlone, dryRun, until, most } = cleaning;
  const before = await ctx.records.get(repositoryKey(repository));
  if (!before) return { repository, gone: [], left: undefined };
  if (isLocked(before.value, 'write')) return { repository, gone: [], left: 'locked' };
  const survey = await readSurvey(ctx, repository, before, tagsAlone);
  const work: Work = { survey, decision: decide(survey, select(survey)), tried: 0, left: undefined };
  if (dryRun) return { repository, gone: goneBy(work.decision), left: undefined };
  const gone: Gone[] = [];
  try {
    while (work.decision.tags.length + work.decision.units.length > 0) {
      // One step at least, or a caller who comes back would never get further.
      if (gone.length > 0 && (gone.length >= most || ctx.now() >= until)) work.left = 'more';
      if (work.left !== undefined) break;
      // One by one: a list of arguments has a limit.
      for (const one of await cleanStep(ctx, cleaning, work)) gone.push(one);
    }
  } catch (error) {
    if (!(error instanceof Unavailable) || gone.length === 0) throw error;
    ctx.log('warn', 'a cleaning was broken off', { ...repository, error: String(error) });
    work.left = 'more';
  }
  if (gone.some(({ tag }) => tag !== undefined)) await judgeUntagged(ctx, repository, cleaning.policy);
  return { repository, gone, left: work.left };
}

async function cleanStep(
  ctx: Context,
  { repository, select, policy, cause }: Cleaning,
  work: Work,
): Promise<readonly Gone[]> {
  let next: ReturnType<typeof nextStep>;
  const now = ctx.now();
  const stamp = await commitChange(ctx, repository, cause, async (again) => {
    next = undefined;
    const before = await ctx.records.get(repositoryKey(repository));
    if (!before) work.decision = { tags: [], units: [] };
    else if (isLocked(before.value, 'write')) work.left = 'locked';
    else if (await makeCurrent(ctx, work, before, select, again)) {
      next = nextStep(work.survey, work.decision, policy.softDeleteDays !== undefined);
    } else work.left = 'busy';
    return before && next && (await plan(ctx, work.survey, next.step, before, policy, now));
  });
  if (stamp === undefined || !next) return [];
  const gone = goneBy({ tags: next.step.tags, units: [next.step.manifests] });
  apply(work.survey, next.step, now);
  work.survey.version = stamp;
  work.decision = next.left;
  work.tried = 0;
  return gone;
}

/** Judges anew what others have changed; false when that happens too often. */
async function makeCurrent(
  ctx: Context,
  work: Work,
  before: Found<RepositoryRow>,
  select: Select,
  again: boolean,
): Promise<boolean> {
  const current = isCurrent(work.survey, before);
  if (current && !again) return true;
  if (++work.tried > TRIES) return false;
  const { repository, tagsAlone } = work.survey;
  // Refused though nobody has changed anything: a row is not what it was taken for.
  if (current || !(await catchUp(ctx, work.survey, before))) {
    work.survey = await readSurvey(ctx, repository, before, tagsAlone);
  }
  work.decision = decide(work.survey, select(work.survey));
  return true;
}

async function plan(
  ctx: Context,
  survey: Survey,
  step: Step,
  before: Found<RepositoryRow>,
  policy: Policy,
  now: number,
): Promise<Plan> {
  const gone = {
    manifests: step.manifests.map(({ digest }) => digest),
    tags: step.tags.map(({ tag }) => tag.tag),
  };
  const keep = await keepDeleted(ctx, survey.repository, before.value, policy, gone);
  const { events, writes } = planStep(survey, step, now);
  return {
    repository: before,
    more: { manifests: -gone.manifests.length, tags: -gone.tags.length },
    events,
    writes: (stamp) => [...writes, ...keep(stamp)],
  };
}

function goneBy({ tags, units }: Decision): readonly Gone[] {
  return [
    ...tags.map(({ tag: { tag, digest }, why }) => ({ why, digest, tag })),
    ...units.flat().map(({ digest, why }) => ({ why, digest })),
  ];
}
