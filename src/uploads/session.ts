import { createHmac, timingSafeEqual } from 'node:crypto';
import { type Algorithm, isAlgorithm, isDigest } from '../model/digest.ts';
import type { Repository } from '../model/names.ts';
import type { Progress } from './progress.ts';

/**
 * An upload session: all of its state, carried by the client in `Location` and signed by us (DESIGN section 4).
 * Forks are harmless: each request stages under a nonce of its own, and the state names the nonces it built on.
 */
export interface Session {
  /** Names the session on the wire and its bytes in storage; a UUID of version 7, which tells its age. */
  readonly id: string;
  /** Subject of the identity that began it; empty where nobody was asked. */
  readonly owner: string;
  /** Bytes received. */
  readonly offset: number;
  /** The newest requests that staged blocks, oldest first. */
  readonly segments: readonly Segment[];
  /** Older segments were left out: block ids lead to them. */
  readonly chained: boolean;
  /** Announced by `digest-algorithm`, else sha256. */
  readonly algorithm: Algorithm;
  readonly progress: Progress;
  /** Seconds since 1970 when the session began. */
  readonly issued: number;
}

/** The blocks that one request staged. */
export interface Segment {
  /** 6 random bytes as base64url. */
  readonly nonce: string;
  readonly blocks: number;
}

/** More would make the URL long: the Functions host stops at 4,096 bytes. */
export const SEGMENT_LIMIT = 40;

const VERSION = 1;
const MAC_BYTES = 16;

/** The state as it travels: `<payload>.<mac>`, base64url, safe against decoding and reordering of the query. */
export function sealSession(session: Session, repository: Repository, key: Uint8Array): string {
  const { offset, segments, chained, algorithm, progress, issued } = session;
  const owner = Buffer.from(session.owner).toString('base64url');
  const fields = [
    VERSION,
    owner,
    offset,
    issued,
    algorithm,
    chained ? 1 : 0,
    ...packProgress(progress),
    ...packSegments(segments),
  ];
  const payload = Buffer.from(fields.join(',')).toString('base64url');
  return `${payload}.${macOf(payload, session.id, repository, key).toString('base64url')}`;
}

/** The session that `state` proves for this id and repository; undefined when it proves nothing. */
export function openSession(
  state: string,
  id: string,
  repository: Repository,
  key: Uint8Array,
): Session | undefined {
  const [payload = '', mac = '', ...rest] = state.split('.');
  const given = Buffer.from(mac, 'base64url');
  if (rest.length > 0 || given.length !== MAC_BYTES) return undefined;
  if (!timingSafeEqual(given, macOf(payload, id, repository, key))) return undefined;
  return unpack(id, Buffer.from(payload, 'base64url').toString().split(','));
}

function macOf(payload: string, id: string, repository: Repository, key: Uint8Array): Buffer {
  const bound = JSON.stringify([repository.registry, repository.name, id, payload]);
  return createHmac('sha256', key).update(bound).digest().subarray(0, MAC_BYTES);
}

function packProgress(progress: Progress): string[] {
  switch (progress.kind) {
    case 'empty':
      return ['e', ''];
    case 'state':
      return ['s', Buffer.from(progress.state).toString('base64url')];
    case 'digest':
      return ['d', progress.digest];
    case 'unknown':
      return ['u', ''];
  }
}

function packSegments(segments: readonly Segment[]): string[] {
  return segments.flatMap(({ nonce, blocks }) => [nonce, blocks.toString(36)]);
}

function unpack(id: string, fields: readonly string[]): Session | undefined {
  const [version, owner = '', offset, issued, algorithm = '', chained, kind = '', value = '', ...packed] =
    fields;
  const progress = isAlgorithm(algorithm) ? unpackProgress(kind, value, algorithm) : undefined;
  if (Number(version) !== VERSION || !isAlgorithm(algorithm) || !progress) return undefined;
  const segments: Segment[] = [];
  for (let i = 0; i + 1 < packed.length; i += 2) {
    segments.push({ nonce: packed[i] ?? '', blocks: Number.parseInt(packed[i + 1] ?? '', 36) });
  }
  return {
    id,
    owner: Buffer.from(owner, 'base64url').toString(),
    offset: Number(offset),
    issued: Number(issued),
    algorithm,
    chained: chained === '1',
    progress,
    segments,
  };
}

function unpackProgress(kind: string, value: string, algorithm: Algorithm): Progress | undefined {
  if (kind === 'e') return { kind: 'empty' };
  if (kind === 's')
    return { kind: 'state', algorithm, state: new Uint8Array(Buffer.from(value, 'base64url')) };
  if (kind === 'd' && isDigest(value)) return { kind: 'digest', digest: value };
  return kind === 'u' ? { kind: 'unknown' } : undefined;
}

const ROOT = 'AAAAAAAA';

/**
 * A block id: the nonce of the request before, the nonce of this request, the index; 15 bytes as base64. The first
 * part lets a commit find segments that the state left out; the fresh second part means that bytes sent twice to one
 * old `Location` never replace each other (storage-design section 6, "Security trap").
 */
export function blockId(parent: string | undefined, nonce: string, index: number): string {
  const bytes = Buffer.alloc(15);
  bytes.write(parent ?? ROOT, 0, 6, 'base64url');
  bytes.write(nonce, 6, 6, 'base64url');
  bytes.writeUIntBE(index, 12, 3);
  return bytes.toString('base64');
}

/**
 * All block ids of the session in order. `staged` must list what storage holds when the session is chained;
 * undefined when a segment is missing there.
 */
export function blocksOf(session: Session, staged: readonly string[] = []): string[] | undefined {
  const segments = session.chained ? followChain(session, staged) : session.segments;
  return segments?.flatMap(({ nonce, blocks }, i) =>
    Array.from({ length: blocks }, (_, index) => blockId(segments[i - 1]?.nonce, nonce, index)),
  );
}

function followChain(session: Session, staged: readonly string[]): Segment[] | undefined {
  const found = new Map<string, { parent: string; blocks: number }>();
  for (const id of staged) {
    const bytes = Buffer.from(id, 'base64');
    const nonce = bytes.toString('base64url', 6, 12);
    const parent = bytes.toString('base64url', 0, 6);
    found.set(nonce, { parent, blocks: (found.get(nonce)?.blocks ?? 0) + 1 });
  }
  const chain: Segment[] = [];
  for (let nonce = session.segments.at(-1)?.nonce ?? ROOT; nonce !== ROOT;) {
    const entry = found.get(nonce);
    if (!entry) return undefined;
    chain.push({ nonce, blocks: entry.blocks });
    found.delete(nonce);
    nonce = entry.parent;
  }
  return chain.toReversed();
}
