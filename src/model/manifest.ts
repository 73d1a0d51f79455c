import { type Algorithm, type Digest, digestOf, isDigest, toDigest } from './digest.ts';
import { Problem } from './problem.ts';

const INDEX_TYPES: readonly string[] = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];
/** Far beyond any manifest; what nests deeper cannot be written back as JSON. */
const DEPTH_LIMIT = 200;
const [QUOTE, BACKSLASH, OBJECT, OBJECT_END, LIST, LIST_END] = Buffer.from('"\\{}[]');
const SCHEMA1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+(json|prettyjws)$/;
const FOREIGN = /nondistributable|foreign/;
const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;

/** A manifest that was checked (image-spec "Image Manifest", "Image Index"; Docker schema 2). */
export interface Manifest {
  readonly digest: Digest;
  readonly mediaType: string;
  /** As received: the digest is over these. */
  readonly bytes: Uint8Array;
  /** Blobs that must be in the repository: config and distributable layers, each once. */
  readonly blobs: readonly Digest[];
  /** Layers that clients may fetch elsewhere (image-spec "Non-Distributable Layers"): kept where they were pushed. */
  readonly foreign: readonly Digest[];
  /** Manifests that an index lists, each once. */
  readonly children: readonly Digest[];
  readonly subject?: Digest;
  /** `artifactType`, or the config's media type where it is empty (distribution-spec "Listing Referrers"). */
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * Checks a manifest of any type: parameters of `contentType` are dropped, a `mediaType` inside must agree with it.
 * Throws MANIFEST_INVALID.
 */
export function parseManifest(
  bytes: Uint8Array,
  contentType: string | null,
  algorithm: Algorithm = 'sha256',
): Manifest {
  const fields = parseObject(bytes);
  const declared = optionalText(fields, 'mediaType');
  const sent = contentType?.split(';')[0]?.trim() || undefined;
  if (declared !== undefined && sent !== undefined && declared !== sent) {
    throw invalid(`Content-Type ${sent.slice(0, 200)} differs from mediaType ${declared.slice(0, 200)}`);
  }
  const mediaType = declared ?? sent;
  if (mediaType === undefined || !MEDIA_TYPE.test(mediaType)) throw invalid('a media type is needed');
  if (SCHEMA1.test(mediaType) || fields['schemaVersion'] === 1)
    throw invalid('image manifest schema 1 is not supported');
  const config = fields['config'] === undefined ? undefined : descriptor(fields['config'], 'config');
  const layers = [...descriptors(fields, 'layers'), ...descriptors(fields, 'blobs')];
  const children = descriptors(fields, 'manifests');
  if (isIndex(mediaType) && !Array.isArray(fields['manifests'])) throw invalid('an index needs manifests');
  const subject = fields['subject'] == null ? undefined : descriptor(fields['subject'], 'subject');
  const artifactType = optionalText(fields, 'artifactType') || config?.mediaType;
  const blobs = [...(config ? [config] : []), ...layers];
  return {
    digest: digestOf(bytes, algorithm),
    mediaType,
    bytes,
    blobs: unique(blobs.filter((blob) => !isForeign(blob))),
    foreign: unique(blobs.filter(isForeign)),
    children: unique(children),
    ...(subject && { subject: subject.digest }),
    ...(artifactType && { artifactType }),
    ...(isAnnotations(fields['annotations']) && { annotations: fields['annotations'] }),
  };
}

/** Whether manifests of this type list others. */
export function isIndex(mediaType: string): boolean {
  return INDEX_TYPES.includes(mediaType);
}

/** The descriptor under which a manifest is listed as referrer (distribution-spec "Listing Referrers"). */
export function referrerDescriptor(manifest: Manifest): string {
  const { mediaType, digest, bytes, artifactType, annotations } = manifest;
  return JSON.stringify({ mediaType, digest, size: bytes.length, artifactType, annotations });
}

/** The descriptors that a stored index lists; empty for anything else. */
export function listedDescriptors(bytes: Uint8Array): readonly ListedDescriptor[] {
  try {
    return descriptors(parseObject(bytes), 'manifests');
  } catch {
    return [];
  }
}

export interface ListedDescriptor {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly artifactType?: string;
  /** The descriptor as it was written. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** What listings tell of a manifest besides its row: follows from its digest alone. */
export interface ManifestFacts {
  /** Bytes of all layers; of an index, of all layers of its children. */
  readonly imageSize: number;
  readonly configMediaType?: string;
  readonly architecture?: string;
  readonly os?: string;
}

/** What a stored manifest is made of. */
export interface ManifestParts {
  readonly config?: ListedDescriptor;
  /** Bytes of all layers, as their descriptors say. */
  readonly layerBytes: number;
  readonly children: readonly ListedDescriptor[];
}

/** The parts of a manifest that was checked when it was pushed. Throws MANIFEST_INVALID for others. */
export function manifestParts(bytes: Uint8Array): ManifestParts {
  const fields = parseObject(bytes);
  const layers = [...descriptors(fields, 'layers'), ...descriptors(fields, 'blobs')];
  return {
    ...(fields['config'] !== undefined && { config: descriptor(fields['config'], 'config') }),
    layerBytes: layers.reduce((sum, { raw }) => sum + Number(raw['size'] ?? 0), 0),
    children: descriptors(fields, 'manifests'),
  };
}

/** Blobs and manifests that collection keeps for a manifest. */
export function referencesOf({ blobs, foreign, children }: Manifest): Digest[] {
  return [...blobs, ...foreign, ...children];
}

/** Digests as bytes, for a row: one byte 0 (sha256) or 1 (sha512), then 32 or 64. */
export function packDigests(digests: readonly Digest[]): Uint8Array {
  return Buffer.concat(
    digests.flatMap((digest) => [
      Buffer.of(digest.startsWith('sha512') ? 1 : 0),
      Buffer.from(digest.slice(7), 'hex'),
    ]),
  );
}

/** The digests that `packDigests` packed, in order. */
export function unpackDigests(packed: Uint8Array): readonly Digest[] {
  const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.length);
  const digests: Digest[] = [];
  for (let at = 0; at < bytes.length;) {
    const [algorithm, length] = bytes[at] === 1 ? (['sha512', 64] as const) : (['sha256', 32] as const);
    digests.push(toDigest(algorithm, bytes.toString('hex', at + 1, at + 1 + length)));
    at += 1 + length;
  }
  return digests;
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  if (depthOf(bytes) > DEPTH_LIMIT) throw invalid('nested too deeply');
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new Problem('MANIFEST_INVALID', 'not JSON in UTF-8', { cause });
  }
  if (!isObject(value)) throw invalid('not a JSON object');
  return value;
}

