import type { Repository } from '../../model/names.ts';
import type { Policy } from '../../model/policy/policy.ts';
import type { Context } from '../../store/context.ts';

/**
 * Has the manifests of a repository judged soon, after one of them lost a tag, where the retention policy gives them no
 * days. Never throws: the daily run finds them, too. No call, or one.
 */
export async function judgeUntagged(
  ctx: Context,
  { registry, name }: Repository,
  { sweepsUntagged }: Policy,
): Promise<void> {
  if (!sweepsUntagged) return;
  try {
    await ctx.work.send({ kind: 'retain', registry, name });
  } catch (error) {
    ctx.log('warn', 'untagged manifests are left to the daily run', { registry, name, error: String(error) });
  }
}
