import type { Found, Page, Range, Records, Scan, ScanPage } from './records.ts';

/** Rows of one call: the most that it can give. */
const PAGE = 1000;

/** The pages of a range, however long it is; none is read before it is asked for. One call per 1,000 rows. */
export async function* rangePages<R>(
  { records }: { readonly records: Pick<Records, 'range'> },
  range: Omit<Range, 'limit'>,
): AsyncGenerator<Page<R>, undefined> {
  for (let { from } = range; ;) {
    const page = await records.range<R>({ ...range, from, limit: PAGE });
    yield page;
    const last = page.rows.at(-1);
    if (!page.more || !last) return undefined;
    // `!` sorts before whatever may follow in a key.
    from = `${last.row}!`;
  }
}

/** All rows of a range. One call per 1,000. */
export async function readRange<R>(
  ctx: { readonly records: Pick<Records, 'range'> },
  range: Omit<Range, 'limit'>,
): Promise<readonly Found<R>[]> {
  const rows: Found<R>[] = [];
  // One by one: a list of arguments has a limit.
  for await (const page of rangePages<R>(ctx, range)) for (const row of page.rows) rows.push(row);
  return rows;
}

/** The pages of a scan; none is read before it is asked for. One call per 1,000 rows. */
export async function* scanPages<R>(
  { records }: { readonly records: Pick<Records, 'scan'> },
  scan: Omit<Scan, 'limit' | 'cursor'>,
): AsyncGenerator<ScanPage<R>, undefined> {
  for (let cursor: string | undefined; ;) {
    const page = await records.scan<R>({ ...scan, limit: PAGE, ...(cursor !== undefined && { cursor }) });
    yield page;
    cursor = page.cursor;
    if (cursor === undefined) return undefined;
  }
}
