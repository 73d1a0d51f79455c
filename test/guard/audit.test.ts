import { describe, expect, test } from 'vitest';
import type { GuardConfig } from '../../src/app/config.ts';
import { type Ending, type Trail, auditLines } from '../../src/events/audit.ts';
import { addressRanges } from '../../src/guard/address.ts';
import { type Lab, basic, bearer, decoded, openLab } from '../auth/lab.ts';
import type { LogLine, TestRequest } from '../support/app.ts';
import {
  CONFIG_TYPE,
  EMPTY_TYPE,
  IMAGE_TYPE,
  INDEX_TYPE,
  closing,
  descriptorOf,
  imageManifest,
  indexManifest,
  locationOf,
} from '../support/push.ts';

const HERE = '203.0.113.9';
const guard: GuardConfig = {
  proxies: { platform: true, ranges: addressRanges([]) },
  rateLimits: true,
  audit: true,
};

/** An app whose requests come from HERE with `authorization`, as one client sends them. */
async function openAudit() {
  const lab = await openLab({ config: { guard } });
  const admin = await lab.admin();
  const send = async (method: string, path: string, authorization?: string, request: TestRequest = {}) => {
    const headers = {
      'user-agent': 'docker/29.1 (linux)',
      'x-forwarded-for': HERE,
      ...(authorization !== undefined && { authorization }),
      ...request.headers,
    };
    const before = lab.logs.length;
    const response = await lab.fetch(method, path, { ...request, headers });
    return { response, lines: lab.logs.slice(before) };
  };
  return { lab, admin, send };
}

/** What is the same in all lines of the request that `response` answers. */
function columns(lab: Lab, response: Response, category: string, operation: string, identity: string) {
  return {
    TimeGenerated: new Date(lab.clock.now()).toISOString(),
    OperationName: operation,
    Category: category,
    CorrelationId: response.headers.get('x-ms-correlation-request-id'),
    LoginServer: 'registry.test',
    Region: 'test',
    Identity: identity,
    CallerIpAddress: HERE,
    UserAgent: 'docker/29.1 (linux)',
    DurationMs: '0',
    ResultType: 'HttpStatusCode',
    ResultDescription: String(response.status),
  };
}

function loginLine(lab: Lab, response: Response, identity: string, jwtId = ''): LogLine {
  const message = 'ContainerRegistryLoginEvents';
  const fields = { ...columns(lab, response, message, 'Login', identity), JwtId: jwtId };
  return { level: 'info', message, fields };
}

function repositoryLine(
  lab: Lab,
  response: Response,
  operation: string,
  own: Readonly<Record<string, string | number>>,
  identity = lab.registry as string,
): LogLine {
  const message = 'ContainerRegistryRepositoryEvents';
  const empty = { Tag: '', Digest: '', MediaType: '', ArtifactType: '', UserTenantId: '' };
  const fields = { ...columns(lab, response, message, operation, identity), ...empty, ...own };
  return { level: 'info', message, fields };
}

describe('a sign-in', () => {
  test('by password leaves one line with the id of the token that it got', async () => {
    const { lab, admin, send } = await openAudit();
    const { response, lines } = await send('GET', '/oauth2/token?service=registry.test', basic(admin));
    const { access_token: token }: { access_token: string } = JSON.parse(await response.text());
    expect(response.status).toBe(200);
    expect(lines).toEqual([loginLine(lab, response, lab.registry, String(decoded(token)['jti']))]);
  });

  test('with a wrong password leaves one line with the name that was claimed', async () => {
    const { lab, send } = await openAudit();
    const wrong = basic({ username: 'ci-builder', password: 'wrong-password' });
    const { response, lines } = await send('GET', '/oauth2/token?service=registry.test', wrong);
    expect(response.status).toBe(401);
    expect(lines).toEqual([loginLine(lab, response, 'ci-builder')]);
  });

  test('by a form, and by a token of the directory, leaves one line each', async () => {
    const { lab, admin, send } = await openAudit();
    const { id } = await lab.principal(['AcrPull']);
    const post = async (path: string, form: Record<string, string>) =>
      await send('POST', path, undefined, {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ service: 'registry.test', ...form }).toString(),
      });
    const password = await post('/oauth2/token', { grant_type: 'password', ...admin });
    expect(password.lines.map(({ fields }) => [fields['Identity'], fields['ResultDescription']])).toEqual([
      [lab.registry, '200'],
    ]);
    const exchange = await post('/oauth2/exchange', {
      grant_type: 'access_token',
      access_token: `entra ${id}`,
    });
    const { refresh_token: refresh }: { refresh_token: string } = JSON.parse(await exchange.response.text());
    expect(exchange.lines).toEqual([
      loginLine(lab, exchange.response, `user-${id.slice(0, 8)}`, String(decoded(refresh)['jti'])),
    ]);
    const token = await post('/oauth2/token', { grant_type: 'refresh_token', refresh_token: refresh });
    expect(token.lines.map(({ fields }) => fields['Identity'])).toEqual([`user-${id.slice(0, 8)}`]);
  });

  test('by Basic on the registry itself leaves a line where it is the point of the request, or fails', async () => {
    const { lab, admin, send } = await openAudit();
    const good = await send('GET', '/v2/', basic(admin));
    expect(good.lines).toEqual([loginLine(lab, good.response, lab.registry)]);
    const bad = await send('GET', '/v2/app/blobs/x', basic({ ...admin, password: 'wrong' }));
    expect(bad.response.status).toBe(401);
    expect(bad.lines).toEqual([loginLine(lab, bad.response, lab.registry)]);
  });

  test('that network rules refuse leaves a line', async () => {
    const { lab, admin, send } = await openAudit();
    await lab.settings({ publicNetworkAccess: false });
    const { response, lines } = await send('GET', '/v2/app/manifests/v1', basic(admin));
    expect(response.status).toBe(403);
    expect(lines).toEqual([loginLine(lab, response, lab.registry)]);
  });
});

