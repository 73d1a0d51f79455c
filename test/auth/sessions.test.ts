import { describe, expect, test } from 'vitest';
import { enableAdmin } from '../../src/access/admin.ts';
import { digestOf } from '../../src/model/digest.ts';
import { type RegistryName, parseRegistryName } from '../../src/model/names.ts';
import { adapters } from '../support/app.ts';
import { problemOf } from '../support/answer.ts';
import { countCalls, intercept } from '../support/intercept.ts';
import { noise } from '../support/sample.ts';
import { type Lab, basic, bearer, decoded, keptLabs } from './lab.ts';

const open = keptLabs();
const BYTES = noise(5000);
const DIGEST = digestOf(BYTES);
const PUSH = 'repository:team/app:pull,push';

/** A session in team/app, begun with a token of the login. */
async function begin(lab: Lab, authorization: string, repository = 'team/app'): Promise<string> {
  const response = await lab.fetch('POST', `/v2/${repository}/blobs/uploads/`, {
    headers: { authorization },
  });
  expect(response.status).toBe(202);
  return response.headers.get('location') ?? '';
}

/** The status, or the error. */
async function answerOf(response: Response): Promise<string> {
  return response.status < 400 ? String(response.status) : await problemOf(response);
}

const idOf = (location: string) => /uploads\/([^?]+)/.exec(location)?.[1] ?? '';

const withHeader = (authorization: string | undefined) =>
  authorization === undefined ? {} : { headers: { authorization } };

/** Ends an upload with its bytes; the status, or the error. */
async function end(lab: Lab, location: string, authorization?: string): Promise<string> {
  const request = { ...withHeader(authorization), body: BYTES };
  return await answerOf(await lab.fetch('PUT', `${location}&digest=${DIGEST}`, request));
}

describe.each(adapters)('an upload on %s', (adapter) => {
  test('whose token expires half-way completes, with the old token or with none', async () => {
    for (const keeps of [true, false]) {
      const lab = await open({ adapter, settings: { uploadSeconds: 86_400 } });
      const login = await lab.token('pusher', ['repositories/team/app/content/write']);
      const token = await lab.access(login, PUSH);
      const first = await begin(lab, bearer(token));
      const patched = await lab.fetch('PATCH', first, {
        headers: { authorization: bearer(token) },
        body: BYTES.subarray(0, 2000),
      });
      lab.clock.advance((Number(decoded(token)['exp']) + 60) * 1000 - lab.clock.now());
      const old = keeps ? bearer(token) : undefined;
      expect((await lab.fetch('GET', '/v2/', withHeader(old))).status).toBe(401);
      const rest = await lab.fetch('PATCH', patched.headers.get('location') ?? '', {
        ...withHeader(old),
        body: BYTES.subarray(2000),
      });
      expect(rest.status).toBe(202);
      const location = rest.headers.get('location') ?? '';
      const status = await lab.fetch('GET', location, withHeader(old));
      expect([status.status, status.headers.get('range')]).toEqual([204, '0-4999']);
      const done = await lab.fetch('PUT', `${location}&digest=${DIGEST}`, withHeader(old));
      expect([done.status, done.headers.get('docker-content-digest')]).toEqual([201, DIGEST]);
      const admin = withHeader(basic(await lab.admin()));
      expect((await lab.fetch('HEAD', `/v2/team/app/blobs/${DIGEST}`, admin)).status).toBe(200);
    }
  });
});