/** How deeply objects and lists are nested, in JSON or in what claims to be. */
function depthOf(bytes: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) quoted = !quoted;
    else if (quoted) i += byte === BACKSLASH ? 1 : 0;
    else if (byte === OBJECT || byte === LIST) deepest = Math.max(deepest, ++depth);
    else if (byte === OBJECT_END || byte === LIST_END) depth--;
  }
  return deepest;
}

function descriptors(fields: Record<string, unknown>, name: string): ListedDescriptor[] {
  const list = fields[name] ?? [];
  if (!Array.isArray(list)) throw invalid(`${name} is not a list`);
  return list.map((item) => descriptor(item, name));
}

function descriptor(value: unknown, where: string): ListedDescriptor {
  const raw = isObject(value) ? value : {};
  const { digest, size } = raw;
  if (typeof digest !== 'string' || !isDigest(digest))
    throw invalid(`${where}: a descriptor lacks a valid digest`);
  if (size !== undefined && !(Number.isSafeInteger(size) && Number(size) >= 0))
    throw invalid(`${where}: bad size`);
  const artifactType = optionalText(raw, 'artifactType');
  return {
    digest,
    mediaType: optionalText(raw, 'mediaType') ?? '',
    raw,
    ...(artifactType && { artifactType }),
  };
}

/** Layers that clients fetch elsewhere and never push (image-spec "Non-Distributable Layers"). */
function isForeign({ mediaType, raw }: ListedDescriptor): boolean {
  return FOREIGN.test(mediaType) || (Array.isArray(raw['urls']) && raw['urls'].length > 0);
}

function optionalText(fields: Record<string, unknown>, name: string): string | undefined {
  const value = fields[name] ?? undefined;
  if (value !== undefined && typeof value !== 'string') throw invalid(`${name} is not a string`);
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Others are left out of listings: clients would fail on the whole list (image-spec "Annotations"). */
function isAnnotations(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((text) => typeof text === 'string');
}

function unique(list: readonly ListedDescriptor[]): Digest[] {
  return [...new Set(list.map(({ digest }) => digest))];
}

function invalid(why: string): Problem {
  return new Problem('MANIFEST_INVALID', why);
}
