import { describe, expect, test } from 'vitest';
import { adminPasswords } from '../../src/access/admin.ts';
import { readRegistry } from '../../src/access/registry.ts';
import { handle } from '../../src/app/http.ts';
import { addressRanges } from '../../src/guard/address.ts';
import { basic, bearer, openLab } from '../auth/lab.ts';
import { adapters } from '../support/app.ts';
import { closing, descriptorOf, locationOf } from '../support/push.ts';
import { intercept } from '../support/intercept.ts';

const guard = {
  proxies: { platform: false, ranges: addressRanges([]) },
  rateLimits: true,
  audit: true,
};

describe.each(adapters)('what is logged on %s', (adapter) => {
  test('never holds a password, a token, a signature or a header that carries one', async () => {
    let broken = false;
    const lab = await openLab({
      adapter,
      config: { guard, logRequests: true },
      wrap: (stores) =>
        intercept(stores, {
          hook: async (_, run) => {
            if (broken) throw new Error('broken on purpose');
            return await run();
          },
        }),
    });
    const secrets = new Map<string, string>();
    const keep = (name: string, secret: string) => {
      expect(secret.length).toBeGreaterThan(7);
      secrets.set(name, secret);
      return secret;
    };
    const admin = await lab.admin();
    const token = await lab.token('ci-builder', [
      'repositories/*/content/read',
      'repositories/*/content/write',
    ]);
    const principal = await lab.principal(['AcrPull']);
    keep('admin password', admin.password);
    for (const { name, value } of adminPasswords(
      lab.app.context,
      lab.registry,
      await readRegistry(lab.app.context, lab.registry),
    ))
      keep(name, value);
    keep('token password', token.password);
    keep('secret of a service principal', principal.password);
    keep('token of the directory', `entra ${principal.id}`);
    keep('deployment secret', Buffer.from(lab.app.config.settings.uploadKey).toString('base64'));
    const wrong = { username: 'ci-builder', password: keep('wrong password', 'correct-horse-battery') };
    const swapped = { username: token.password, password: 'ci-builder' };
    for (const login of [admin, token, principal, wrong, swapped]) {
      keep(`header ${secrets.size}`, basic(login).slice('Basic '.length));
      await lab.ask(login, 'repository:team/app:pull');
      await lab.fetch('GET', '/v2/', { headers: { authorization: basic(login) } });
      await lab.fetch('GET', '/v2/team/app/manifests/v1', { headers: { authorization: basic(login) } });
      await lab.fetch('GET', '/subscriptions?api-version=2022-12-01', {
        headers: { authorization: basic(login) },
      });
      await lab.post('/oauth2/token', { grant_type: 'password', service: 'registry.test', ...login });
    }
    const refresh = keep('refresh token', await lab.refresh(principal.id));
    await lab.post('/oauth2/token', { grant_type: 'refresh_token', refresh_token: refresh });
    await lab.post('/oauth2/token', {
      grant_type: 'refresh_token',
      refresh_token: keep('forged', `${refresh}x`),
    });
    const access = keep('access token', await lab.access(admin, 'repository:team/app:pull,push,delete'));
    const headers = { authorization: bearer(access) };

    const begun = locationOf(await lab.fetch('POST', '/v2/team/app/blobs/uploads/', { headers }));
    keep('session', new URL(begun, 'http://registry.test').searchParams.get('_state') ?? '');
    const bytes = new TextEncoder().encode('a layer');
    const { digest } = descriptorOf(bytes);
    await lab.fetch('PUT', closing(begun, digest), { headers, body: bytes });
    const pulled = await lab.fetch('GET', `/v2/team/app/blobs/${digest}`, { headers });
    if (pulled.status === 307) {
      const link = new URL(locationOf(pulled), 'http://registry.test');
      keep('signature of a link', link.searchParams.get('sig') ?? link.search);
    }
    await lab.fetch('GET', `/v2/team/app/manifests/v1?password=${admin.password}`, { headers });
    await lab.fetch('DELETE', '/v2/team/app/manifests/v1', {
      headers: { authorization: bearer(`${access}x`) },
    });
    const request = {
      url: 'http://registry.test/v2/',
      headers: new Headers(headers),
      body: null,
      address: '::1',
    };
    await handle(lab.app, { ...request, method: `GET` });
    broken = true;
    lab.clock.advance(20_000);
    await lab.ask(token, 'repository:team/app:pull');
    await lab.fetch('GET', `/v2/team/app/blobs/${digest}`, { headers });

    const text = JSON.stringify(lab.logs);
    expect(lab.logs.length).toBeGreaterThan(40);
    expect(text).toContain('broken on purpose');
    expect([...secrets].filter(([, secret]) => text.includes(secret)).map(([name]) => name)).toEqual([]);
    expect(text).not.toMatch(/Basic |Bearer |eyJ|[?&]sig=/);
  });
});
