import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import type { Hook } from './intercept.ts';

/** Decides which of `among` waiting storage calls happens next: an index. */
export type Choose = (among: number) => number;

interface Waiting {
  readonly actor: number;
  /** Makes the call; resolves when it has ended, either way. */
  readonly go: () => Promise<void>;
}

export interface Scheduler {
  readonly hook: Hook;
  /**
   * Runs actors side by side. Each storage call waits until all actors wait; then `choose` picks one call, which
   * happens, and its actor goes on until it waits again. Calls of nobody in `run` happen at once.
   * Throws when an actor neither ends nor calls.
   */
  run<T>(actors: readonly (() => Promise<T>)[], choose: Choose): Promise<T[]>;
}

/** Milliseconds that an actor may think between two calls: compiling a hash takes some. */
const PATIENCE = 10_000;

/**
 * With the grain 'actors' the calls that one actor makes at once happen in the order it made them: far fewer orders, for
 * searches of all of them.
 */
export function createScheduler(grain: 'calls' | 'actors' = 'calls'): Scheduler {
  const current = new AsyncLocalStorage<number>();
  const waiting: Waiting[] = [];
  return {
    async hook(_, run) {
      const actor = current.getStore();
      if (actor === undefined) return await run();
      return await new Promise((resolve, reject) => {
        const go = async () => {
          try {
            resolve(await run());
          } catch (error) {
            reject(error);
          }
        };
        waiting.push({ actor, go });
      });
    },

    async run(actors, choose) {
      const busy = new Set(actors.keys());
      const all = Promise.all(
        actors.map((act, actor) =>
          current.run(actor, async () => {
            try {
              return await act();
            } finally {
              busy.delete(actor);
            }
          }),
        ),
      );
      // An actor's failure is told at the end, when the others have come to theirs.
      const settled = Promise.allSettled([all]);
      while (busy.size > 0) {
        for (const start = Date.now(); !everyoneWaits(busy, waiting);) {
          if (Date.now() - start > PATIENCE) throw new Error(`${busy.size} actors hang`);
          await turn();
        }
        if (busy.size === 0) break;
        // In a fixed order, since the same choices must make the same run.
        waiting.sort((a, b) => a.actor - b.actor);
        const open = grain === 'calls' ? waiting : firstOfEach(waiting);
        const chosen = open[choose(open.length)];
        if (!chosen) throw new Error('nothing was chosen');
        waiting.splice(waiting.indexOf(chosen), 1);
        await chosen.go();
        await turn();
      }
      await settled;
      return await all;
    },
  };
}

function firstOfEach(waiting: readonly Waiting[]): Waiting[] {
  return waiting.filter(({ actor }, i) => waiting[i - 1]?.actor !== actor);
}

function everyoneWaits(busy: ReadonlySet<number>, waiting: readonly Waiting[]): boolean {
  const held = new Set(waiting.map(({ actor }) => actor));
  return [...busy].every((actor) => held.has(actor));
}

/**
 * Runs `trial` once for each sequence of choices there is, at most `limit` times; how often it ran. Trials must depend
 * on nothing but their choices.
 */
export async function exhaust(trial: (choose: Choose) => Promise<void>, limit: number): Promise<number> {
  let path: number[] = [];
  for (let trials = 1; ; trials++) {
    const taken: { choice: number; among: number }[] = [];
    await trial((among) => {
      const choice = path[taken.length] ?? 0;
      taken.push({ choice, among });
      return choice;
    });
    while (taken.length > 0 && (taken.at(-1)?.choice ?? 0) + 1 >= (taken.at(-1)?.among ?? 0)) taken.pop();
    if (taken.length === 0 || trials >= limit) return trials;
    path = taken.map(({ choice }, i) => (i === taken.length - 1 ? choice + 1 : choice));
  }
}
