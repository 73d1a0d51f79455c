import type { RetentionDocument } from '../../../model/access.ts';
import type { ManifestState, Select } from '../state.ts';

const DAY_MS = 86_400_000;
const DOCKER: ReadonlySet<string> = new Set([
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]);

/**
 * ACR's retention policy (ACR features section 5): manifests that lost their last tag while it was in force, some days
 * ago. Those that never had one are not its business, but those that only such an index listed: they go along, where
 * ACR leaves them for ever. `dockerOnly` follows ACR in this, too.
 */
export function selectRetained(
  { days, updated, dockerOnly = false }: Pick<RetentionDocument, 'days' | 'updated' | 'dockerOnly'>,
  now: number,
): Select {
  const until = now - days * DAY_MS;
  const isDue = ({ untagged, mediaType }: ManifestState) =>
    untagged !== undefined &&
    untagged >= updated &&
    untagged <= until &&
    (!dockerOnly || DOCKER.has(mediaType));
  const takes = ({ untagged }: ManifestState) => untagged === undefined || untagged <= until;
  return ({ manifests }) => ({
    tags: [],
    manifests: [...manifests.values()]
      .filter(isDue)
      .map(({ digest }) => ({ digest, why: 'retention', ...(!dockerOnly && { takes }) })),
  });
}
