import type { Reply } from '../../http/message.ts';
import { collect } from '../../lifecycle/collect/collect.ts';
import { beginMeasurement, saveMeasured } from '../../lifecycle/usage/measurement.ts';
import { decodeName } from '../../model/record.ts';
import type { Context } from '../../store/context.ts';
import { type RegistryArmCall, answer } from '../arm.ts';
import { readBody } from '../body.ts';

/** How long one call collects; the next goes on where it stopped. */
const CALL_MS = 20_000;

/**
 * POST collect `{dryRun}`, our own: what the daily collection does, now. A call that says `finished: false` has done a
 * part, and the next one goes on; a dry run begins anew each time, and names examples.
 */
export async function runCollection(ctx: Context, { registry, request }: RegistryArmCall): Promise<Reply> {
  const dryRun = (await readBody(request)).only('dryRun').flag('dryRun') ?? false;
  const mark = dryRun ? undefined : await beginMeasurement(ctx, registry);
  const { finished, seconds, totals, measured, examples } = await collect(ctx, registry, {
    dryRun,
    milliseconds: CALL_MS,
  });
  if (mark && measured) await saveMeasured(ctx, registry, mark, measured);
  const shown = examples.map(({ digest, repositories, bytes }) => ({
    digest,
    repositories: repositories.map(decodeName),
    bytes,
  }));
  return answer(200, { dryRun, finished, seconds, ...totals, ...(dryRun && { examples: shown }) });
}
