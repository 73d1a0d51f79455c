import { expect } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { type Answer, type Send, document, header, publish, upload } from '../support/client.ts';
import { noise } from '../support/sample.ts';
import { descriptor } from '../support/scene.ts';
import { LONG_MS, image, judge, layer, push, settle } from './images.ts';
import type { Story } from './world.ts';

/** Tags set by one call, while what they are to name goes or moves: they name something whole, or are refused. */
const NAME = 'team/app';
const SOURCE = 'build/app';
const INDEX = 'application/vnd.oci.image.index.v1+json';

async function setTag(send: Send, to: object): Promise<Answer> {
  return await send('PUT', `/acr/v1/${NAME}/_tags/new`, { body: Buffer.from(JSON.stringify(to)) });
}

async function target(send: Send, reference: string, name = NAME): Promise<string | undefined> {
  const answer = await send('HEAD', `/v2/${name}/manifests/${reference}`);
  return answer.status === 200 ? header(answer, 'docker-content-digest') : undefined;
}

/** A tag for a manifest that is deleted meanwhile. */
export const retagAndDelete: Story = async ({ send, race, breaches }) => {
  const manifest = document('one');
  await publish(send, NAME, 'old', manifest);
  const [put, removal] = await race(
    () => setTag(send, { tag: 'old' }),
    () => send('DELETE', `/v2/${NAME}/manifests/${manifest.digest}`),
  );
  expect([201, 404]).toContain(put?.status);
  expect(removal?.status).toBe(202);
  expect(await target(send, 'new')).toBe(await target(send, manifest.digest));
  expect(await breaches()).toEqual([]);
};

/** A tag set to where another tag points, which moves meanwhile: to the one or the other. */
export const retagAndMove: Story = async ({ send, race, breaches }) => {
  const [before, after] = [document('before'), document('after')];
  await publish(send, NAME, 'old', before);
  const [put, moved] = await race(
    () => setTag(send, { tag: 'old' }),
    () => publish(send, NAME, 'old', after),
  );
  expect([put?.status, moved?.status]).toEqual([201, 201]);
  expect([String(before.digest), String(after.digest)]).toContain(await target(send, 'new'));
  expect(await breaches()).toEqual([]);
};

/** An index with an image of two layers copied while its source goes, and another copies it too. */
export const copyAndDelete: Story = async ({ send, race, breaches, serves, swept }) => {
  const layers = [noise(20), noise(30)];
  for (const bytes of layers) await upload(send, SOURCE, bytes);
  const inner = document('image', { layers: layers.map(descriptor) });
  await publish(send, SOURCE, inner.digest, inner);
  const manifests = [{ mediaType: 'x/y', digest: inner.digest, size: inner.bytes.length }];
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }));
  await send('PUT', `/v2/${SOURCE}/manifests/v1`, { headers: { 'content-type': INDEX }, body: index });
  const [first, second, removal] = await race(
    () => setTag(send, { repository: SOURCE, tag: 'v1' }),
    () => setTag(send, { repository: SOURCE, digest: digestOf(index) }),
    () => send('DELETE', `/acr/v1/${SOURCE}`),
    () => send('DELETE', `/v2/${SOURCE}/blobs/${digestOf(layers[0] ?? noise(0))}`),
  );
  expect(removal?.status).toBe(202);
  for (const copy of [first, second]) expect([200, 201, 400, 404]).toContain(copy?.status);
  const done = [first, second].some((copy) => copy?.status === 201);
  expect(await target(send, 'new')).toBe(done ? digestOf(index) : undefined);
  if (done) {
    expect(await target(send, inner.digest)).toBe(inner.digest);
    for (const bytes of layers) expect(await serves(NAME, digestOf(bytes), bytes)).toBe(true);
  }
  expect(await breaches()).toEqual([]);
  expect(await swept()).toEqual([]);
};

/** An image whose source goes while it is copied and collection runs, all of it long untouched. */
export const copyAndCollect: Story = async (world) => {
  const { send, race } = world;
  const [source, copied] = [image([layer('a')], SOURCE), image([layer('a')])];
  const old = await settle(world, [], [layer('kept')]);
  expect((await push(send, source)).status).toBe(201);
  await world.pass(LONG_MS);
  const [put, , removal] = await race(
    () => setTag(send, { repository: SOURCE, tag: 'v1' }),
    world.collect,
    () => send('DELETE', `/acr/v1/${SOURCE}`),
  );
  expect(removal?.status).toBe(202);
  // What it relied on may be gone before it begins.
  expect([201, 400, 404]).toContain(put?.status);
  await judge(world, put?.status === 201 ? [old, copied] : [old]);
};
