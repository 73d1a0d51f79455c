import type { Stores } from '../../src/app/compose.ts';
import { type Digest, algorithmOf, digestOf, isDigest } from '../../src/model/digest.ts';
import type { RegistryName } from '../../src/model/names.ts';
import type {
  CatalogRow,
  ContentRow,
  RepositoryRow,
  StoredBytes,
  TableName,
  TagOfRow,
} from '../../src/model/record.ts';
import { gather } from './sample.ts';

type Row = StoredBytes &
  ContentRow &
  Partial<Pick<RepositoryRow, 'manifests' | 'tags' | 'locks'> & Pick<TagOfRow, 'locked'>> &
  Pick<CatalogRow, 'hidden'> & {
    readonly subject?: string;
    readonly event?: string;
  };
export type Rows = ReadonlyMap<string, Row>;

/**
 * What must hold of stored rows and bytes whenever no request is under way, whatever happened before; one sentence for
 * each breach. Bytes that no row names are left out: `strayBlobs` tells them.
 */
export async function breaches(stores: Stores, registry: RegistryName): Promise<string[]> {
  const [blobs, repos] = await Promise.all([
    readTable(stores, 'blobs', registry),
    readTable(stores, 'repos', registry),
  ]);
  const found = await Promise.all([
    ...[...blobs.values()].map((rows) => checkContent(stores, registry, rows)),
    ...[...repos].map(([partition, rows]) => checkRepository(stores, registry, partition, rows, repos)),
  ]);
  return [...found.flat(), ...checkOwners(blobs)];
}

/** Names of committed blobs with bytes that neither content nor manifests nor tags name. */
export async function strayBlobs(stores: Stores, registry: RegistryName): Promise<string[]> {
  const tables = await Promise.all([
    readTable(stores, 'blobs', registry),
    readTable(stores, 'repos', registry),
  ]);
  const named = new Set(tables.flatMap((table) => [...table.values()].flatMap(physOf)));
  const { blobs } = await stores.blobs.list(registry, 1000);
  return blobs
    .filter(({ name, size, committed }) => committed && size > 0 && !named.has(name))
    .map(({ name }) => name);
}

function physOf(rows: Rows): string[] {
  return [...rows.values()].flatMap(({ phys }) => phys ?? []);
}

/** The rows of a registry, by partition. */
export async function readTable(
  { records }: Stores,
  table: TableName,
  registry: RegistryName,
): Promise<ReadonlyMap<string, Rows>> {
  const partitions = new Map<string, Map<string, Row>>();
  for (let cursor: string | undefined; ;) {
    const scan = { table, from: '!', before: '~', limit: 1000 } as const;
    const page = await records.scan<Row>(cursor === undefined ? scan : { ...scan, cursor });
    for (const { partition, row, value } of page.rows) {
      if (!partition.startsWith(`${registry}!`)) continue;
      const rows = partitions.get(partition) ?? new Map<string, Row>();
      partitions.set(partition, rows.set(row, value));
    }
    if (page.cursor === undefined) return partitions;
    cursor = page.cursor;
  }
}

async function checkContent(stores: Stores, registry: RegistryName, rows: Rows): Promise<string[]> {
  const found: string[] = [];
  for (const [row, { phys, size }] of rows) {
    const [digest = '', repository] = row.split('!');
    const content = rows.get(digest);
    if (!isDigest(digest)) found.push(`${row} is no digest`);
    else if (!content) found.push(`${row} links to content that has no row`);
    else if (repository === undefined)
      found.push(...(await checkBytes(stores, registry, digest, phys, size)));
    else if (content.phys !== phys || content.size !== size) found.push(`${row} differs from its content`);
  }
  return found;
}

async function checkBytes(
  { blobs }: Stores,
  registry: RegistryName,
  digest: Digest,
  name: string,
  size: number,
): Promise<string[]> {
  const source = await blobs.read({ registry, name });
  if (!source) return [`the bytes of ${digest} are gone`];
  const bytes = await gather(source);
  if (digestOf(bytes, algorithmOf(digest)) !== digest) return [`other bytes lie under ${digest}`];
  return bytes.length === size ? [] : [`${digest} has ${bytes.length} bytes, not ${size}`];
}

/** Collection would take the bytes of one content away from under the other. */
function checkOwners(blobs: ReadonlyMap<string, Rows>): string[] {
  const owners = new Map<string, string>();
  const found: string[] = [];
  for (const rows of blobs.values()) {
    for (const [row, { phys }] of rows) {
      if (row.includes('!')) continue;
      const other = owners.get(phys);
      if (other !== undefined) found.push(`${row} and ${other} share bytes`);
      owners.set(phys, row);
    }
  }
  return found;
}

