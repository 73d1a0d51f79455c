import { createHash } from 'node:crypto';
import { type Algorithm, type Digest, algorithmOf, finish } from '../model/digest.ts';
import type { Repository } from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import { physicalName, publishBlob } from '../registry/blobs.ts';
import { type BlobName, MissingBlock } from '../store/blobs.ts';
import type { Context } from '../store/context.ts';
import { timedId } from '../store/ids.ts';
import { closeHash, runHash } from './progress.ts';
import { SEGMENT_LIMIT, type Session, blocksOf, openSession, sealSession } from './session.ts';
import { type Staged, stageBody } from './stage.ts';

/** Bodies announced up to this size are hashed resumably: a client that sends small pieces sends more of them. */
const CHUNK_BYTES = 16 * 1024 * 1024;

/** A request admitted before its session expired may end this much later, in seconds: half of what the sweep waits. */
const LATE_SECONDS = 1800;

/** What came with an upload request. */
export interface Chunk {
  readonly body: AsyncIterable<Uint8Array> | null;
  /** Bytes announced; undefined for a chunked encoding. */
  readonly length: number | undefined;
  /** `Content-Range`: first and last byte, both included. */
  readonly range?: { readonly first: number; readonly last: number } | undefined;
}

/** A new session of `owner`. No call. */
export function beginUpload(
  ctx: Context,
  owner: string | undefined,
  algorithm: Algorithm = 'sha256',
): Session {
  return {
    id: timedId(ctx),
    owner: owner ?? '',
    offset: 0,
    segments: [],
    chained: false,
    algorithm,
    progress: { kind: 'empty' },
    issued: Math.floor(ctx.now() / 1000),
  };
}

/** The state for `Location`. */
export function sealUpload(ctx: Context, repository: Repository, session: Session): string {
  return sealSession(session, repository, ctx.settings.uploadKey);
}

/**
 * The session that a `Location` of ours proves: it stands for its owner, whose token may have expired meanwhile. Throws
 * BLOB_UPLOAD_UNKNOWN when it is forged, of another repository, too old, or presented by somebody else.
 */
export function resumeUpload(
  ctx: Context,
  repository: Repository,
  id: string,
  state: string,
  presenter: string | undefined,
): Session {
  const session = openSession(state, id, repository, ctx.settings.uploadKey);
  if (!session || session.issued + ctx.settings.uploadSeconds < ctx.now() / 1000) throw unknownUpload(id);
  if (presenter !== undefined && presenter !== session.owner) throw unknownUpload(id);
  return session;
}

/** Takes the next bytes of an upload. Throws UPLOAD_RANGE, SIZE_INVALID, TOO_LARGE. One call per block. */
export async function appendUpload(
  ctx: Context,
  repository: Repository,
  session: Session,
  chunk: Chunk,
): Promise<Session> {
  checkChunk(ctx, session, chunk);
  const resumable = chunk.range !== undefined || (chunk.length !== undefined && chunk.length <= CHUNK_BYTES);
  const { next } = await receive(ctx, repository, session, chunk, { resumable, keepSmall: false });
  return next;
}

/**
 * Ends an upload with its last bytes, if any: checks the digest, commits, links. Safe to repeat: a session committed
 * as `digest` answers the same again. Throws DIGEST_INVALID, BLOB_UPLOAD_UNKNOWN and what `appendUpload` throws.
 */
export async function finishUpload(
  ctx: Context,
  repository: Repository,
  session: Session,
  digest: Digest,
  chunk: Chunk,
): Promise<void> {
  checkChunk(ctx, session, chunk);
  const algorithm = algorithmOf(digest);
  const fresh = session.offset === 0;
  const start = fresh ? { ...session, algorithm } : session;
  const { next, staged } = await receive(ctx, repository, start, chunk, {
    resumable: false,
    keepSmall: fresh,
  });
  const found = await closeHash(next.progress, algorithm);
  if (found !== undefined && found !== digest) throw new Problem('DIGEST_INVALID', { digest, found });

  const at = physicalName(repository, next.id);
  // Bytes named by another algorithm than the session's are marked, so that nobody names them by that one, too.
  const own = algorithm === session.algorithm;
  const outcome = await commit(ctx, at, next, staged.whole, own ? found : digest);
  if (outcome === 'exists') await checkTaken(ctx, at, next, digest);
  else if (found === undefined && (await readBack(ctx, at, algorithm)) !== digest)
    // The bytes stay: deleting them would free a name that another branch of the session may take meanwhile.
    throw new Problem('DIGEST_INVALID', { digest });
  if (isLate(ctx, next)) throw unknownUpload(next.id);
  await publishBlob(ctx, repository, digest, next.id, next.offset);
}

/**
 * Drops what was staged and closes the session: an empty blob takes its name, so that no later commit can. A session
 * that finished stays finished. One call.
 */
