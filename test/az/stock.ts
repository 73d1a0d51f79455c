import assert from 'node:assert/strict';

import {
  CONFIG_TYPE,
  EMPTY_TYPE,
  type Pushed,
  imageManifest,
  indexManifest,
  pushBlob,
  pushManifest,
  putManifest,
} from '../support/push.ts';
import type { Site } from './site.ts';

/** What `az` shows of something without locks. */
export const UNLOCKED = { deleteEnabled: true, listEnabled: true, readEnabled: true, writeEnabled: true };

export type Image = Pushed & {
  /** What its layers add up to, in bytes. */
  readonly layers: number;
  /** What all of it adds up to: layers, config and manifest. */
  readonly stored: number;
  readonly architecture: string;
};

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

/** Pushes a Linux image of one layer, that no other is like, and sets all these tags. */
export async function pushImage(
  site: Site,
  repository: string,
  tags: readonly string[],
  architecture = 'amd64',
): Promise<Image> {
  const text = `${repository} ${architecture} ${tags.join()}`;
  const config = await pushBlob(site, repository, json({ architecture, os: 'linux', text }), CONFIG_TYPE);
  const layer = await pushBlob(site, repository, json({ layer: text }));
  const [first, ...others] = tags;
  const manifest = await pushManifest(site, repository, imageManifest(config, [layer]), first);
  for (const tag of others) await setTag(site, repository, tag, manifest);
  const stored = config.size + layer.size + manifest.size;
  return { ...manifest, layers: layer.size, stored, architecture };
}

/** Lets a tag name a manifest, which is there or is new. Throws when that is refused. */
export async function setTag(
  site: Site,
  repository: string,
  tag: string,
  { bytes, mediaType }: Pushed,
): Promise<void> {
  const answer = await putManifest(site, repository, tag, bytes, mediaType);
  assert.equal(answer.status, 201, await answer.text());
}

/** Pushes an index of images. */
export async function pushIndex(
  site: Site,
  repository: string,
  tag: string,
  images: readonly Image[],
): Promise<Pushed> {
  const children = images.map(({ mediaType, digest, size, architecture }) => ({
    mediaType,
    digest,
    size,
    platform: { architecture, os: 'linux' },
  }));
  return await pushManifest(site, repository, indexManifest(children), tag);
}

/** Pushes an artifact that refers to another. */
export async function pushReferrer(
  site: Site,
  repository: string,
  subject: Pushed,
  artifactType: string,
): Promise<Pushed> {
  const empty = await pushBlob(site, repository, json({}), EMPTY_TYPE);
  const { mediaType, digest, size } = subject;
  const more = { artifactType, subject: { mediaType, digest, size } };
  return await pushManifest(site, repository, imageManifest(empty, [empty], more));
}

/** The status that pulling or looking at this gives. */
export async function statusOf(site: Site, repository: string, reference: string): Promise<number> {
  const answer = await site.fetch('GET', `/v2/${repository}/manifests/${reference}`);
  await answer.arrayBuffer();
  return answer.status;
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/;

/** The same with each time replaced by the word, once it has been seen to be one as ACR writes them. */
export function timeless(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(timeless);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]: [string, unknown]) => {
      if (!/Time$|^deletedAt$|^expiresAfter$/.test(key)) return [key, timeless(inner)];
      assert.match(String(inner), TIME);
      return [key, 'time'];
    }),
  );
}

/** A list of texts, as most commands print it. Throws when it is anything else. */
export function texts(value: unknown): string[] {
  assert(Array.isArray(value), `no list: ${JSON.stringify(value)}`);
  return value.map(String);
}

/** One member of an answer of `az`. */
export function member(value: unknown, ...keys: readonly (string | number)[]): unknown {
  return keys.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined),
    value,
  );
}