describe('what leaves no line', () => {
  test('asking without credentials, to hear where to get them', async () => {
    const { send } = await openAudit();
    expect((await send('GET', '/v2/')).lines).toEqual([]);
    expect((await send('GET', '/v2/app/manifests/v1')).lines).toEqual([]);
  });

  test('keys, listings, blobs, and looking whether a manifest is there', async () => {
    const { lab, admin, send } = await openAudit();
    const token = bearer(await lab.access(admin, 'repository:app:pull,push', 'registry:catalog:*'));
    for (const [method, path] of [
      ['GET', '/oauth2/keys'],
      ['GET', '/v2/'],
      ['GET', '/v2/_catalog'],
      ['GET', '/v2/app/tags/list'],
      ['HEAD', '/v2/app/manifests/v1'],
      ['POST', '/v2/app/blobs/uploads/'],
    ] as const) {
      expect((await send(method, path, token)).lines).toEqual([]);
    }
  });
});

describe('an event of a repository', () => {
  test('leaves a line when a tag goes in the way of ACR, with what it named', async () => {
    const { lab, admin, send } = await openAudit();
    const token = bearer(await lab.access(admin, 'repository:team/app:pull,push,delete'));
    const bytes = new TextEncoder().encode(JSON.stringify(indexManifest([])));
    const { digest } = descriptorOf(bytes);
    const headers = { 'content-type': INDEX_TYPE };
    await send('PUT', '/v2/team/app/manifests/v1', token, { body: bytes, headers });
    const { response, lines } = await send('DELETE', '/acr/v1/team%2Fapp/_tags/v1', token);
    expect(response.status).toBe(202);
    const untagged = { Repository: 'team/app', Tag: 'v1', Digest: digest };
    expect(lines).toEqual([repositoryLine(lab, response, 'Untag', untagged)]);
  });

  test('leaves a line: push, pull, untag, delete, and what is refused', async () => {
    const { lab, admin, send } = await openAudit();
    const token = bearer(await lab.access(admin, 'repository:team/app:pull,push,delete'));
    const config = new TextEncoder().encode('{}');
    const begun = await send('POST', '/v2/team/app/blobs/uploads/', token);
    const { digest: blob } = descriptorOf(config);
    await send('PUT', closing(locationOf(begun.response), blob), token, { body: config });

    const manifest = imageManifest(descriptorOf(config, EMPTY_TYPE), [descriptorOf(config, CONFIG_TYPE)], {
      artifactType: 'application/x.test',
    });
    const bytes = new TextEncoder().encode(JSON.stringify(manifest));
    const { digest } = descriptorOf(bytes);
    const shared = { Repository: 'team/app', Digest: digest };
    const described = { ...shared, MediaType: IMAGE_TYPE, Size: bytes.length };
    const put = { body: bytes, headers: { 'content-type': IMAGE_TYPE } };

    const push = await send('PUT', '/v2/team/app/manifests/v1', token, put);
    const pushed = { ...described, ArtifactType: 'application/x.test' };
    expect(push.lines).toEqual([repositoryLine(lab, push.response, 'Push', { ...pushed, Tag: 'v1' })]);

    const several = await send('PUT', `/v2/team/app/manifests/${digest}?tag=v2&tag=v3`, token, put);
    expect(several.lines).toEqual([
      repositoryLine(lab, several.response, 'Push', { ...pushed, Tag: 'v2' }),
      repositoryLine(lab, several.response, 'Push', { ...pushed, Tag: 'v3' }),
    ]);

    const pull = await send('GET', '/v2/team/app/manifests/v1', token);
    expect(pull.lines).toEqual([repositoryLine(lab, pull.response, 'Pull', { ...described, Tag: 'v1' })]);

    const untag = await send('DELETE', '/v2/team/app/manifests/v1', token);
    expect(untag.lines).toEqual([
      repositoryLine(lab, untag.response, 'Untag', { Repository: 'team/app', Tag: 'v1' }),
    ]);

    const removal = await send('DELETE', `/v2/team/app/manifests/${digest}`, token);
    expect(removal.lines).toEqual([repositoryLine(lab, removal.response, 'Delete', shared)]);
    expect(removal.response.status).toBe(202);

    const gone = await send('GET', `/v2/team/app/manifests/${digest}`, token);
    expect(gone.response.status).toBe(404);
    expect(gone.lines).toEqual([repositoryLine(lab, gone.response, 'Pull', shared)]);

    await send('PUT', '/v2/team/app/manifests/v1', token, put);
    const tag = JSON.stringify({ tag: 'v1' });
    const retag = await send('PUT', '/acr/v1/team/app/_tags/v2', token, { body: tag });
    expect(retag.lines).toEqual([repositoryLine(lab, retag.response, 'Push', { ...described, Tag: 'v2' })]);
    const whole = await send('DELETE', '/acr/v1/team/app', token);
    expect(whole.lines).toEqual([repositoryLine(lab, whole.response, 'Delete', { Repository: 'team/app' })]);

    const blobGone = await send('DELETE', `/v2/team/app/blobs/${blob}`, token);
    expect(blobGone.lines).toEqual([
      repositoryLine(lab, blobGone.response, 'Delete', { Repository: 'team/app', Digest: blob }),
    ]);
  });

  test('that a right is missing for names who asked', async () => {
    const { lab, send } = await openAudit();
    const login = await lab.token('reader-token', ['repositories/team/app/content/read']);
    const token = bearer(await lab.access(login, 'repository:team/app:pull,push'));
    const { response, lines } = await send('DELETE', '/v2/team/app/manifests/v1', token);
    expect(response.status).toBe(401);
    expect(lines).toEqual([
      repositoryLine(lab, response, 'Untag', { Repository: 'team/app', Tag: 'v1' }, 'reader-token'),
    ]);
  });

  test('by somebody from a directory names the directory', async () => {
    const { lab, send } = await openAudit();
    const login = await lab.principal(['AcrPull']);
    const token = bearer(await lab.access(login, 'repository:team/app:pull'));
    const { lines } = await send('GET', '/v2/team/app/manifests/v1', token);
    const tenant = '9d2b8a34-0000-4000-8000-000000000000';
    expect(lines.map(({ fields }) => [fields['Identity'], fields['UserTenantId']])).toEqual([
      [`user-${login.id.slice(0, 8)}`, tenant],
    ]);
  });

  test('by Basic is no sign-in besides', async () => {
    const { lab, admin, send } = await openAudit();
    const { response, lines } = await send('GET', '/v2/team/app/manifests/v1', basic(admin));
    expect(lines).toEqual([repositoryLine(lab, response, 'Pull', { Repository: 'team/app', Tag: 'v1' })]);
  });
});

