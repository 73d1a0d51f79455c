import { onTestFinished } from 'vitest';
import { collect } from '../../../src/lifecycle/collect/collect.ts';
import type { CollectOptions } from '../../../src/lifecycle/collect/run.ts';
import { type Digest, digestOf } from '../../../src/model/digest.ts';
import { type TestApp, type TestAppOptions, openTestApp } from '../../support/app.ts';
import { type Send, clientOf, upload } from '../../support/client.ts';

export const HOUR_MS = 3_600_000;
/** Longer than collection spares anything, and than an upload session lives. */
export const LONG_MS = 26 * HOUR_MS;

/** A registry of its own, a client, and a collector. */
export async function openLab(options: TestAppOptions = {}) {
  const app: TestApp = await openTestApp({
    ...options,
    settings: { downloads: 'proxy', ...options.settings },
  });
  onTestFinished(() => app.close());
  const send = clientOf(app.app);
  return {
    app,
    send,
    registry: app.registry,
    pass: (milliseconds: number) => app.clock.advance(milliseconds),
    collect: async (more: CollectOptions = {}) =>
      await collect(app.app.context, app.registry, { memory: 4096, ...more }),
    /** Whether the repository has the blob. */
    has: async (repository: string, digest: string) =>
      (await app.fetch('GET', `/v2/${repository}/blobs/${digest}`)).status === 200,
    /** Names of bytes in storage. */
    names: async () => (await app.stores.blobs.list(app.registry, 1000)).blobs.map(({ name }) => name),
  };
}

/** Uploads text as a blob; its digest. Throws when it is refused. */
export async function put(send: Send, repository: string, text: string): Promise<Digest> {
  const bytes = Buffer.from(text);
  const { status } = await upload(send, repository, bytes);
  if (status !== 201) throw new Error(`PUT of a blob: ${status}`);
  return digestOf(bytes);
}
