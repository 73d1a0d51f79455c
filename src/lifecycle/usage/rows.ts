import type { RegistryName } from '../../model/names.ts';
import { type Key, type RepositoryRow, usagePartition } from '../../model/record.ts';
import type { Context } from '../../store/context.ts';
import { readRange } from '../../store/paging.ts';
import type { Etag } from '../../store/records.ts';

/** `grown` in `!usage`: how much content came to the registry so far. */
export type GrownRow = {
  /** Bytes; never falls. */
  bytes: number;
  /** Id of the last batch that was added: one whose answer was lost is recognised by it. */
  batch: string;
};

/** `measured` in `!usage`: what a collection found in the registry. */
export type MeasuredRow = {
  bytes: number;
  blobs: number;
  /** `bytes` of the other row when that was so: what came since is the difference. */
  grown: number;
  /** When the collection began, in milliseconds since 1970. */
  measured: number;
};

/** `r!<encoded name>` in `!usage`: what a collection found in a repository. */
export type RepositoryUsageRow = {
  bytes: number;
  /** Of those that no other repository has. */
  unique: number;
  /** When the repository that it found was made: another one of this name since was not measured. */
  created: number;
  /** `grown` of the repository when that was so. */
  grown: number;
  /** When the collection began, in milliseconds since 1970. */
  measured: number;
};

/** Rows of repositories start with this. */
export const REPOSITORIES = 'r!';

export function grownKey(registry: RegistryName): Key<GrownRow> {
  return { table: 'repos', partition: usagePartition(registry), row: 'grown' };
}

export function measuredKey(registry: RegistryName): Key<MeasuredRow> {
  return { table: 'repos', partition: usagePartition(registry), row: 'measured' };
}

/** `name` is encoded. */
export function repositoryUsageKey(registry: RegistryName, name: string): Key<RepositoryUsageRow> {
  return { table: 'repos', partition: usagePartition(registry), row: `${REPOSITORIES}${name}` };
}

/** The repository itself, by its encoded name. */
export function ownerKey(registry: RegistryName, name: string): Key<RepositoryRow> {
  return { table: 'repos', partition: `${registry}!${name}`, row: '!' };
}

/** What is written down about a registry as a whole; zeros where nothing is. */
export interface RegistryRows {
  readonly grown: GrownRow & { readonly etag: Etag | undefined };
  readonly measured: MeasuredRow & { readonly etag: Etag | undefined };
}

/** Both as they are now. One call. */
export async function readRegistryRows(ctx: Context, registry: RegistryName): Promise<RegistryRows> {
  const { table, partition, row: from } = grownKey(registry);
  const { rows } = await ctx.records.range<Partial<GrownRow & MeasuredRow>>({
    table,
    partition,
    from,
    before: REPOSITORIES,
    limit: 2,
  });
  const grown = rows.find(({ row }) => row === from);
  const measured = rows.find(({ row }) => row !== from);
  return {
    grown: { bytes: 0, batch: '', ...grown?.value, etag: grown?.etag },
    measured: { bytes: 0, blobs: 0, grown: 0, measured: 0, ...measured?.value, etag: measured?.etag },
  };
}

/** What was measured of repositories, by encoded name: of all, or of those between two names, both included. */
export async function readRepositoryRows(
  ctx: Context,
  registry: RegistryName,
  between?: { readonly from: string; readonly through: string },
): Promise<ReadonlyMap<string, RepositoryUsageRow>> {
  const { table, partition, row: from } = repositoryUsageKey(registry, between?.from ?? '');
  // `!` sorts before whatever may follow in a name.
  const before = between ? `${REPOSITORIES}${between.through}!` : `${REPOSITORIES}~`;
  const rows = await readRange<RepositoryUsageRow>(ctx, { table, partition, from, before });
  return new Map(rows.map(({ row, value }) => [row.slice(REPOSITORIES.length), value]));
}