describe('a line', () => {
  const ending: Ending = { id: 'id', started: 5000, ended: 5042, userAgent: '', status: 200 };
  const trail: Trail = { loginServer: 'r.test', act: 'login' };

  test('says how long the request took, in milliseconds', () => {
    expect(auditLines('here', trail, ending)[0]?.fields['DurationMs']).toBe('42');
  });

  test('does not show a user name as long as passwords are, since people mistake the fields', () => {
    const id = '00000000-0000-0000-0000-000000000000';
    const lines = [id, 'x'.repeat(40)].flatMap((claimed) =>
      auditLines('here', { ...trail, claimed }, { ...ending, status: 401 }),
    );
    expect(lines.map(({ fields }) => fields['Identity'])).toEqual([id, '']);
  });

  test('is bounded, however long its texts are, and so is the number of lines', () => {
    const long = 'x'.repeat(10_000);
    const act = {
      operation: 'Push',
      repository: long,
      tags: Array.from({ length: 500 }, () => long),
    } as const;
    const lines = auditLines(
      'here',
      { ...trail, act, digest: long, mediaType: long },
      { ...ending, userAgent: long },
    );
    expect(lines).toHaveLength(20);
    expect(JSON.stringify(lines[0]).length).toBeLessThan(2500);
  });

  test('is not written where it is not known which registry was meant', () => {
    expect(auditLines('here', { act: 'login' }, ending)).toEqual([]);
  });
});

test('without the setting nothing is written down', async () => {
  const lab = await openLab({ config: { guard: { ...guard, audit: false } } });
  await lab.access(await lab.admin());
  expect(lab.logs).toEqual([]);
});
