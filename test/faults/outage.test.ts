import { describe, expect, test } from 'vitest';
import { openTestApp } from '../support/app.ts';
import { type Answer, clientOf } from '../support/client.ts';
import { type Hook, intercept, mishaps } from '../support/intercept.ts';
import { type Scene, scenes } from '../support/scene.ts';

/** Answered without storage, hence during an outage too. */
const ALIVE = ['ping', 'postUpload', 'getUpload'];
const cases = Object.entries(scenes).map(([name, scene]) => ({ name, scene }));

describe('during an outage of storage', () => {
  test.each(cases.filter(({ name }) => ALIVE.includes(name)))(
    '$name is answered as ever',
    async ({ scene }) => {
      expect((await during(scene)).status).toBeLessThan(300);
    },
  );

  test.each(cases.filter(({ name }) => !ALIVE.includes(name)))(
    '$name is answered 503, in the form clients know, with a time to try again',
    async ({ name, scene }) => {
      const { status, headers, bytes } = await during(scene);
      expect([status, headers['retry-after']]).toEqual([503, '5']);
      expect(headers['content-type']).toMatch(/^application\/json/);
      const body = name.startsWith('head') ? /^$/ : /^\{"errors":\[\{"code":"UNAVAILABLE"/;
      expect(Buffer.from(bytes).toString()).toMatch(body);
    },
  );
});

/** The answer to a request whose every storage call fails. */
async function during(scene: Scene): Promise<Answer> {
  let hook: Hook | undefined;
  const app = await openTestApp({
    wrap: (stores) =>
      intercept(stores, { hook: async (call, run) => await (hook ? hook(call, run) : run()) }),
  });
  const act = await scene(clientOf(app.app));
  hook = mishaps('fails').hook;
  const answer = await act();
  await app.close();
  return answer;
}
