import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

export type Descriptor = {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string };
  readonly annotations?: Readonly<Record<string, string>>;
};

/** An OCI image on disk whose every byte is random, so that no registry holds any of it beforehand. */
export type TestImage = {
  /** OCI layout directory; the image has the tag `test` there. */
  readonly layout: string;
  readonly root: Descriptor;
  /** Every digest reachable from `root`, itself included. */
  readonly digests: readonly string[];
  /** Digests of the uncompressed layers, bottom first. Empty for an index. */
  readonly diffIds: readonly string[];
  /** Path in the root file system → SHA-256 of the file, as `sha256:…`. */
  readonly files: ReadonlyMap<string, string>;
};

/** The tag of a test image inside its layout. */
export const LAYOUT_TAG = 'test';
export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';

/** Four layers, the biggest of 30 MB: more than any client keeps in one buffer. */
export const FULL_SIZES: readonly number[] = [30_000_000, 1_000_000, 70_000, 300];
/** As `FULL_SIZES`, but within the body limit of the registry's front in the mode with an upload host. */
export const LIMITED_SIZES: readonly number[] = [3_000_000, 1_000_000, 70_000, 300];
/** Two small layers, where size is not the point. */
export const SMALL_SIZES: readonly number[] = [60_000, 500];

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Where a layout keeps a blob. */
export function blobPath(layout: string, digest: string): string {
  return join(layout, 'blobs', ...digest.split(':'));
}

/** Writes an image of one layer per size, each layer one file of that many random bytes. */
export async function writeImage(
  layout: string,
  sizes: readonly number[],
  architecture = 'amd64',
): Promise<TestImage> {
  await openLayout(layout);
  const files = new Map<string, string>();
  const diffIds: string[] = [];
  const layers: Descriptor[] = [];
  for (const [place, size] of sizes.entries()) {
    const path = `layer-${place}.bin`;
    const content = randomBytes(size);
    const tar = tarOf(path, content);
    files.set(path, sha256(content));
    diffIds.push(sha256(tar));
    layers.push(
      await putBlob(layout, gzipSync(tar, { level: 1 }), 'application/vnd.oci.image.layer.v1.tar+gzip'),
    );
  }
  const config = {
    architecture,
    os: 'linux',
    created: '2026-01-01T00:00:00Z',
    config: { Cmd: ['/none'] },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: sizes.map((_, place) => ({ created: '2026-01-01T00:00:00Z', created_by: `layer ${place}` })),
  };
  const configBlob = await putBlob(layout, json(config), 'application/vnd.oci.image.config.v1+json');
  const manifest = { schemaVersion: 2, mediaType: MANIFEST_TYPE, config: configBlob, layers };
  const root = {
    ...(await putBlob(layout, json(manifest), MANIFEST_TYPE)),
    platform: { os: 'linux', architecture },
  };
  await writeFile(join(layout, 'index.json'), layoutIndex(root));
  const digests = [root.digest, configBlob.digest, ...layers.map((layer) => layer.digest)];
  return { layout, root, digests, diffIds, files };
}

/** Writes an index of one small image for each architecture. */
export async function writeIndex(layout: string, architectures: readonly string[]): Promise<TestImage> {
  const images: TestImage[] = [];
  for (const architecture of architectures) images.push(await writeImage(layout, SMALL_SIZES, architecture));
  const index = { schemaVersion: 2, mediaType: INDEX_TYPE, manifests: images.map((image) => image.root) };
  const root = await putBlob(layout, json(index), INDEX_TYPE);
  await writeFile(join(layout, 'index.json'), layoutIndex(root));
  const digests = [root.digest, ...images.flatMap((image) => image.digests)];
  return { layout, root, digests, diffIds: [], files: new Map() };
}

/** The bytes of one blob of a layout. */
export async function readBlob(layout: string, digest: string): Promise<Buffer> {
  return await readFile(blobPath(layout, digest));
}

async function openLayout(layout: string): Promise<void> {
  await mkdir(join(layout, 'blobs', 'sha256'), { recursive: true });
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}

async function putBlob(layout: string, bytes: Uint8Array, mediaType: string): Promise<Descriptor> {
  const digest = sha256(bytes);
  await writeFile(blobPath(layout, digest), bytes);
  return { mediaType, digest, size: bytes.length };
}

function layoutIndex(root: Descriptor): string {
  const annotations = { 'org.opencontainers.image.ref.name': LAYOUT_TAG };
  return JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [{ ...root, annotations }] });
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** A tar archive of one regular file. Format: POSIX.1-1988 ustar header, two empty blocks at the end. */
function tarOf(path: string, content: Uint8Array): Buffer {
  const header = Buffer.alloc(512);
  header.write(path, 0);
  header.write(octal(0o644, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(content.length, 11), 124);
  header.write(octal(1_767_225_600, 11), 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
  return Buffer.concat([header, content, padding, Buffer.alloc(1024)]);
}

function octal(value: number, digits: number): string {
  return `${value.toString(8).padStart(digits, '0')}\0`;
}
