import type { RegistryName } from '../../model/names.ts';
import type { Context } from '../../store/context.ts';
import {
  Conflict,
  type Write,
  always,
  ifAbsent,
  ifMatch,
  ifPresent,
  put,
  remove,
} from '../../store/records.ts';
import { contend } from '../../registry/change/commit.ts';
import type { Measured, RepositoryMeasure } from '../collect/measured.ts';
import {
  type RepositoryUsageRow,
  measuredKey,
  ownerKey,
  readRegistryRows,
  readRepositoryRows,
  repositoryUsageKey,
} from './rows.ts';

/** Where a measurement began: what comes later is counted besides. */
export interface Mark {
  /** In milliseconds since 1970. */
  readonly at: number;
  /** Bytes that had been written down as grown. */
  readonly grown: number;
}

const READS_AT_ONCE = 16;
const BATCH = 100;

/** To be called before a collection reads the first row. One call. */
export async function beginMeasurement(ctx: Context, registry: RegistryName): Promise<Mark> {
  const at = ctx.now();
  const { grown } = await readRegistryRows(ctx, registry);
  return { at, grown: grown.bytes };
}

/**
 * Writes down what a collection measured since `mark`, unless a later one has. Growth while it ran may be counted twice
 * or not at all, until the next. One call per repository, one per 100 and one per 1,000 of them, and two.
 */
export async function saveMeasured(
  ctx: Context,
  registry: RegistryName,
  mark: Mark,
  measured: Measured,
): Promise<void> {
  await saveRepositories(ctx, registry, mark, measured.repositories);
  const key = measuredKey(registry);
  await contend(ctx, async () => {
    const { measured: before } = await readRegistryRows(ctx, registry);
    if (before.measured > mark.at) return;
    const row = { ...measured.registry, grown: mark.grown, measured: mark.at };
    const condition = before.etag === undefined ? ifAbsent : ifMatch(before.etag);
    await ctx.records.batch(key.table, key.partition, [put(key, row, condition)]);
  });
}

async function saveRepositories(
  ctx: Context,
  registry: RegistryName,
  { at }: Mark,
  repositories: Measured['repositories'],
): Promise<void> {
  const known = await readRepositoryRows(ctx, registry);
  const names = [...repositories].filter(([name]) => (known.get(name)?.measured ?? 0) <= at);
  const kept = new Set<string>();
  for (let i = 0; i < names.length; i += BATCH) {
    const rows: Write[] = [];
    for (let j = i; j < Math.min(names.length, i + BATCH); j += READS_AT_ONCE) {
      const slice = names.slice(j, Math.min(j + READS_AT_ONCE, i + BATCH));
      await Promise.all(
        slice.map(async ([name, measure]) => {
          const row = await rowOf(ctx, registry, name, measure, at);
          if (!row) return;
          kept.add(name);
          rows.push(put(repositoryUsageKey(registry, name), row, always));
        }),
      );
    }
    await write(ctx, registry, rows);
  }
  const gone = [...known].filter(([name, { measured }]) => !kept.has(name) && measured <= at);
  for (let i = 0; i < gone.length; i += BATCH) {
    const slice = gone.slice(i, i + BATCH);
    await drop(
      ctx,
      registry,
      slice.map(([name]) => remove(repositoryUsageKey(registry, name), ifPresent)),
    );
  }
}

/** Undefined when the repository is gone, and only what it left is measured. */
async function rowOf(
  ctx: Context,
  registry: RegistryName,
  name: string,
  { bytes, unique }: RepositoryMeasure,
  measured: number,
): Promise<RepositoryUsageRow | undefined> {
  const found = await ctx.records.get(ownerKey(registry, name), ['created', 'grown']);
  return found && { bytes, unique, created: found.value.created, grown: found.value.grown, measured };
}

async function write(ctx: Context, registry: RegistryName, writes: readonly Write[]): Promise<void> {
  const { table, partition } = measuredKey(registry);
  if (writes.length > 0) await ctx.records.batch(table, partition, writes);
}

async function drop(ctx: Context, registry: RegistryName, writes: readonly Write[]): Promise<void> {
  try {
    await write(ctx, registry, writes);
  } catch (error) {
    // Another collection took some of them; the next one finds what is left.
    if (!(error instanceof Conflict)) throw error;
  }
}
