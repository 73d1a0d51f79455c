import { Sums } from '../../src/lifecycle/collect/measured.ts';
import { beginMeasurement, saveMeasured } from '../../src/lifecycle/usage/measurement.ts';
import type { LinkRow, ManifestRow, TableName } from '../../src/model/record.ts';
import type { TestApp } from '../support/app.ts';

/** Measures a registry as a collection does that sees all of it; `meanwhile` happens after it has. */
export async function measure(
  app: TestApp,
  meanwhile: () => Promise<unknown> = () => Promise.resolve(),
): Promise<void> {
  const ctx = app.app.context;
  const mark = await beginMeasurement(ctx, app.registry);
  const sums = await sumsOf(app);
  await meanwhile();
  await saveMeasured(ctx, app.registry, mark, sums);
}

/** What is in the rows of a registry. */
export async function sumsOf(app: TestApp): Promise<Sums> {
  const sums = new Sums();
  for (const { partition, row, value } of await scanAll<ManifestRow>(app, 'repos'))
    if (row.startsWith('m!')) sums.addManifest(partition.slice(app.registry.length + 1), value.size);
  const blobs = await scanAll<LinkRow>(app, 'blobs');
  for (const [, rows] of Map.groupBy(blobs, ({ partition }) => partition)) {
    const links = rows.flatMap(({ row }) => row.split('!')[1] ?? []);
    sums.addBlob(rows[0]?.value.size ?? 0, links);
  }
  return sums;
}

async function scanAll<R>({ stores, registry }: TestApp, table: TableName) {
  const partitions = { from: `${registry}!`, before: `${registry}!~` };
  const { rows, cursor } = await stores.records.scan<R>({
    table,
    partitions,
    from: '!',
    before: '~',
    limit: 1000,
  });
  if (cursor !== undefined) throw new Error('more rows than tests have');
  return rows;
}