async function checkRepository(
  stores: Stores,
  registry: RegistryName,
  partition: string,
  rows: Rows,
  repos: ReadonlyMap<string, Rows>,
): Promise<string[]> {
  const encoded = partition.slice(registry.length + 1);
  if (encoded === '!catalog') return [];
  const found: string[] = [];
  const need = (row: string, whose: string) => {
    if (!rows.has(row)) found.push(`${whose} lacks ${row} in ${encoded}`);
  };
  for (const [row, value] of rows) {
    const [kind, first = '', second] = row.split('!');
    const { digest, subject } = value;
    if (kind === 't') {
      need(`m!${digest}`, row);
      need(`x!${digest}!${first}`, row);
      if (value.phys !== rows.get(`m!${digest}`)?.phys) found.push(`${row} has bytes of its own`);
      if (/^sha(256|512)-/.test(first)) need(`s!${first.replace('-', ':')}!`, row);
      found.push(...(await checkStored(stores, registry, row, value)));
    } else if (kind === 'x') {
      need(`m!${first}`, row);
      const tag = rows.get(`t!${second}`);
      if (tag?.digest !== first) found.push(`${row} is not what the tag points to`);
      if (Boolean(value.locked) !== /[dw]/.test(tag?.locks ?? '')) found.push(`${row} tells another lock`);
    } else if (kind === 'm') {
      need('!', row);
      if (!repos.get(`${registry}!!catalog`)?.has(encoded)) found.push(`${encoded} is not in the catalog`);
      if (subject !== undefined) need(`s!${subject}!${first}`, row);
      if (digest !== first) found.push(`${row} says it is ${digest}`);
      found.push(...(await checkStored(stores, registry, row, value)));
    } else if (kind === 'z') {
      if (row.split('!').at(-1) !== digest) found.push(`${row} says it is ${digest}`);
      if (!repos.get(`${registry}!!deleted`)?.has(encoded)) found.push(`${encoded} is not listed as deleted`);
      if (first === 'm') found.push(...(await checkStored(stores, registry, row, value)));
    } else if (kind === 's' && second) {
      need(`m!${second}`, row);
      const manifest = rows.get(`m!${second}`);
      if (manifest && isHidden(value) !== isUnlisted(manifest)) found.push(`${row} tells another lock`);
    } else if (kind === 's' && rows.get(`t!${first.replace(':', '-')}`)?.digest !== digest) {
      found.push(`${row} is not what the referrers tag points to`);
    }
  }
  const repository = rows.get('!');
  const listed = repos.get(`${registry}!!catalog`)?.get(encoded);
  if (repository && isHidden(listed) !== isUnlisted(repository)) found.push(`${encoded} is listed otherwise`);
  return [...found, ...checkCounts(encoded, rows), ...checkEvents(encoded, rows)];
}

function isHidden(row: Row | undefined): boolean {
  return row?.hidden ?? false;
}

function isUnlisted({ locks = '' }: Row): boolean {
  return locks.includes('l');
}

/** The repository's row counts exactly, and goes with the last manifest. */
function checkCounts(encoded: string, rows: Rows): string[] {
  const count = (prefix: string) => [...rows.keys()].filter((row) => row.startsWith(prefix)).length;
  const counted = rows.get('!');
  const told = `${counted?.manifests ?? 0} manifests and ${counted?.tags ?? 0} tags`;
  const there = `${count('m!')} manifests and ${count('t!')} tags`;
  if (told !== there) return [`${encoded} says ${told}, and has ${there}`];
  return counted?.manifests === 0 ? [`${encoded} is a husk`] : [];
}

/** After these a tag points to the manifest that they name. */
const SETTING: ReadonlySet<string> = new Set(['push', 'quarantine', 'restore']);

/** Whoever follows the events of a tag in their order, as replicas do, must come to what is stored. */
function checkEvents(encoded: string, rows: Rows): string[] {
  const told = new Map<string, string | undefined>();
  for (const [row, { event }] of [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (event === undefined || !row.startsWith('o!')) continue;
    const { action, digest, tags }: Told = JSON.parse(event);
    for (const tag of tags) told.set(tag, SETTING.has(action) ? digest : undefined);
  }
  return [...told]
    .filter(([tag, digest]) => rows.get(`t!${tag}`)?.digest !== digest)
    .map(([tag, digest]) => `events say that ${encoded}:${tag} is ${digest ?? 'gone'}`);
}

interface Told {
  readonly action: string;
  readonly digest: string;
  readonly tags: readonly string[];
}

async function checkStored(
  { blobs }: Stores,
  registry: RegistryName,
  row: string,
  { digest, body, phys, size }: StoredBytes,
): Promise<string[]> {
  const source = body ?? (phys === undefined ? undefined : await blobs.read({ registry, name: phys }));
  if (!source) return [`${row} has lost its bytes`];
  const bytes = source instanceof Uint8Array ? source : await gather(source);
  if (!isDigest(digest) || digestOf(bytes, algorithmOf(digest)) !== digest) return [`${row} has other bytes`];
  return bytes.length === size ? [] : [`${row} has ${bytes.length} bytes, not ${size}`];
}
