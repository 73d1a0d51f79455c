import { describe, expect, test } from 'vitest';
import { collect } from '../../src/lifecycle/collect/collect.ts';
import { digestOf } from '../../src/model/digest.ts';
import { Unavailable } from '../../src/store/records.ts';
import { type TestApp, openTestApp } from '../support/app.ts';
import {
  type Document,
  type Send,
  begin,
  clientOf,
  document,
  patch,
  publish,
  upload,
} from '../support/client.ts';
import { type Hook, type Mishap, intercept, mishaps } from '../support/intercept.ts';
import { breaches } from '../support/invariants.ts';
import { orphans } from '../support/orphans.ts';
import { descriptor } from '../support/scene.ts';

/** Longer than collection spares anything, and than an upload session lives. */
const LONG_MS = 26 * 3_600_000;
const MEMORY = 4096;
const MISHAPS: readonly Mishap[] = ['fails', 'loses its answer', 'happens twice'];
const NAMES = ['team/app', 'other/app'] as const;

describe('one storage call of a collection fails, and another follows', () => {
  test.each(MISHAPS)('while any one call %s', async (mishap) => {
    const complaints: string[] = [];
    let calls = 0;
    for (let met = true; met; calls++) {
      const suffered = await suffer(mishap, calls);
      ({ met } = suffered);
      complaints.push(...suffered.complaints);
    }
    expect(calls).toBeGreaterThan(15);
    expect(complaints).toEqual([]);
  });
});

/** Lets a collection meet a mishap at its call `at`: whether there was such a call, and what went wrong. */
async function suffer(mishap: Mishap, at: number): Promise<{ met: boolean; complaints: string[] }> {
  let hook: Hook | undefined;
  const app = await openTestApp({
    blockSize: 100_000,
    settings: { downloads: 'proxy' },
    wrap: (stores) =>
      intercept(stores, { hook: async (call, run) => await (hook ? hook(call, run) : run()) }),
  });
  const send = clientOf(app.app);
  const images = await prepare(send);
  app.clock.advance(LONG_MS);
  const trouble = mishaps(mishap, at);
  hook = trouble.hook;
  const complaints: string[] = [];
  try {
    await collect(app.app.context, app.registry, { memory: MEMORY });
  } catch (error) {
    if (!(error instanceof Unavailable)) complaints.push(String(error));
  }
  hook = undefined;
  complaints.push(...(await judge(app, send, images)));
  await collect(app.app.context, app.registry, { memory: MEMORY });
  complaints.push(...(await judge(app, send, images)), ...(await orphans(app.stores, app.registry)));
  await app.close();
  const where = `call ${at}, ${trouble.calls[at]?.name}`;
  return { met: trouble.calls.length > at, complaints: complaints.map((text) => `${where}: ${text}`) };
}

/** Two images with a shared layer, one of them large; garbage of each kind: links, content, copies, uploads, manifests. */
async function prepare(send: Send): Promise<Document[]> {
  const [first] = NAMES;
  const layers = ['shared', 'own', 'garbage'].map((text) => Buffer.from(text));
  for (const name of NAMES) for (const bytes of layers) await upload(send, name, bytes);
  await patch(send, await begin(send, first), Buffer.from('never ended'));
  const images = [
    document('small', { layers: layers.slice(0, 1).map(descriptor) }),
    document('x'.repeat(70_000), { layers: layers.slice(0, 2).map(descriptor) }),
  ];
  for (const one of images) await publish(send, first, one.digest, one);
  const gone = document('y'.repeat(70_000), { layers: layers.slice(0, 2).map(descriptor) });
  await publish(send, first, gone.digest, gone);
  await send('DELETE', `/v2/${first}/manifests/${gone.digest}`);
  return images;
}

async function judge(app: TestApp, send: Send, images: readonly Document[]): Promise<string[]> {
  const [first] = NAMES;
  const paths = [
    ...images.map(({ digest }) => `manifests/${digest}`),
    ...['shared', 'own'].map((text) => `blobs/${digestOf(Buffer.from(text))}`),
  ];
  const found = await Promise.all(paths.map((path) => send('GET', `/v2/${first}/${path}`)));
  const lost = paths.filter((_, i) => found[i]?.status !== 200);
  return [...(await breaches(app.stores, app.registry)), ...lost.map((path) => `${path} is lost`)];
}
