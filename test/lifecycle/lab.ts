import { runJob } from '../../src/app/jobs.ts';
import { type Cleaned, type Cleaning, cleanRepository } from '../../src/lifecycle/rules/clean.ts';
import { readPurge } from '../../src/lifecycle/rules/select/purge.ts';
import type { Select } from '../../src/lifecycle/rules/state.ts';
import { type Repository, parseRepositoryName } from '../../src/model/names.ts';
import type { PurgeOptions } from '../../src/model/policy/lifecycle.ts';
import { NO_POLICY } from '../../src/model/policy/policy.ts';
import { JOB_QUEUE } from '../../src/store/work.ts';
import { type TestApp, type TestAppOptions, openTestApp } from '../support/app.ts';
import { type Document, type Send, clientOf, document, publish } from '../support/client.ts';
import { breaches } from '../support/invariants.ts';

export const DAY_MS = 86_400_000;
export const CAUSE = { id: 'c', host: '', method: '', userAgent: '', actor: 'test' };

/** A registry whose repositories are cleaned. */
export interface Lab {
  readonly app: TestApp;
  readonly send: Send;
  /** Pushes a manifest, by its digest without a tag. */
  push(repository: string, manifest: Document, tag?: string): Promise<void>;
  /** Pushes a manifest and takes its tag away again. */
  pushUntagged(repository: string, manifest: Document): Promise<void>;
  /** Whether the repository serves it. */
  has(repository: string, reference: string): Promise<boolean>;
  tags(repository: string): Promise<readonly string[]>;
  clean(repository: string, select: Select, more?: Partial<Cleaning>): Promise<Cleaned>;
  purge(repository: string, options?: Partial<PurgeOptions>): Promise<Cleaned>;
  /** Runs what waits in the queue, and what that leaves there; how many jobs that were. */
  runJobs(): Promise<number>;
  breaches(): Promise<readonly string[]>;
}

export async function openLab(options: TestAppOptions = {}): Promise<Lab> {
  const app = await openTestApp(options);
  const send = clientOf(app.app);
  const repositoryOf = (name: string): Repository => ({
    registry: app.registry,
    name: parseRepositoryName(name),
  });
  const push: Lab['push'] = async (repository, manifest, tag = manifest.digest) => {
    const { status } = await publish(send, repository, tag, manifest);
    if (status !== 201) throw new Error(`the push was answered ${status}`);
  };
  const clean: Lab['clean'] = async (name, select, more) =>
    await cleanRepository(app.app.context, {
      repository: repositoryOf(name),
      select,
      tagsAlone: false,
      policy: NO_POLICY,
      cause: CAUSE,
      dryRun: false,
      until: Infinity,
      most: Infinity,
      ...more,
    });
  return {
    app,
    send,
    push,
    clean,
    async pushUntagged(repository, manifest) {
      await push(repository, manifest, 'passing');
      await send('DELETE', `/v2/${repository}/manifests/passing`);
    },
    async has(repository, reference) {
      return (await send('HEAD', `/v2/${repository}/manifests/${reference}`)).status === 200;
    },
    async tags(repository) {
      const { status, bytes } = await send('GET', `/v2/${repository}/tags/list`);
      if (status === 404) return [];
      const { tags }: { tags: string[] } = JSON.parse(Buffer.from(bytes).toString());
      return tags;
    },
    async purge(name, given) {
      const all = { filters: ['.*:.*'], ago: '0d', keep: 0, includeLocked: false };
      const purge = await readPurge(
        { ...all, untagged: true, untaggedOnly: false, ...given },
        app.clock.now(),
      );
      const select = purge(name);
      if (!select) throw new Error('the filter names another repository');
      return await clean(name, select);
    },
    async runJobs() {
      for (let count = 0; ;) {
        const deliveries = await app.stores.work.receive(32, 300);
        if (deliveries.length === 0) return count;
        for (const { body, done } of deliveries) {
          await runJob(app.app, JOB_QUEUE, body);
          await done();
          count++;
        }
      }
    },
    breaches: async () => await breaches(app.stores, app.registry),
  };
}

/** An index over manifests. */
export function indexOf(text: string, children: readonly Document[]): Document {
  const manifests = children.map(({ digest, bytes }) => ({ mediaType: 'x/y', digest, size: bytes.length }));
  return document(text, { manifests });
}

/** A manifest that refers to another. */
export function referrerOf(text: string, { digest, bytes }: Document): Document {
  return document(text, { subject: { mediaType: 'x/y', digest, size: bytes.length } });
}
