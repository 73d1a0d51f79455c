import { randomBytes, randomInt } from 'node:crypto';
import { Broken, Client, type Image } from './client.ts';

const REPOSITORIES = ['team/one', 'team/two', 'team/three', 'other'];
const TAGS = 20;
/** Layers that images share: many enough that most lie about for a day of the registry's between two uses. */
const POOL = 1500;
/** Images kept; beyond that they are deleted as fast as they come, and pulled more seldom. */
const KEPT = 200;
const CLIENTS = 16;

/** What a crowd did. */
export interface Crowd {
  /** Images that were acknowledged and not deleted, those in the hands of a client not among them. */
  readonly images: Image[];
  readonly done: Record<'pushed' | 'pulled' | 'tagged' | 'deleted' | 'asked', number>;
  /** Answers by status. */
  readonly counts: Map<string, number>;
  /** What should not have been. */
  readonly broken: string[];
}

export function newCrowd(): Crowd {
  const done = { pushed: 0, pulled: 0, tagged: 0, deleted: 0, asked: 0 };
  return { images: [], done, counts: new Map(), broken: [] };
}

/** Clients that push, pull, tag, delete and ask, each what comes to its mind, until `until`. */
export async function roam(crowd: Crowd, urls: readonly string[], until: number): Promise<void> {
  const pool = Array.from({ length: POOL }, () => new Uint8Array(randomBytes(randomInt(1, 4000))));
  const clients = Array.from(
    { length: CLIENTS },
    (_, i) => new Client(urls[i % urls.length] ?? '', crowd.counts),
  );
  await Promise.all(
    clients.map(async (client) => {
      while (Date.now() < until) await attempt(crowd, async () => await act(client, crowd, pool));
    }),
  );
}

/** Pulls every image that must be there. */
export async function verifyAll(crowd: Crowd, urls: readonly string[]): Promise<void> {
  for (const [i, image] of crowd.images.entries()) {
    const client = new Client(urls[i % urls.length] ?? '', crowd.counts);
    await attempt(crowd, async () => await client.verify(image));
  }
}

async function attempt({ broken }: Crowd, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    broken.push(error instanceof Broken ? error.message : String(error));
  }
}

async function act(client: Client, { images, done }: Crowd, pool: readonly Uint8Array[]): Promise<void> {
  const choice = randomInt(100);
  if (choice < 35) {
    const layers = [
      ...Array.from({ length: randomInt(1, 4) }, () => pick(pool)),
      ...(choice < 10 ? [fresh()] : []),
    ];
    images.push(await client.push(pick(REPOSITORIES), unique(layers), newTag(), way, pick(REPOSITORIES)));
    done.pushed++;
    return;
  }
  if (choice < 43) {
    await client.ask(pick(REPOSITORIES), pick(pool));
    done.asked++;
    return;
  }
  // Nobody else has it in hand meanwhile.
  const [image] = images.length === 0 ? [] : images.splice(randomInt(images.length), 1);
  if (!image) return;
  if (choice < (images.length > KEPT ? 80 : 48)) {
    await client.remove(image);
    done.deleted++;
    return;
  }
  try {
    if (choice < 85) {
      await client.tag(image.repository, image.manifest, newTag());
      done.tagged++;
    } else {
      await client.verify(image);
      done.pulled++;
    }
  } finally {
    images.push(image);
  }
}

function way(): 'ask' | 'mount' | 'upload' {
  return pick(['ask', 'ask', 'mount', 'upload'] as const);
}

function fresh(): Uint8Array {
  return new Uint8Array(randomBytes(randomInt(1, 4000)));
}

function newTag(): string {
  return `v${randomInt(TAGS)}`;
}

function unique(layers: readonly Uint8Array[]): Uint8Array[] {
  return [...new Set(layers)];
}

function pick<T>(list: readonly [T, ...T[]] | readonly T[]): T {
  const one = list[randomInt(list.length)];
  if (one === undefined) throw new Error('there is nothing to pick from');
  return one;
}
