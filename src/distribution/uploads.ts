import type { RepositoryCall } from '../http/call.ts';
import { type Reply, announcedLength } from '../http/message.ts';
import { parseChunkRange } from '../http/range.ts';
import { type Digest, algorithmOf, digestOf, isAlgorithm, isDigest, parseDigest } from '../model/digest.ts';
import { isRepositoryName } from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import { mountBlob } from '../registry/blobs.ts';
import { demandRoom } from '../registry/change/commit.ts';
import { demandOpen, isClosed } from '../registry/locks.ts';
import type { Context } from '../store/context.ts';
import type { Session } from '../uploads/session.ts';
import {
  type Chunk,
  appendUpload,
  beginUpload,
  cancelUpload,
  finishUpload,
  resumeUpload,
  sealUpload,
} from '../uploads/uploads.ts';

/**
 * Clients that stay where they are: `@azure/container-registry` appends `Location` to its endpoint less one character,
 * and oras 1.3 (helm and notation share its library) refuses a `Location` on another host.
 */
const RELATIVE_ONLY = /azsdk-js-|oras|^helm\/|^notation/i;

/**
 * POST uploads (end-4a, 4b, 4c, 11): mounts, takes a whole blob, or begins a session. A mount that cannot be made is
 * an ordinary 202, as the specification wants. Nothing of it, nor of PATCH and PUT, where storage is used up.
 */
export async function postUpload(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { query, repository, policy } = call;
  demandRoom(policy);
  await demandOpen(ctx, repository, policy, 'write');
  const mount = query.get('mount');
  const from = query.get('from');
  if (mount !== null && isDigest(mount) && from !== null && isRepositoryName(from)) {
    const source = { registry: repository.registry, name: from };
    // What may not be pulled there is as if it were not there: an ordinary upload follows.
    const mayPull = call.allows(source, 'pull') && !(await isClosed(ctx, source, policy, 'read'));
    if (mayPull && (await mountBlob(ctx, repository, source, mount))) return created(call, mount);
  }
  const algorithm = query.get('digest-algorithm') ?? 'sha256';
  if (!isAlgorithm(algorithm)) {
    throw new Problem(
      'DIGEST_INVALID',
      { algorithm: algorithm.slice(0, 100) },
      { message: 'unsupported algorithm' },
    );
  }
  const session = beginUpload(ctx, call.subject, algorithm);
  const digest = query.get('digest');
  const expected = digest === null ? undefined : parseDigest(digest);
  const chunk = readChunk(call);
  if (expected && (hasBytes(chunk) || isOfNothing(expected))) {
    await finishUpload(ctx, repository, session, expected, chunk);
    return created(call, expected);
  }
  return accepted(ctx, call, session, uploadEndpoint(ctx, call));
}

/** PATCH an upload (end-5): the next bytes, streamed or as a chunk with `Content-Range`. */
export async function patchUpload(ctx: Context, call: RepositoryCall): Promise<Reply> {
  demandRoom(call.policy);
  const chunk = readChunk(call);
  const session = resume(ctx, call, chunk);
  if (ctx.recentUploads.get(session.id) === 'ended') throw unknownUpload(session);
  const next = await appendUpload(ctx, call.repository, session, chunk);
  return accepted(ctx, call, next, '');
}

/** PUT an upload (end-6): its last bytes, if any, and its digest. */
export async function putUpload(ctx: Context, call: RepositoryCall): Promise<Reply> {
  demandRoom(call.policy);
  const digest = parseDigest(call.query.get('digest') ?? '');
  const chunk = readChunk(call);
  const session = resume(ctx, call, chunk);
  await demandOpen(ctx, call.repository, call.policy, 'write');
  await finishUpload(ctx, call.repository, session, digest, chunk);
  ctx.recentUploads.set(session.id, 'ended');
  return created(call, digest);
}

