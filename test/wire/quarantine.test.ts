import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { repositoryPartition } from '../../src/model/record.ts';
import { parseRepositoryName } from '../../src/model/names.ts';
import { type Lab, type Login, SERVICE, basic, bearer, openLab } from '../auth/lab.ts';
import { problemOf } from '../support/answer.ts';
import { adapters } from '../support/app.ts';
import { IMAGE_TYPE } from '../support/push.ts';
import { digestOf } from '../../src/model/digest.ts';

const NAME = 'team/app';

/** Bytes of a manifest without blobs, and its digest. */
function manifestOf(text: string) {
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: IMAGE_TYPE, layers: [], annotations: { text } }),
  );
  return { bytes, digest: digestOf(bytes) };
}

describe.each(adapters)('quarantine on %s', (adapter) => {
  let lab: Lab;
  let pusher: Login;
  let puller: Login;
  let reader: Login;
  let scanner: Login;
  let admin: Login;
  const image = manifestOf('image');

  beforeEach(async () => {
    lab = await openLab({ adapter });
    await quarantine(true);
    pusher = await lab.principal(['AcrPush']);
    puller = await lab.principal(['AcrPull']);
    reader = await lab.principal(['AcrQuarantineReader']);
    scanner = await lab.principal(['AcrQuarantineWriter']);
    admin = await lab.admin();
  });
  afterEach(() => lab.close());

  async function quarantine(enabled: boolean): Promise<void> {
    await lab.settings({ quarantine: { enabled, updated: 0 } });
  }

  /** With a token for the usual scope of what is done. */
  async function as(login: Login, scope: string, method: string, path: string, body?: string | Uint8Array) {
    const token = await lab.access(login, `repository:${NAME}:${scope}`);
    const headers = { authorization: bearer(token), 'content-type': IMAGE_TYPE };
    return await lab.fetch(method, path, { headers, ...(body !== undefined && { body }) });
  }

  async function push(reference: string, { bytes } = image): Promise<void> {
    const answer = await as(pusher, 'pull,push', 'PUT', `/v2/${NAME}/manifests/${reference}`, bytes);
    expect(answer.status).toBe(201);
  }

  async function pull(login: Login, reference: string): Promise<string> {
    const answer = await as(login, 'pull', 'GET', `/v2/${NAME}/manifests/${reference}`);
    return answer.ok ? '200' : await problemOf(answer);
  }

  async function judge(login: Login, change: object, scope = 'pull,push', digest: string = image.digest) {
    return await as(login, scope, 'PATCH', `/acr/v1/${NAME}/_manifests/${digest}`, JSON.stringify(change));
  }

  /** Actions and tags of all events so far. */
  async function events(): Promise<string[]> {
    const { registry, stores } = lab;
    const { rows } = await stores.records.range<{ event: string }>({
      table: 'repos',
      partition: repositoryPartition({ registry, name: parseRepositoryName(NAME) }),
      from: 'o!',
      before: 'o~',
      limit: 1000,
    });
    return rows.map(({ value }) => {
      const { action, tags }: { action: string; tags: string[] } = JSON.parse(value.event);
      return `${action} ${tags.join()}`.trim();
    });
  }

  const HIDDEN = ['404 MANIFEST_UNKNOWN', '405 REGISTRY_DISALLOWED_OPERATION'];

  test('holds a new image until a scanner lets it pass, and only then tells that it was pushed', async () => {
    await push('v1');
    await push('v2');
    for (const login of [puller, pusher, admin])
      expect([await pull(login, 'v1'), await pull(login, image.digest)]).toEqual(HIDDEN);
    for (const login of [reader, scanner])
      expect([await pull(login, 'v1'), await pull(login, image.digest)]).toEqual(['200', '200']);
    expect(await events()).toEqual(['quarantine v1', 'quarantine v2']);

    const details = '{"state":"scan passed"}';
    const answer = await judge(scanner, { quarantineState: 'Passed', quarantineDetails: details });
    expect([answer.status, await answer.text()]).toEqual([
      200,
      expect.stringContaining(`"quarantineState":"Passed","quarantineDetails":${JSON.stringify(details)}}`),
    ]);
    expect([await pull(puller, 'v1'), await pull(puller, image.digest)]).toEqual(['200', '200']);
    expect(await events()).toEqual(['quarantine v1', 'quarantine v2', 'push v1,v2']);
    // Said again, it is no news; nor does a new tag need a new scan.
    await judge(scanner, { quarantineState: 'Passed' });
    await push('v3');
    expect(await events()).toEqual(['quarantine v1', 'quarantine v2', 'push v1,v2', 'push v3']);
    expect(await pull(puller, 'v3')).toBe('200');
  });

  test('goes on holding what failed, pushed again as well', async () => {
    await push('v1');
    expect((await judge(scanner, { quarantineState: 'Failed' })).status).toBe(200);
    await push('v1');
    expect([await pull(puller, 'v1'), await pull(puller, image.digest)]).toEqual(HIDDEN);
    expect(await events()).toEqual(['quarantine v1', 'update', 'quarantine v1']);
  });

  test('takes back what was let pass', async () => {
    await push('v1');
    await judge(scanner, { quarantineState: 'Passed' });
    expect(await pull(puller, 'v1')).toBe('200');
    await judge(scanner, { quarantineState: 'Quarantined' });
    expect(await pull(puller, 'v1')).toBe(HIDDEN[0]);
    await judge(scanner, { quarantineState: 'Passed' });
    expect(await events()).toEqual(['quarantine v1', 'push v1', 'update', 'push v1']);
  });

  test('holds a tag that moves from a passed image to a new one', async () => {
    await push('v1');
    await judge(scanner, { quarantineState: 'Passed' });
    const next = manifestOf('next');
    await push('v1', next);
    expect([await pull(puller, 'v1'), await pull(puller, next.digest)]).toEqual(HIDDEN);
    expect(await pull(puller, image.digest)).toBe('200');
  });

  test('holds what was there before it was asked for, and lets all go when it is not', async () => {
    await quarantine(false);
    await push('v1');
    expect(await pull(puller, 'v1')).toBe('200');
    await quarantine(true);
    expect([await pull(puller, 'v1'), await pull(puller, image.digest)]).toEqual(HIDDEN);
    await push('v1');
    const shown = await as(puller, 'pull', 'GET', `/acr/v1/${NAME}/_manifests/${image.digest}`);
    expect(await shown.text()).toContain('"quarantineState":"Quarantined"');
    await quarantine(false);
    expect([await pull(puller, 'v1'), await pull(puller, image.digest)]).toEqual(['200', '200']);
    // Nobody waits for it now.
    await judge(scanner, { quarantineState: 'Passed' });
    expect(await events()).toEqual(['push v1', 'quarantine v1', 'update']);
  });

  test('is lifted by those alone who may, with any of the scopes that clients ask for', async () => {
    await push('v1');
    const verdict = { quarantineState: 'Passed' };
    for (const scope of ['pull,push', 'metadata_write', 'metadata_write,metadata_read', 'quarantine_write'])
      expect((await judge(scanner, verdict, scope)).status).toBe(200);
    const direct = await lab.fetch('PATCH', `/acr/v1/${NAME}/_manifests/${image.digest}`, {
      headers: { authorization: basic(scanner) },
      body: JSON.stringify(verdict),
    });
    expect(direct.status).toBe(200);

    const scope = (action: string) =>
      `Bearer realm="http://${SERVICE}/oauth2/token",service="${SERVICE}",scope="repository:${NAME}:${action}",error="insufficient_scope"`;
    const owner = await lab.principal(['Owner']);
    for (const login of [admin, owner]) {
      for (const change of [verdict, { quarantineDetails: '' }, { ...verdict, deleteEnabled: false }]) {
        const refused = await judge(login, change, '*');
        expect(refused.headers.get('www-authenticate')).toBe(scope('quarantine_write'));
        expect(await problemOf(refused)).toBe('401 UNAUTHORIZED');
      }
      expect((await judge(login, { deleteEnabled: true }, '*')).status).toBe(200);
    }
    // A scanner judges, and locks nothing.
    for (const change of [{ deleteEnabled: true }, { ...verdict, listEnabled: false }, {}]) {
      const refused = await judge(scanner, change, '*');
      expect(refused.headers.get('www-authenticate')).toBe(scope('metadata_write'));
    }
    for (const login of [reader, puller, pusher]) expect((await judge(login, verdict, '*')).status).toBe(401);
    const both = await lab.principal(['AcrQuarantineWriter', 'Owner']);
    expect((await judge(both, { ...verdict, deleteEnabled: true }, '*')).status).toBe(200);
  });
});
