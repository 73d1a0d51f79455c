import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { collect } from '../../src/lifecycle/collect/collect.ts';
import { breaches } from '../support/invariants.ts';
import { orphans } from '../support/orphans.ts';
import { type Crowd, newCrowd, roam, verifyAll } from './crowd.ts';
import { type Ground, type Storage, openGround, storages } from './ground.ts';

const usage = `Lets clients push, pull, tag and delete images for some minutes while collections run beside them, on
instances for which a day takes 40 seconds; pulls what must be there, and looks for what should not.

npm run soak -- [options]

  --minutes N      for each storage; 2 unless told
  --only STORAGE   ${storages.join(' or ')}
  --help           show this text

Ends with 1 when an image lost a byte, a request was answered with 5xx, or something was left over.`;

const INSTANCES = 2;
const COLLECT_EVERY_MS = 2000;
/** Of the registry's: longer than collection spares anything. */
const LONG_HOURS = 26;

/** What all collections did together. */
type Collections = Record<'runs' | 'links' | 'blobs' | 'leftovers' | 'bytes' | 'calls', number>;

async function soak(storage: Storage, minutes: number): Promise<boolean> {
  const ground = await openGround(storage, INSTANCES);
  try {
    const crowd = newCrowd();
    const urls = ground.instances.map(({ url }) => url);
    const collections = { runs: 0, links: 0, blobs: 0, leftovers: 0, bytes: 0, calls: 0 };
    const start = Date.now();
    const until = start + minutes * 60_000;
    await Promise.all([roam(crowd, urls, until), collectUntil(ground, until, crowd, collections)]);
    await verifyAll(crowd, urls);
    for (let cycle = 0; cycle < 2; cycle++) {
      ground.pass(LONG_HOURS);
      await collectOnce(ground, cycle, crowd, collections);
    }
    await verifyAll(crowd, urls);
    const { stores, registry } = ground;
    const wrong = [...(await breaches(stores, registry)), ...(await orphans(stores, registry))];
    return report(storage, crowd, collections, wrong, (Date.now() - start) / 1000);
  } finally {
    await ground.stop();
  }
}

/** A collection every other second, by one instance after the other; every fifth time by all at once. */
async function collectUntil(
  ground: Ground,
  until: number,
  crowd: Crowd,
  collections: Collections,
): Promise<void> {
  for (let turn = 0; Date.now() < until; turn++) {
    const next = Date.now() + COLLECT_EVERY_MS;
    const all = turn % 5 === 4 ? ground.instances.map((_, i) => i) : [turn];
    await Promise.all(all.map((i) => collectOnce(ground, i, crowd, collections)));
    await pause(Math.max(0, Math.min(next, until) - Date.now()));
  }
}

async function collectOnce(
  { instances, registry }: Ground,
  turn: number,
  crowd: Crowd,
  collections: Collections,
): Promise<void> {
  const instance = instances[turn % instances.length];
  if (!instance) return;
  try {
    const { totals } = await collect(instance.app.context, registry);
    collections.runs++;
    for (const name of ['links', 'blobs', 'leftovers', 'bytes', 'calls'] as const) {
      collections[name] += totals[name];
    }
  } catch (error) {
    crowd.broken.push(`a collection failed: ${String(error)}`);
  }
}

/** Prints the figures; whether all is well. */
function report(
  storage: Storage,
  { images, done, counts, broken }: Crowd,
  collections: Collections,
  wrong: readonly string[],
  seconds: number,
): boolean {
  const requests = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const failures = [...counts].filter(([status]) => status.startsWith('5'));
  const statuses = [...counts].map(([status, count]) => `${count.toLocaleString('en')} × ${status}`);
  process.stdout
    .write(`${storage}, ${seconds.toFixed(0)} s: ${requests.toLocaleString('en')} requests (${statuses.toSorted().join(', ')})
  images: ${tell(done)}, kept ${images.length}
  collections: ${tell(collections)}
  5xx: ${failures.length}, broken: ${broken.length}, left over or lost in storage: ${wrong.length}
`);
  for (const line of [...broken, ...wrong].slice(0, 20)) process.stdout.write(`  ! ${line}\n`);
  return failures.length + broken.length + wrong.length === 0;
}

function tell(figures: Readonly<Record<string, number>>): string {
  return Object.entries(figures)
    .map(([name, count]) => `${name} ${count.toLocaleString('en')}`)
    .join(', ');
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '2' },
      only: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const minutes = Number(values.minutes);
  if (values.help || !(minutes > 0)) {
    process.stdout.write(`${usage}\n`);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  for (const storage of storages) {
    if (values.only !== undefined && values.only !== storage) continue;
    if (!(await soak(storage, minutes))) process.exitCode = 1;
  }
}

await main();
