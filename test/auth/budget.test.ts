import { describe, expect, test } from 'vitest';
import { SETTINGS_LIFE_MS } from '../../src/access/registry.ts';
import { countCalls, intercept } from '../support/intercept.ts';
import { type Lab, PULL, SERVICE, ZERO, basic, bearer, keptLabs } from './lab.ts';

const open = keptLabs();

interface Row {
  readonly what: string;
  /** Storage calls when the registry's settings were read in the last ten seconds; else they are read besides. */
  readonly calls: number;
  /** Makes what the request needs, and gives the request. */
  readonly request: (lab: Lab) => Promise<() => Promise<Response>>;
}

const headersOf = (authorization: string) => ({ headers: { authorization } });

/** What signing in and being recognised cost in storage calls. */
const BUDGET: readonly Row[] = [
  {
    what: 'a request with an access token of a scope map',
    calls: 0,
    request: async (lab) => {
      const token = await lab.access(await lab.token('reader', '_repositories_pull'), PULL);
      return () => lab.fetch('GET', '/v2/', headersOf(bearer(token)));
    },
  },
  {
    what: 'a request with an access token of the admin user',
    calls: 0,
    request: async (lab) => {
      const token = await lab.access(await lab.admin(), PULL);
      return () => lab.fetch('GET', '/v2/', headersOf(bearer(token)));
    },
  },
  {
    what: 'a request with an anonymous token',
    calls: 0,
    request: async (lab) => {
      const token = await lab.access(undefined, PULL);
      return () => lab.fetch('GET', '/v2/', headersOf(bearer(token)));
    },
  },
  {
    what: 'a request with a token that is none',
    calls: 0,
    request: (lab) => Promise.resolve(() => lab.fetch('GET', '/v2/', headersOf('Bearer x.y.z'))),
  },
  {
    what: 'a request without credentials',
    calls: 0,
    request: (lab) => Promise.resolve(() => lab.fetch('GET', '/v2/')),
  },
  {
    what: 'the begin of an upload with an access token',
    calls: 0,
    request: async (lab) => {
      const push = 'repository:team/app:pull,push';
      const token = await lab.access(await lab.token('pusher', '_repositories_push'), push);
      return () => lab.fetch('POST', '/v2/team/app/blobs/uploads/', headersOf(bearer(token)));
    },
  },
  {
    what: 'a request by Basic of the admin user',
    calls: 0,
    request: async (lab) => {
      const login = await lab.admin();
      return () => lab.fetch('GET', '/v2/', headersOf(basic(login)));
    },
  },
  {
    what: 'a token for an anonymous caller',
    calls: 0,
    request: (lab) => Promise.resolve(() => lab.ask(undefined, PULL)),
  },
  {
    what: 'a token for the admin user',
    calls: 0,
    request: async (lab) => {
      const login = await lab.admin();
      return () => lab.ask(login, PULL);
    },
  },
  {
    what: 'a token for a scope-map token with a system scope map',
    calls: 1,
    request: async (lab) => {
      const login = await lab.token('reader', '_repositories_pull');
      return () => lab.ask(login, PULL);
    },
  },
  {
    what: 'a token for a scope-map token with a scope map of its own',
    calls: 2,
    request: async (lab) => {
      const login = await lab.token('reader', ['repositories/team/*/content/read']);
      return () => lab.ask(login, PULL);
    },
  },
  {
    what: 'a token for a wrong password',
    calls: 1,
    request: async (lab) => {
      const login = await lab.token('reader', '_repositories_pull');
      return () => lab.ask({ ...login, password: 'x' }, PULL);
    },
  },
  {
    what: 'a token for a name that nobody has',
    calls: 1,
    request: (lab) => Promise.resolve(() => lab.ask({ username: 'nobody-here', password: 'x' }, PULL)),
  },
  {
    what: 'a token for a refresh token',
    calls: 1,
    request: async (lab) => {
      const { id } = await lab.principal(['AcrPush', 'AcrDelete']);
      const password = await lab.refresh(id);
      return () => lab.ask({ username: ZERO, password }, PULL);
    },
  },
  {
    what: 'an exchange',
    calls: 0,
    request: async (lab) => {
      const { id } = await lab.principal(['AcrPull']);
      const form = { grant_type: 'access_token', service: SERVICE, access_token: `entra ${id}` };
      return () => lab.post('/oauth2/exchange', form);
    },
  },
  {
    what: 'the public keys',
    calls: 0,
    request: (lab) => Promise.resolve(() => lab.fetch('GET', '/oauth2/keys')),
  },
];

describe('storage calls', () => {
  test.each(BUDGET)('of $what: $calls', async ({ request, calls }) => {
    const count = countCalls();
    const lab = await open({ wrap: (stores) => intercept(stores, count) });
    const send = await request(lab);
    lab.clock.advance(SETTINGS_LIFE_MS);
    count.reset();
    await send();
    const first = count.calls.length;
    count.reset();
    await send();
    expect([first, count.calls.length]).toEqual([calls + 1, calls]);
  });

  test('many who come at once when the settings are old read them once', async () => {
    const count = countCalls();
    const lab = await open({ wrap: (stores) => intercept(stores, count) });
    const token = await lab.access(await lab.admin(), PULL);
    lab.clock.advance(SETTINGS_LIFE_MS);
    count.reset();
    await Promise.all(Array.from({ length: 20 }, () => lab.fetch('GET', '/v2/', headersOf(bearer(token)))));
    expect(count.calls).toHaveLength(1);
  });
});
