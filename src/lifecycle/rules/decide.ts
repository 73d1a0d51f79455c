import { type Digest, parseDigest } from '../../model/digest.ts';
import { unpackDigests } from '../../model/manifest.ts';
import { isLocked } from '../../model/policy/locks.ts';
import { type GoingTag, type ManifestState, type Selection, type State, tagsLeft } from './state.ts';

/** A manifest that goes. */
export interface Going {
  readonly digest: Digest;
  readonly why: string;
  /** Nothing else that goes lists it or is its subject. */
  readonly first: boolean;
}

export interface Decision {
  readonly tags: readonly GoingTag[];
  /**
   * Manifests that hang together, those first that list others or are their subject: in this order nothing that is left
   * ever lacks a part.
   */
  readonly units: readonly (readonly Going[])[];
}

/**
 * What of a selection really goes. Kept is what is locked or has a tag left; what a manifest that stays lists, and what
 * that lists; and referrers of a manifest that stays. With a manifest go its referrers that nothing of this keeps.
 */
export function decide(state: State, selection: Selection): Decision {
  const { unlocks = false } = selection;
  const isFree = (row: { readonly locks?: string }) => unlocks || !isLocked(row, 'delete', 'write');
  const tags = selection.tags.filter(({ tag }) => isFree(tag));
  const tagged = new Set<string>(tagsLeft(state, tags).map(({ digest }) => digest));
  const graph = new Graph(state);
  const mayGo = possible(graph, selection, (manifest) => isFree(manifest) && !tagged.has(manifest.digest));
  for (const digest of kept(graph, mayGo)) mayGo.delete(digest);
  return { tags, units: inUnits(graph, mayGo) };
}

/** What names what in a repository. */
class Graph {
  readonly manifests: State['manifests'];
  readonly #referrers = new Map<string, ManifestState[]>();

  constructor({ manifests }: State) {
    this.manifests = manifests;
    for (const manifest of manifests.values()) {
      if (manifest.subject === undefined) continue;
      const others = this.#referrers.get(manifest.subject);
      if (others) others.push(manifest);
      else this.#referrers.set(manifest.subject, [manifest]);
    }
  }

  /** Manifests that it lists, as far as they are there. */
  children({ refs }: ManifestState): readonly ManifestState[] {
    return unpackDigests(refs).flatMap((digest) => this.manifests.get(digest) ?? []);
  }

  referrers({ digest }: ManifestState): readonly ManifestState[] {
    return this.#referrers.get(digest) ?? [];
  }
}

/** What would go if nothing that stays needed it: by digest, with the reason. */
function possible(
  graph: Graph,
  { manifests }: Selection,
  isFree: (manifest: ManifestState) => boolean,
): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (manifest: ManifestState | undefined, why: string): boolean => {
    if (!manifest || found.has(manifest.digest) || !isFree(manifest)) return false;
    found.set(manifest.digest, why);
    return true;
  };
  for (const { digest, why, takes } of manifests) {
    const start = graph.manifests.get(digest);
    if (!start || !isFree(start)) continue;
    visit(start, why);
    const queue = [start];
    for (const manifest of queue) {
      const children = takes
        ? graph.children(manifest).filter((child) => child.subject === undefined && takes(child))
        : [];
      for (const next of [...graph.referrers(manifest), ...children]) if (visit(next, why)) queue.push(next);
    }
  }
  return found;
}

/** What of that is needed by something that stays. */
function kept(graph: Graph, mayGo: ReadonlyMap<string, string>): ReadonlySet<string> {
  const found = new Set<string>();
  const queue = [...graph.manifests.values()].filter(({ digest }) => !mayGo.has(digest));
  for (const manifest of queue) {
    for (const next of [...graph.children(manifest), ...graph.referrers(manifest)]) {
      if (!mayGo.has(next.digest) || found.has(next.digest)) continue;
      found.add(next.digest);
      queue.push(next);
    }
  }
  return found;
}

function inUnits(graph: Graph, going: ReadonlyMap<string, string>): readonly (readonly Going[])[] {
  const before = new Map<string, string[]>([...going.keys()].map((digest) => [digest, []]));
  const links = new Map<string, string[]>([...going.keys()].map((digest) => [digest, []]));
  for (const digest of going.keys()) {
    const manifest = graph.manifests.get(digest);
    if (!manifest) continue;
    for (const next of [...graph.children(manifest), ...graph.referrers(manifest)]) {
      before.get(next.digest)?.push(digest);
      if (!going.has(next.digest)) continue;
      links.get(next.digest)?.push(digest);
      links.get(digest)?.push(next.digest);
    }
  }
  const seen = new Set<string>();
  const units: Going[][] = [];
  for (const digest of going.keys()) {
    const together = connected(digest, links, seen);
    if (together.length === 0) continue;
    const order = inOrder(together, before);
    units.push(
      order.map((one, i) => ({
        digest: parseDigest(one),
        why: going.get(one) ?? '',
        first: i === 0 || before.get(one)?.length === 0,
      })),
    );
  }
  return units;
}

/** All that hangs together with a manifest, unless it was met before. */
function connected(
  start: string,
  links: ReadonlyMap<string, readonly string[]>,
  seen: Set<string>,
): readonly string[] {
  if (seen.has(start)) return [];
  seen.add(start);
  const found = [start];
  for (const digest of found) {
    for (const next of links.get(digest) ?? []) {
      if (seen.has(next)) continue;
      seen.add(next);
      found.push(next);
    }
  }
  return found;
}

/** What comes before others first; an index may list its own subject, then either order will do. */
function inOrder(
  digests: readonly string[],
  before: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  const edges = digests.flatMap((to) => (before.get(to) ?? []).map((from) => ({ from, to })));
  const after = Map.groupBy(edges, ({ from }) => from);
  const waiting = new Map(digests.map((digest) => [digest, before.get(digest)?.length ?? 0]));
  const ready = digests.filter((digest) => waiting.get(digest) === 0);
  for (const digest of ready) {
    for (const { to } of after.get(digest) ?? []) {
      const left = (waiting.get(to) ?? 0) - 1;
      waiting.set(to, left);
      if (left === 0) ready.push(to);
    }
  }
  const done = new Set(ready);
  return [...ready, ...digests.filter((digest) => !done.has(digest))];
}