/** GET an upload (end-13): how far it has come. */
export async function getUpload(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { 'content-length': _, ...headers } = progressHeaders(ctx, call, newest(ctx, call), '');
  return { status: 204, headers };
}

/** DELETE an upload (end-14). */
export async function deleteUpload(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const session = newest(ctx, call);
  await cancelUpload(ctx, call.repository, session);
  ctx.recentUploads.set(session.id, 'ended');
  return { status: 204, headers: {} };
}

function readChunk({ request }: RepositoryCall): Chunk {
  const header = request.headers.get('content-range');
  const range = header === null ? undefined : parseChunkRange(header);
  if (header !== null && !range) throw new Problem('UPLOAD_RANGE', { 'Content-Range': header.slice(0, 100) });
  return { body: request.body, length: announcedLength(request), range };
}

/** The session that a request presents. Throws BLOB_UPLOAD_UNKNOWN. */
function presented(ctx: Context, call: RepositoryCall): Session {
  return resumeUpload(ctx, call.repository, call.reference, call.query.get('_state') ?? '', call.subject);
}

/** The session as far as this instance knows it: newer than presented when the client lost an answer. */
function newest(ctx: Context, call: RepositoryCall): Session {
  const session = presented(ctx, call);
  const recent = ctx.recentUploads.get(session.id);
  if (recent === 'ended') throw unknownUpload(session);
  if (!recent || recent.offset <= session.offset) return session;
  return resumeUpload(ctx, call.repository, session.id, recent.state, call.subject);
}

/**
 * The session a chunk belongs to; one that does not continue it is told where to go on (416). An ended session is
 * returned as presented: a closing request that is repeated must be answered as before.
 */
function resume(ctx: Context, call: RepositoryCall, { range, length }: Chunk): Session {
  const shown = presented(ctx, call);
  if (!range || ctx.recentUploads.get(shown.id) === 'ended') return shown;
  const session = newest(ctx, call);
  const continues = range.first === session.offset;
  if (continues && (length === undefined || length === range.last - range.first + 1)) return session;
  const headers = progressHeaders(ctx, call, session, '');
  throw new Problem('UPLOAD_RANGE', { expected: session.offset, ...range }, { headers });
}

function hasBytes({ body, length }: Chunk): boolean {
  return body !== null && length !== 0;
}

/** Content without bytes arrives by a request without a body. */
function isOfNothing(digest: Digest): boolean {
  return digest === digestOf(new Uint8Array(0), algorithmOf(digest));
}

function unknownUpload({ id }: Session): Problem {
  return new Problem('BLOB_UPLOAD_UNKNOWN', { upload: id });
}

function accepted(ctx: Context, call: RepositoryCall, session: Session, endpoint: string): Reply {
  return { status: 202, headers: progressHeaders(ctx, call, session, endpoint) };
}

function progressHeaders(ctx: Context, call: RepositoryCall, session: Session, endpoint: string) {
  const state = sealUpload(ctx, call.repository, session);
  if (session.offset > 0) ctx.recentUploads.set(session.id, { offset: session.offset, state });
  return {
    location: `${endpoint}/v2/${call.repository.name}/blobs/uploads/${session.id}?_state=${state}`,
    range: `0-${Math.max(0, session.offset - 1)}`,
    'docker-upload-uuid': session.id,
    'content-length': '0',
  };
}

function created({ repository }: RepositoryCall, digest: string): Reply {
  return {
    status: 201,
    headers: {
      location: `/v2/${repository.name}/blobs/${digest}`,
      'docker-content-digest': digest,
      'content-length': '0',
    },
  };
}

/** The upload-host lane (DESIGN section 4): bytes go to a host without the platform's limits. */
function uploadEndpoint(ctx: Context, { request }: RepositoryCall): string {
  const endpoint = ctx.settings.uploadEndpoint ?? '';
  return RELATIVE_ONLY.test(request.headers.get('user-agent') ?? '') ? '' : endpoint;
}