describe('a session of an upload', () => {
  test('is given to nobody who may not push', async () => {
    const lab = await open();
    const reader = await lab.token('reader', [
      'repositories/team/app/content/read',
      'repositories/other/*/content/write',
    ]);
    const token = bearer(await lab.access(reader, PUSH));
    const queries = ['', `?digest=${DIGEST}`, `?mount=${DIGEST}&from=other/app`, '?digest-algorithm=sha512'];
    for (const authorization of [undefined, token, basic(reader), 'Bearer x']) {
      for (const query of queries) {
        const path = `/v2/team/app/blobs/uploads/${query}`;
        const response = await lab.fetch('POST', path, { ...withHeader(authorization), body: BYTES });
        expect([query, response.headers.get('location')]).toEqual([query, null]);
        expect([query, await answerOf(response)]).toEqual([query, '401 UNAUTHORIZED']);
      }
    }
  });

  test('works in its repository alone, whatever its bearer may do elsewhere', async () => {
    const lab = await open();
    const admin = basic(await lab.admin());
    const location = await begin(lab, admin);
    for (const other of ['team/other', 'team/app/x', 'team', 'app']) {
      const moved = location.replace('/team/app/', `/${other}/`);
      expect([other, await end(lab, moved, admin)]).toEqual([other, '404 BLOB_UPLOAD_UNKNOWN']);
      expect([other, await end(lab, moved)]).toEqual([other, '404 BLOB_UPLOAD_UNKNOWN']);
    }
    expect(await end(lab, location, admin)).toBe('201');
  });

  test('works in its registry alone', async () => {
    const [first, second]: [RegistryName, RegistryName] = [
      parseRegistryName('firstreg'),
      parseRegistryName('secondreg'),
    ];
    const config = { registries: [first, second], domain: 'registries.test' } as const;
    const lab = await open({ registry: first, config });
    const authorization = basic(await lab.admin());
    const path = '/v2/team/app/blobs/uploads/';
    const begun = await lab.fetch(
      'POST',
      `http://firstreg.registries.test${path}`,
      withHeader(authorization),
    );
    const location = begun.headers.get('location') ?? '';
    expect(location).toMatch(/^\/v2\//);
    for (const proof of [authorization, undefined]) {
      const answer = await end(lab, `http://secondreg.registries.test${location}`, proof);
      expect(answer).toBe('404 BLOB_UPLOAD_UNKNOWN');
    }
    expect(await end(lab, `http://firstreg.registries.test${location}`)).toBe('201');
  });

  test('is unknown to another identity, even one that may do everything', async () => {
    const lab = await open();
    const pusher = await lab.token('pusher', '_repositories_push');
    const other = await lab.token('other', '_repositories_push');
    await lab.settings({ anonymousPull: true });
    const location = await begin(lab, bearer(await lab.access(pusher, PUSH)));
    const strangers = [
      basic(await lab.admin()),
      basic(other),
      bearer(await lab.access(other, PUSH)),
      bearer(await lab.access(undefined, PUSH)),
      basic(await lab.principal(['Owner'])),
    ];
    for (const [i, stranger] of strangers.entries()) {
      expect([i, await end(lab, location, stranger)]).toEqual([i, '404 BLOB_UPLOAD_UNKNOWN']);
      for (const method of ['GET', 'DELETE']) {
        const response = await lab.fetch(method, location, withHeader(stranger));
        expect([i, method, await answerOf(response)]).toEqual([i, method, '404 BLOB_UPLOAD_UNKNOWN']);
      }
    }
    // By another way of the same identity it goes on.
    expect(await end(lab, location, basic(pusher))).toBe('201');
  });

  test('that is forged, cut or put together is unknown', async () => {
    const lab = await open();
    const admin = basic(await lab.admin());
    const location = await begin(lab, admin);
    const neighbour = await begin(lab, admin);
    const state = new URL(location, 'http://x').searchParams.get('_state') ?? '';
    const [payload = '', mac = ''] = state.split('.');
    const [, , ...fields] = Buffer.from(payload, 'base64url').toString().split(',');
    const owner = Buffer.from('token:pusher').toString('base64url');
    const stolen = Buffer.from(['1', owner, ...fields].join(',')).toString('base64url');
    const states = [
      '',
      '.',
      payload,
      `${payload}.`,
      `.${mac}`,
      `${payload}.${mac}.`,
      `${payload}.${mac}x`,
      `${payload}.${mac}.${mac}`,
      `${payload}.${'A'.repeat(mac.length)}`,
      `${stolen}.${mac}`,
      `${payload}A.${mac}`,
      ...Array.from({ length: Math.floor(state.length / 10) }, (_, i) => state.slice(0, i * 10)),
    ];
    for (const text of states) {
      const forged = `${location.split('?')[0]}?_state=${text}`;
      expect([text, await end(lab, forged, admin)]).toEqual([text, '404 BLOB_UPLOAD_UNKNOWN']);
    }
    expect(await end(lab, location.replace(idOf(location), idOf(neighbour)))).toBe('404 BLOB_UPLOAD_UNKNOWN');
    expect(await end(lab, location.replace(/\?.*/, '?x=1'))).toBe('404 BLOB_UPLOAD_UNKNOWN');
    expect(await end(lab, location)).toBe('201');
  });

  test('opens nothing but its own upload', async () => {
    const lab = await open();
    const location = await begin(lab, basic(await lab.admin()));
    const query = location.slice(location.indexOf('?'));
    const tries = [
      ['GET', '/v2/'],
      ['GET', '/v2/team/app/tags/list'],
      ['PUT', '/v2/team/app/manifests/latest'],
      ['POST', '/v2/team/app/blobs/uploads/'],
      ['GET', `/v2/team/app/blobs/${DIGEST}`],
    ] as const;
    for (const [method, path] of tries) {
      expect([path, (await lab.fetch(method, `${path}${query}`)).status]).toEqual([path, 401]);
    }
  });

  test('may be ended by a bearer of its state even when its owner is gone, and shows nothing to him', async () => {
    const lab = await open();
    const location = await begin(lab, basic(await lab.admin()));
    await enableAdmin(lab.app.context, lab.registry, false);
    expect(await end(lab, location)).toBe('201');
    expect((await lab.fetch('GET', `/v2/team/app/blobs/${DIGEST}`)).status).toBe(401);
  });
});

describe('a mount', () => {
  test('from where one may not pull is an upload like any other, and reveals nothing', async () => {
    const lab = await open();
    const admin = basic(await lab.admin());
    expect(await end(lab, await begin(lab, admin, 'secret/app'), admin)).toBe('201');
    const login = await lab.token('pusher', [
      'repositories/team/*/content/read',
      'repositories/team/*/content/write',
      'repositories/secret/*/content/write',
    ]);
    const token = bearer(await lab.access(login, PUSH, 'repository:secret/app:pull'));
    for (const authorization of [token, basic(login)]) {
      const seen = [];
      for (const from of ['secret/app', 'secret/nowhere', 'team/nowhere']) {
        const path = `/v2/team/app/blobs/uploads/?mount=${DIGEST}&from=${from}`;
        const response = await lab.fetch('POST', path, withHeader(authorization));
        seen.push(plain(response));
      }
      expect(seen[0]).toEqual({ status: 202, headers: expect.any(Object) });
      expect(seen[1]).toEqual(seen[0]);
      expect(seen[2]).toEqual(seen[0]);
    }
    expect((await lab.fetch('HEAD', `/v2/team/app/blobs/${DIGEST}`, withHeader(token))).status).toBe(404);
  });

  test('takes a token that names both repositories', async () => {
    const lab = await open();
    const admin = await lab.admin();
    expect(await end(lab, await begin(lab, basic(admin), 'base/app'), basic(admin))).toBe('201');
    const path = `/v2/team/app/blobs/uploads/?mount=${DIGEST}&from=base/app`;
    const narrow = bearer(await lab.access(admin, PUSH));
    expect((await lab.fetch('POST', path, withHeader(narrow))).status).toBe(202);
    const wide = bearer(await lab.access(admin, PUSH, 'repository:base/app:pull'));
    expect((await lab.fetch('POST', path, withHeader(wide))).status).toBe(201);
  });
});

describe('what is forbidden', () => {
  test('looks the same whether it is there or not', async () => {
    const lab = await open();
    const admin = basic(await lab.admin());
    expect(await end(lab, await begin(lab, admin, 'secret/app'), admin)).toBe('201');
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      layers: [],
    });
    const put = await lab.fetch('PUT', '/v2/secret/app/manifests/v1', {
      headers: { authorization: admin, 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
      body: manifest,
    });
    expect(put.status).toBe(201);
    const login = await lab.token('stranger', ['repositories/team/*/content/read']);
    const token = bearer(await lab.access(login, 'repository:secret/app:pull,push,delete'));
    await lab.settings({ anonymousRepositories: ['team/*'] });
    const anonymous = bearer(await lab.access(undefined, 'repository:secret/app:pull'));
    const there = digestOf(Buffer.from(manifest));
    const tails = [
      ['GET', 'tags/list'],
      ['GET', 'manifests/v1'],
      ['HEAD', 'manifests/v1'],
      ['GET', `manifests/${there}`],
      ['DELETE', 'manifests/v1'],
      ['PUT', 'manifests/v1'],
      ['GET', `blobs/${DIGEST}`],
      ['HEAD', `blobs/${DIGEST}`],
      ['DELETE', `blobs/${DIGEST}`],
      ['GET', `referrers/${there}`],
      ['POST', 'blobs/uploads/'],
    ] as const;
    for (const authorization of [undefined, token, basic(login), anonymous]) {
      for (const [method, tail] of tails) {
        const answers = [];
        for (const repository of ['secret/app', 'secret/not']) {
          const path = `/v2/${repository}/${tail}`;
          const request = { ...withHeader(authorization), ...(method === 'PUT' && { body: '{}' }) };
          const response = await lab.fetch(method, path, request);
          answers.push({ ...plain(response), body: (await response.text()).replaceAll(repository, 'R') });
        }
        expect(answers[0]?.status).toBe(401);
        expect([method, tail, answers[1]]).toEqual([method, tail, answers[0]]);
      }
    }
  });

  test('is looked for no further: no storage call tells by its time', async () => {
    const counted = countCalls();
    const lab = await open({ wrap: (stores) => intercept(stores, counted) });
    const login = await lab.token('stranger', ['repositories/team/*/content/read']);
    const token = bearer(await lab.access(login, 'repository:secret/app:pull'));
    counted.reset();
    for (const name of ['secret/app', 'secret/not']) {
      expect((await lab.fetch('GET', `/v2/${name}/manifests/v1`, withHeader(token))).status).toBe(401);
    }
    expect(counted.calls).toEqual([]);
  });
});

/** Status and headers, without what differs from request to request. */
function plain(response: Response) {
  const own = ['x-ms-correlation-request-id', 'location', 'docker-upload-uuid'];
  const headers = [...response.headers]
    .filter(([name]) => !own.includes(name))
    .map(([name, value]) => [name, value.replace(/secret\/(app|not)/, 'R')]);
  return { status: response.status, headers: Object.fromEntries(headers) };
}
