import { type RegistryName, type RepositoryName, isRepositoryName } from '../../model/names.ts';
import { Problem } from '../../model/problem.ts';
import { type CatalogRow, catalogPartition, encodeText } from '../../model/record.ts';
import type { Context } from '../../store/context.ts';
import { rangePages } from '../../store/paging.ts';
import { Unavailable } from '../../store/records.ts';
import { type Cleaned, type Cleaning, cleanRepository } from './clean.ts';
import type { Select } from './state.ts';

/** Repositories that one call looks at, so that what it tells stays short. */
const REPOSITORIES = 1000;

/** What is to be done to the repositories of a registry, and how far; `most` is of them all. */
export interface RegistryCleaning extends Omit<Cleaning, 'repository' | 'select'> {
  readonly registry: RegistryName;
  /** Undefined for a repository that is left alone. */
  readonly selectFor: (name: RepositoryName) => Select | undefined;
  /** Begins with the repository after this one; '' for the first. */
  readonly after: string;
}

export interface RegistryCleaned {
  /** By name; the last may be done in part. */
  readonly repositories: readonly Cleaned[];
  /** Where to go on: the last repository that is done; undefined at the end. */
  readonly next: string | undefined;
}

/**
 * Cleans repositories one after another, hidden ones too, until time or count are used up. One that others keep
 * changing, that is locked or cannot be read, is left as it is and told. Throws Unavailable when nothing was done. One call
 * per 1,000 repositories besides those of `cleanRepository`.
 */
export async function cleanRegistry(ctx: Context, cleaning: RegistryCleaning): Promise<RegistryCleaned> {
  const { registry, until, most } = cleaning;
  const repositories: Cleaned[] = [];
  let count = 0;
  let done = cleaning.after;
  for await (const name of names(ctx, registry, cleaning.after)) {
    const select = cleaning.selectFor(name);
    if (select) {
      const spent = count >= most || repositories.length >= REPOSITORIES || ctx.now() >= until;
      if (spent && repositories.length > 0) return { repositories, next: done };
      const one = { ...cleaning, repository: { registry, name }, select, most: most - count };
      const cleaned = await cleanOne(ctx, one, repositories.length > 0);
      if (cleaned) repositories.push(cleaned);
      if (!cleaned || cleaned.left === 'more') return { repositories, next: done };
      count += cleaned.gone.length;
    }
    done = name;
  }
  return { repositories, next: undefined };
}

/** Undefined when storage does not answer and something was done before. */
async function cleanOne(ctx: Context, cleaning: Cleaning, begun: boolean): Promise<Cleaned | undefined> {
  const { repository } = cleaning;
  try {
    return await cleanRepository(ctx, cleaning);
  } catch (error) {
    if (error instanceof Unavailable && begun) return undefined;
    // The second is the caller's: an expression that takes too long.
    if (error instanceof Unavailable || (error instanceof Problem && error.code === 'REQUEST_INVALID'))
      throw error;
    ctx.log('error', 'a repository cannot be cleaned', { ...repository, error: String(error) });
    return { repository, gone: [], left: 'failed' };
  }
}

async function* names(ctx: Context, registry: RegistryName, after: string): AsyncGenerator<RepositoryName> {
  const pages = rangePages<CatalogRow>(ctx, {
    table: 'repos',
    partition: catalogPartition(registry),
    // `!` sorts before whatever may follow in a name.
    from: `${encodeText(after)}!`,
    before: '~',
    select: ['name'],
  });
  for await (const { rows } of pages) {
    for (const { value } of rows) if (isRepositoryName(value.name)) yield value.name;
  }
}
