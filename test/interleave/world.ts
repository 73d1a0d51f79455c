import { type TestAppOptions, type TestApp, openTestApp } from '../support/app.ts';
import { createChance } from '../support/chance.ts';
import { type Answer, type Send, clientOf } from '../support/client.ts';
import { type PortCall, intercept } from '../support/intercept.ts';
import { breaches, strayBlobs } from '../support/invariants.ts';
import { sameBytes } from '../support/sample.ts';
import { type Choose, createScheduler, exhaust } from '../support/schedule.ts';
import { runTimer } from '../../src/app/jobs.ts';
import { collect } from '../../src/lifecycle/collect/collect.ts';
import type { Stores } from '../../src/app/compose.ts';
import type { Context } from '../../src/store/context.ts';

/** A registry whose storage calls are stepped. */
export interface World {
  readonly send: Send;
  readonly test: TestApp;
  /** Storage itself, with nothing before it. */
  readonly stores: Stores;
  /** Runs clients side by side, in an order that the seed or the search decides. */
  readonly race: (...clients: (() => Promise<Answer>)[]) => Promise<Answer[]>;
  /** Runs a collection, as one of the clients. */
  readonly collect: () => Promise<Answer>;
  /**
   * Lets time pass. The registry's settings are read anew after that, for all clients of this instance at once; here
   * it happens before a race, in which one client would wait for another's call.
   */
  readonly pass: (milliseconds: number) => Promise<void>;
  /** What does not hold now. */
  readonly breaches: () => Promise<string[]>;
  /** Whether the repository serves exactly these bytes under this digest. */
  readonly serves: (repository: string, digest: string, bytes: Uint8Array) => Promise<boolean>;
  /** What does not hold a day later, when abandoned uploads have been swept: bytes that nothing names included. */
  readonly swept: () => Promise<string[]>;
}

export interface WorldOptions extends TestAppOptions {
  /** Spoils storage, to see whether the tests notice; put before the stepping. */
  readonly spoil?: (stores: Stores) => Stores;
  /** Spoils randomness. */
  readonly dice?: (random: Context['random']) => Context['random'];
  readonly grain?: 'calls' | 'actors';
  /** Calls that happen at once: no other call of the story can meet them, so their place in the order is all one. */
  readonly unmet?: (call: PortCall) => boolean;
  /** Spoils collections. */
  readonly collector?: (ctx: Context) => Context;
}

/** What happens in one world, and what must be true of it. Throws when it is not. */
export type Story = (world: World) => Promise<void>;

const DAY_MS = 86_400_000;
/** Bytes for marks: a few are there, and making room for millions takes longer than all the rest. */
const MARKS = 4096;
/** Small blocks make short bodies long. */
const BLOCK = 64;

export async function openWorld(
  seed: number,
  choose: Choose,
  {
    spoil = (stores) => stores,
    dice = (random) => random,
    grain,
    unmet = () => false,
    collector = (ctx) => ctx,
    ...options
  }: WorldOptions = {},
): Promise<World> {
  const scheduler = createScheduler(grain);
  const opened: Stores[] = [];
  const test = await openTestApp({
    blockSize: BLOCK,
    seed,
    ...options,
    // Bytes are checked here, without a socket.
    settings: { downloads: 'proxy', ...options.settings },
    wrap: (stores) => {
      opened.push(stores);
      return intercept(spoil(stores), {
        hook: async (call, run) => await (unmet(call) ? run() : scheduler.hook(call, run)),
      });
    },
  });
  const [stores = test.stores] = opened;
  const { context } = test.app;
  const send = clientOf({ ...test.app, context: { ...context, random: dice(context.random) } });
  return {
    send,
    test,
    stores,
    race: (...clients) => scheduler.run(clients, choose),
    async pass(milliseconds) {
      test.clock.advance(milliseconds);
      await test.app.policy(test.registry);
    },
    async collect() {
      await collect(collector(context), test.registry, { memory: MARKS });
      return { status: 200, headers: {}, bytes: new Uint8Array(0) };
    },
    breaches: () => breaches(stores, test.registry),
    async serves(repository, digest, bytes) {
      const answer = await send('GET', `/v2/${repository}/blobs/${digest}`);
      return answer.status === 200 && sameBytes(answer.bytes, bytes);
    },
    async swept() {
      test.clock.advance(DAY_MS);
      await runTimer(test.app, 'sweep');
      const { blobs } = await stores.blobs.list(test.registry, 1000);
      const staged = blobs.filter(({ committed }) => !committed).map(({ name }) => name);
      return [
        ...(await breaches(stores, test.registry)),
        ...staged,
        ...(await strayBlobs(stores, test.registry)),
      ];
    },
  };
}

/** Lives a story once for each seed; how often it went well. The first failure is thrown, with its seed. */
export async function eachSeed(seeds: number, story: Story, options: WorldOptions = {}): Promise<number> {
  for (let seed = 1; seed <= seeds; seed++) {
    const chance = createChance(seed * 7919);
    const world = await openWorld(seed, (among) => chance.integer(among), options);
    try {
      await story(world);
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    } finally {
      await world.test.close();
    }
  }
  return seeds;
}

/** Lives a story in every order of storage calls there is, at most `limit`; how many there were. */
export async function everyOrder(story: Story, limit = 20_000, options: WorldOptions = {}): Promise<number> {
  return await exhaust(async (choose) => {
    const taken: number[] = [];
    const noting: Choose = (among) => {
      const choice = choose(among);
      taken.push(choice);
      return choice;
    };
    const world = await openWorld(1, noting, { grain: 'actors', ...options });
    try {
      await story(world);
    } catch (error) {
      throw new Error(`order ${taken.join('')}: ${String(error)}`, { cause: error });
    } finally {
      await world.test.close();
    }
  }, limit);
}
