import { describe, expect, test } from 'vitest';
import { SETTINGS_LIFE_MS } from '../../src/access/registry.ts';
import { Unavailable } from '../../src/store/records.ts';
import { type Hook, type Mishap, intercept, mishaps } from '../support/intercept.ts';
import { type Lab, PULL, REFUSED, bearer, keptLabs, listTags } from './lab.ts';
import { TAKEN } from './taking.ts';

const open = keptLabs();

const calm: Hook = async (_, run) => await run();

/** A lab whose storage calls can be made to fail while a change runs. */
async function openFragile(): Promise<{
  lab: Lab;
  during: (hook: Hook, run: () => Promise<void>) => Promise<void>;
}> {
  let current = calm;
  const lab = await open({
    wrap: (stores) => intercept(stores, { hook: (call, run) => current(call, run) }),
  });
  return {
    lab,
    async during(hook, run) {
      current = hook;
      try {
        await run();
      } finally {
        current = calm;
      }
    },
  };
}

/** Runs a change with a mishap at each of its calls in turn; the number of calls at which somebody could still pass. */
async function passed(mishap: Mishap, { make, take }: (typeof TAKEN)[number]): Promise<readonly string[]> {
  const found: string[] = [];
  for (let at = 0; ; at++) {
    const { lab, during } = await openFragile();
    const login = await make(lab);
    const token = bearer(await lab.access(login, PULL));
    lab.clock.advance(1000);
    const { hook, calls } = mishaps(mishap, at);
    await during(hook, async () => {
      try {
        await take(lab.app.context, lab, login);
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
      }
    });
    if (calls.length <= at) return found;
    // Whoever was told of a failure tries again.
    await take(lab.app.context, lab, login).catch((error: unknown) => {
      if (!(error instanceof Error) || !error.message.includes('no such')) throw error;
    });
    lab.clock.advance(SETTINGS_LIFE_MS);
    const answer = await listTags(lab, token);
    if (answer !== REFUSED) found.push(`${calls[at]?.name} (${at}): ${answer}`);
  }
}

describe.each(['fails', 'loses its answer', 'happens twice'] as const)(
  'when a storage call %s while rights are taken away',
  (mishap) => {
    test.each(TAKEN)('and $what, old tokens are refused all the same', async (taken) => {
      expect(await passed(mishap, taken)).toEqual([]);
    });
  },
);

test('a sign-in that read the old rights just before they were taken away gives nothing that lasts', async () => {
  const { lab, during } = await openFragile();
  const taken = TAKEN.find(({ what }) => what === 'a token is disabled');
  if (!taken) throw new Error('no such row');
  const login = await taken.make(lab);
  let late = '';
  let good = '';
  // Between the moment that the change was made for and its write.
  const hook: Hook = async (call, run) => {
    if (call.name === 'records.batch' && late === '') {
      late = 'under way';
      lab.clock.advance(5);
      late = bearer(await lab.access(login, PULL));
      good = await listTags(lab, late);
      lab.clock.advance(5);
    }
    return await run();
  };
  await during(hook, async () => {
    await taken.take(lab.app.context, lab, login);
  });
  lab.clock.advance(SETTINGS_LIFE_MS);
  expect([good, await listTags(lab, late)]).toEqual(['let in', REFUSED]);
});