export async function cancelUpload(ctx: Context, repository: Repository, session: Session): Promise<void> {
  await ctx.blobs.commit(physicalName(repository, session.id), [], undefined);
}

function checkChunk(ctx: Context, session: Session, { length, range }: Chunk): void {
  const limit = ctx.settings.maxBodyBytes;
  if (limit !== undefined && length !== undefined && length > limit)
    throw new Problem('TOO_LARGE', { limit, length });
  if (!range) return;
  if (range.first !== session.offset || (length !== undefined && length !== range.last - range.first + 1)) {
    throw new Problem('UPLOAD_RANGE', { expected: session.offset, ...range });
  }
}

async function receive(
  ctx: Context,
  repository: Repository,
  session: Session,
  chunk: Chunk,
  how: { resumable: boolean; keepSmall: boolean },
): Promise<{ next: Session; staged: Staged }> {
  const { body, range } = chunk;
  if (!body || chunk.length === 0) {
    const whole = how.keepSmall ? { whole: new Uint8Array(0) } : {};
    return { next: session, staged: { bytes: 0, blocks: 0, ...whole } };
  }
  const hash = await runHash(session.progress, session.algorithm, how.resumable);
  const nonce = Buffer.from(ctx.random(6)).toString('base64url');
  const parent = session.segments.at(-1)?.nonce;
  const limit = ctx.settings.maxBodyBytes;
  const at = physicalName(repository, session.id);
  const staged = await stageBody(ctx.blobs, at, body, {
    parent,
    nonce,
    hash,
    limit,
    keepSmall: how.keepSmall,
  });
  const expected = chunk.length ?? (range ? range.last - range.first + 1 : undefined);
  if (expected !== undefined && expected !== staged.bytes) {
    throw new Problem('SIZE_INVALID', { expected, received: staged.bytes });
  }
  if (staged.bytes === 0) return { next: session, staged };
  const segments =
    staged.blocks === 0 ? session.segments : [...session.segments, { nonce, blocks: staged.blocks }];
  const next = {
    ...session,
    offset: session.offset + staged.bytes,
    segments: segments.slice(-SEGMENT_LIMIT),
    chained: session.chained || segments.length > SEGMENT_LIMIT,
    progress: hash.close(),
  };
  return { next, staged };
}

async function commit(
  ctx: Context,
  at: BlobName,
  session: Session,
  whole: Uint8Array | undefined,
  digest: Digest | undefined,
): Promise<'committed' | 'exists'> {
  if (whole) return await ctx.blobs.put(at, whole, digest);
  try {
    const blocks = blocksOf(session, session.chained ? await ctx.blobs.staged(at) : []);
    // Storage forgets the staged list at commit, so a repeated chained commit is told apart by the blob itself.
    if (blocks) return await ctx.blobs.commit(at, blocks, digest);
    if (await ctx.blobs.stat(at)) return 'exists';
  } catch (error) {
    if (!(error instanceof MissingBlock)) throw error;
  }
  throw unknownUpload(session.id);
}

/**
 * Checks bytes that were committed before: by an earlier try of this request, or by another branch of the session.
 * Throws BLOB_UPLOAD_UNKNOWN unless they are what `digest` names, and no other digest can name them: collection of one
 * would take the other's bytes. Bytes marked with the session's own kind of digest were verified; those without a mark
 * can be named by that kind alone; a mark of another kind may be a mere claim.
 */
async function checkTaken(ctx: Context, at: BlobName, session: Session, digest: Digest): Promise<void> {
  const algorithm = algorithmOf(digest);
  const own = algorithm === session.algorithm;
  const stat = await ctx.blobs.stat(at);
  // A cancelled session is an empty blob without a mark.
  const isMarked = stat?.digest !== undefined;
  const isPossible = isMarked ? stat.digest === digest : own && session.offset > 0;
  if (stat?.size !== session.offset || !isPossible) throw unknownUpload(session.id);
  if (isMarked && own) return;
  if ((await readBack(ctx, at, algorithm)) !== digest) throw unknownUpload(session.id);
}

/** Whether the sweep of abandoned uploads may be at this session: long after the last request that it admits. */
function isLate(ctx: Context, { issued }: Session): boolean {
  return issued + ctx.settings.uploadSeconds + LATE_SECONDS < ctx.now() / 1000;
}

/** The digest of committed bytes, where none could be kept on the way. */
async function readBack(ctx: Context, at: BlobName, algorithm: Algorithm): Promise<Digest | undefined> {
  const bytes = await ctx.blobs.read(at);
  if (!bytes) return undefined;
  const hash = createHash(algorithm);
  for await (const piece of bytes) hash.update(piece);
  return finish(hash, algorithm);
}

function unknownUpload(id: string): Problem {
  return new Problem('BLOB_UPLOAD_UNKNOWN', { upload: id.slice(0, 100) });
}
