import type { RegistryName } from '../model/names.ts';
import { INLINE_LIMIT, type Key, type Value, accessPartition } from '../model/record.ts';
import { Problem } from '../model/problem.ts';
import type { Context } from '../store/context.ts';
import { readRange } from '../store/paging.ts';
import { type Etag, type Write, ifAbsent, ifMatch, put, remove } from '../store/records.ts';
import { contend } from '../registry/change/commit.ts';

/** What a registry owns besides content: each a JSON document in a row of its own, in the partition `!access`. */
export type ResourceKind =
  | 'registry'
  | 'scopeMap'
  | 'token'
  | 'roleAssignment'
  | 'lifecyclePolicy'
  | 'purgeSchedule';

/** `<kind>!<name>`: the document as JSON bytes, cut into pieces that properties can hold. */
type ResourceRow = { readonly [piece: string]: Value };

const PIECES = 12;

export interface Stored<D> {
  readonly document: D;
  readonly etag: Etag;
}

/** One resource; undefined when absent. Names compare without case, as ARM's do. One call. */
export async function getResource<D>(
  ctx: Context,
  registry: RegistryName,
  kind: ResourceKind,
  name: string,
): Promise<Stored<D> | undefined> {
  const found = await ctx.records.get(resourceKey(registry, kind, name));
  // Written by `changeResource` alone, from a document of this type; so below.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return found && { document: unpack(found.value) as D, etag: found.etag };
}

/** All resources of a kind whose name starts with `prefix`, by name. One call per 1,000. */
export async function listResources<D>(
  ctx: Context,
  registry: RegistryName,
  kind: ResourceKind,
  prefix = '',
): Promise<readonly D[]> {
  const from = `${kind}!${prefix.toLowerCase()}`;
  const partition = accessPartition(registry);
  const rows = await readRange<ResourceRow>(ctx, { table: 'repos', partition, from, before: `${from}~` });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return rows.map(({ value }) => unpack(value) as D);
}

/**
 * Creates, changes or (for undefined) deletes a resource under its version; `change` may run again when somebody was
 * faster, or when an answer was lost and the change had happened. `alongside` makes further writes of the same
 * transaction, after `change`. Returns what is stored afterwards.
 */
export async function changeResource<D, N extends D | undefined>(
  ctx: Context,
  registry: RegistryName,
  kind: ResourceKind,
  name: string,
  change: (current: D | undefined) => N,
  alongside: () => Promise<readonly Write[]> = () => Promise.resolve([]),
): Promise<N> {
  const { table, partition } = resourceKey(registry, kind, name);
  return await contend(ctx, async () => {
    const current = await getResource<D>(ctx, registry, kind, name);
    const next = change(current?.document);
    const own = resourceWrite(registry, kind, name, next, current?.etag);
    const writes = [...(own ? [own] : []), ...(await alongside())];
    if (writes.length > 0) await ctx.records.batch(table, partition, writes);
    return next;
  });
}

/** The write that puts `next` (undefined: nothing) in the place of the version `etag` (undefined: of nothing). */
export function resourceWrite(
  registry: RegistryName,
  kind: ResourceKind,
  name: string,
  next: unknown,
  etag: Etag | undefined,
): Write | undefined {
  const key = resourceKey(registry, kind, name);
  const condition = etag === undefined ? ifAbsent : ifMatch(etag);
  if (next !== undefined) return put(key, pack(next), condition);
  return etag === undefined ? undefined : remove(key, condition);
}

function pack(document: unknown): ResourceRow {
  const bytes = Buffer.from(JSON.stringify(document));
  if (bytes.length > PIECES * INLINE_LIMIT) throw new Problem('TOO_LARGE', { limit: PIECES * INLINE_LIMIT });
  const count = Math.ceil(bytes.length / INLINE_LIMIT);
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      pieceName(i),
      bytes.subarray(i * INLINE_LIMIT, (i + 1) * INLINE_LIMIT),
    ]),
  );
}

function unpack(row: ResourceRow): unknown {
  const pieces: Uint8Array[] = [];
  for (let i = 0; ; i++) {
    const piece = row[pieceName(i)];
    if (!(piece instanceof Uint8Array)) break;
    pieces.push(piece);
  }
  return JSON.parse(Buffer.concat(pieces).toString());
}

function pieceName(index: number): string {
  return `doc${index}`;
}

function resourceKey(registry: RegistryName, kind: ResourceKind, name: string): Key<ResourceRow> {
  return { table: 'repos', partition: accessPartition(registry), row: `${kind}!${name.toLowerCase()}` };
}
