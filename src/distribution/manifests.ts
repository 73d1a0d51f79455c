import type { RepositoryCall } from '../http/call.ts';
import { readBytes } from '../http/body.ts';
import type { Reply } from '../http/message.ts';
import { algorithmOf } from '../model/digest.ts';
import { type Manifest, parseManifest } from '../model/manifest.ts';
import {
  type Reference,
  type Repository,
  type Tag,
  isTag,
  parseReference,
  parseTag,
} from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import { putManifest } from '../registry/change/push.ts';
import { type ManifestInfo, type Reading, getManifest, statManifest } from '../registry/manifests.ts';
import type { Context } from '../store/context.ts';

/** HEAD a manifest (end-3). */
export async function headManifest(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { repository } = call;
  const reference = existing(repository, call.reference);
  return { status: 200, headers: describe(await statManifest(ctx, repository, reference, readingOf(call))) };
}

/** GET a manifest (end-3): as it was pushed, whatever `Accept` says. */
export async function getManifestContent(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { repository } = call;
  const found = await getManifest(ctx, repository, existing(repository, call.reference), readingOf(call));
  const headers = describe(found);
  note(call, found);
  if (call.request.headers.get('if-none-match') === headers.etag) {
    const { 'docker-content-digest': digest, etag } = headers;
    return { status: 304, headers: { 'docker-content-digest': digest, etag } };
  }
  return { status: 200, headers, body: found.bytes };
}

/** PUT a manifest (end-7a), by digest with any number of `?tag=` (end-7b), or by tag. */
export async function putManifestContent(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { repository, request, query, cause } = call;
  const reference = parseReference(call.reference);
  const tags = [...new Set([...named(reference), ...query.getAll('tag').map(parseTag)])];
  const bytes = await readBytes(request, ctx.settings.maxManifestBytes);
  const algorithm = reference.kind === 'digest' ? algorithmOf(reference.digest) : 'sha256';
  const manifest = parseManifest(bytes, request.headers.get('content-type'), algorithm);
  const { digest, subject } = manifest;
  note(call, { ...manifest, size: bytes.length });
  if (reference.kind === 'digest' && reference.digest !== digest) {
    throw new Problem('DIGEST_INVALID', { digest: reference.digest, found: digest });
  }
  await putManifest(ctx, repository, manifest, tags, call.policy, cause);
  return {
    status: 201,
    headers: {
      location: `/v2/${repository.name}/manifests/${digest}`,
      'docker-content-digest': digest,
      ...(subject && { 'oci-subject': subject }),
      ...(query.has('tag') && { 'oci-tag': tags }),
      'content-length': '0',
    },
  };
}

/** DELETE a manifest with its tags, or a tag alone (end-9). */
export async function deleteReference(ctx: Context, call: RepositoryCall): Promise<Reply> {
  const { repository, policy, cause } = call;
  const reference = existing(repository, call.reference);
  // Loaded at its use: a cold start is for pushes and pulls, and should not pay for it.
  const { deleteManifest, deleteTag } = await import('../registry/change/delete.ts');
  if (reference.kind === 'tag') await deleteTag(ctx, repository, reference.tag, policy, cause);
  else await deleteManifest(ctx, repository, reference.digest, policy, cause);
  return { status: 202, headers: { 'content-length': '0' } };
}

function readingOf({ policy, allows, repository }: RepositoryCall): Reading {
  return { policy, seesQuarantined: allows(repository, 'quarantine_read') };
}

/** The reference of something that should be there: a name that no tag can have is merely unknown (conformance suite). */
function existing(repository: Repository, text: string): Reference {
  if (text.includes(':') || isTag(text)) return parseReference(text);
  throw new Problem('MANIFEST_UNKNOWN', { Name: repository.name, Tag: text.slice(0, 200) });
}

function note({ noted }: RepositoryCall, info: ManifestInfo & Pick<Manifest, 'artifactType'>): void {
  const { digest, mediaType, size, artifactType } = info;
  if (noted) Object.assign(noted, { digest, mediaType, size, ...(artifactType && { artifactType }) });
}

function named(reference: Reference): Tag[] {
  return reference.kind === 'tag' ? [reference.tag] : [];
}

function describe({ digest, mediaType, size }: ManifestInfo) {
  return {
    'content-type': mediaType,
    'content-length': String(size),
    'docker-content-digest': digest,
    etag: `"${digest}"`,
  };
}
