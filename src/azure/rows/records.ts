import type { TableName } from '../../model/record.ts';
import { Conflict, type Found, type Range, type Records, type Write } from '../../store/records.ts';
import { once, type Credential } from '../credential.ts';
import { type Entity, fromEntity, KEYS } from './entity.ts';
import { BRIEF, codeOf, insist, statusOf } from '../outcome.ts';
import { connectTables } from './tables.ts';
import { toOperation, toTransaction } from './transaction.ts';

/** The most rows the service gives in one answer. */
const PAGE = 1000;
const TABLES: readonly TableName[] = ['blobs', 'repos'];

/** Rows in Azure Table Storage: one table for each `TableName`. */
export function openRecords(
  endpoint: string,
  credential: Credential,
): Records & { prepare(): Promise<void> } {
  const base = endpoint.replace(/\/$/, '');
  const tables = once(() => connectTables(base, credential));

  async function create(table: TableName): Promise<void> {
    const { clients } = await tables();
    await insist(BRIEF, (abortSignal) => clients[table].createTable({ abortSignal }));
  }

  /** One answer of at most `top` rows; an absent table has none. */
  async function page(
    filter: string,
    { table, select }: { table: TableName; select?: readonly string[] | undefined },
    top: number,
    token?: string,
  ): Promise<Entity[] & { continuationToken?: string }> {
    const { clients } = await tables();
    const queryOptions = { filter, ...(select && { select: [...KEYS, ...select] }) };
    const settings = { maxPageSize: top, ...(token !== undefined && { continuationToken: token }) };
    try {
      return await insist(BRIEF, async (abortSignal) => {
        const answer = await clients[table]
          .listEntities({ queryOptions, abortSignal })
          .byPage(settings)
          .next();
        return answer.done ? [] : answer.value;
      });
    } catch (error) {
      if (codeOf(error) === 'TableNotFound') return [];
      throw error;
    }
  }

  return {
    async prepare() {
      await Promise.all(TABLES.map(create));
    },

    async get<R>(key: { table: TableName; partition: string; row: string }, select?: readonly string[]) {
      const { clients } = await tables();
      const queryOptions = select && { queryOptions: { select: [...KEYS, ...select] } };
      try {
        const entity = await insist(BRIEF, (abortSignal) =>
          clients[key.table].getEntity(key.partition, key.row, { abortSignal, ...queryOptions }),
        );
        return withoutPartition(fromEntity<R>(entity));
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw error;
      }
    },

    async range<R>(range: Range) {
      const filter = `PartitionKey eq ${quoted(range.partition)} and ${rowsBetween(range)}`;
      const rows: Found<R>[] = [];
      let token: string | undefined;
      // One row more than wanted tells whether there are more; the service may also stop early, with a token.
      do {
        const top = Math.min(PAGE, range.limit + 1 - rows.length);
        const answer = await page(filter, range, top, token);
        rows.push(...answer.map((entity) => withoutPartition(fromEntity<R>(entity))));
        token = answer.continuationToken;
      } while (token !== undefined && rows.length <= range.limit);
      return { rows: rows.slice(0, range.limit), more: rows.length > range.limit };
    },

    async scan<R>(scan: Parameters<Records['scan']>[0]) {
      const { partitions } = scan;
      const rows = rowsBetween(scan);
      const filter = partitions ? `${partitionsBetween(partitions)} and ${rows}` : rows;
      const answer = await page(filter, scan, scan.limit, scan.cursor);
      const cursor = answer.continuationToken;
      return { rows: answer.map((entity) => fromEntity<R>(entity)), ...(cursor !== undefined && { cursor }) };
    },

    async batch(table, partition, writes) {
      const { send } = await tables();
      let left: { write: Write; index: number }[] = writes.map((write, index) => ({ write, index }));
      for (let created = false; left.length > 0;) {
        const operations = left.map(({ write }) => toOperation(`${base}/${table}`, partition, write));
        const [first] = operations;
        const whole = operations.length === 1 && first ? first : toTransaction(base, operations);
        const refusal = await insist(BRIEF, (signal) => send(table, whole, signal));
        if (refusal === undefined) return;
        if (refusal.code === 'TableNotFound') {
          if (created) throw refusal.cause;
          await create(table);
          created = true;
          continue;
        }
        const culprit = left[refusal.index ?? 0];
        const isGone = refusal.status === 404 && culprit?.write.op === 'delete';
        if (!culprit || !(isGone && culprit.write.condition.kind === 'always'))
          throw new Conflict(culprit?.index ?? 0, { cause: refusal.cause });
        // The service refuses to delete an absent row, whatever the condition, and all else with it.
        left = left.filter((one) => one !== culprit);
      }
    },
  };
}

function withoutPartition<R>(found: Found<R>): Found<R> {
  return { row: found.row, value: found.value, etag: found.etag };
}

function rowsBetween({ from, before }: { from: string; before: string }): string {
  return `RowKey ge ${quoted(from)} and RowKey lt ${quoted(before)}`;
}

function partitionsBetween({ from, before }: { from: string; before: string }): string {
  return `PartitionKey ge ${quoted(from)} and PartitionKey lt ${quoted(before)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
