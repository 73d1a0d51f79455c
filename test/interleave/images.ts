import { expect } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { type Answer, type Document, type Send, document, publish, upload } from '../support/client.ts';
import { orphans } from '../support/orphans.ts';
import { sameBytes } from '../support/sample.ts';
import { descriptor } from '../support/scene.ts';
import type { World } from './world.ts';

/**
 * Collection beside everything else, where all that was there before is older than it spares: only what clients do
 * meanwhile keeps it. A push that was acknowledged is pulled whole, now and after two more collections; and these
 * leave nothing that nobody needs.
 */
export const NAME = 'team/app';
/** Longer than collection spares anything, and than an upload session lives. */
export const LONG_MS = 26 * 3_600_000;

export interface Image extends Document {
  readonly repository: string;
  readonly layers: readonly Uint8Array[];
}

/** The same bytes in each run of a story: the order of digests is the order of calls. */
export function layer(text: string): Uint8Array {
  return Buffer.from(`the layer ${text} `.repeat(2));
}

export function image(
  layers: readonly Uint8Array[],
  repository = NAME,
  more: Readonly<Record<string, unknown>> = {},
): Image {
  const names = layers.map((bytes) => Buffer.from(bytes).toString()).join();
  return { ...document(names, { layers: layers.map(descriptor), ...more }), repository, layers };
}

/** As clients push: what the registry says it has is not uploaded. */
export async function push(
  send: Send,
  { repository, layers, ...manifest }: Image,
  tag = 'v1',
): Promise<Answer> {
  for (const bytes of layers) {
    const head = await send('HEAD', `/v2/${repository}/blobs/${digestOf(bytes)}`);
    if (head.status === 404) expect((await upload(send, repository, bytes)).status).toBe(201);
    else expect(head.status).toBe(200);
  }
  return await publish(send, repository, tag, manifest);
}

/** As clients copy: each layer is mounted, or uploaded where it cannot be. */
export async function copy(
  send: Send,
  from: string,
  { repository, layers, ...manifest }: Image,
): Promise<Answer> {
  for (const bytes of layers) {
    const path = `/v2/${repository}/blobs/uploads/?mount=${digestOf(bytes)}&from=${from}`;
    const answer = await send('POST', path);
    if (answer.status === 202) expect((await upload(send, repository, bytes)).status).toBe(201);
    else expect(answer.status).toBe(201);
  }
  return await publish(send, repository, 'v1', manifest);
}

/** What an image lacks; nothing when it can be pulled whole. */
async function missing(send: Send, { repository, layers, digest, bytes }: Image): Promise<string[]> {
  const found: string[] = [];
  const manifest = await send('GET', `/v2/${repository}/manifests/${digest}`);
  if (manifest.status !== 200 || !sameBytes(manifest.bytes, bytes))
    found.push(`${manifest.status} for ${digest}`);
  for (const one of layers) {
    const answer = await send('GET', `/v2/${repository}/blobs/${digestOf(one)}`);
    if (answer.status !== 200 || !sameBytes(answer.bytes, one))
      found.push(`${answer.status} for a layer of ${digest} in ${repository}`);
  }
  return found;
}

/** All images are there, now and two collections later, and nothing else is. */
export async function judge(world: World, images: readonly Image[]): Promise<void> {
  for (let cycle = 0; ; cycle++) {
    expect(await world.breaches()).toEqual([]);
    const lacking = await Promise.all(images.map((one) => missing(world.send, one)));
    expect(lacking.flat()).toEqual([]);
    if (cycle === 2) break;
    await world.pass(LONG_MS);
    await world.collect();
  }
  expect(await orphans(world.stores, world.test.registry)).toEqual([]);
}

export function statuses(answers: readonly Answer[]): number[] {
  return answers.map(({ status }) => status);
}

/** A repository that has been there for long, with an image and layers that lie about. */
export async function settle(
  world: World,
  lying: readonly Uint8Array[],
  kept = [layer('kept')],
): Promise<Image> {
  const { send } = world;
  const old = image(kept);
  expect((await push(send, old, 'old')).status).toBe(201);
  for (const bytes of lying) expect((await upload(send, NAME, bytes)).status).toBe(201);
  await world.pass(LONG_MS);
  return old;
}
