import { describe, expect, test } from 'vitest';
import { Problem, type ProblemCode, problemTable } from '../src/model/problem.ts';
import { Conflict, Unavailable } from '../src/store/records.ts';
import { problemOf } from './support/answer.ts';
import { type TestAppOptions, openTestApp } from './support/app.ts';
import { pushImage } from './support/push.ts';

interface Known {
  readonly statuses: readonly number[];
  readonly message?: string;
}

/**
 * distribution-spec 1.1 "Error Codes", with its descriptions; statuses are those that "Endpoints" allows for the
 * operations that the code belongs to, and 405 and 413 where CNCF distribution answers so.
 */
const SPECIFIED: Readonly<Record<string, Known>> = {
  BLOB_UNKNOWN: { statuses: [404], message: 'blob unknown to registry' },
  BLOB_UPLOAD_INVALID: { statuses: [400, 404, 416], message: 'blob upload invalid' },
  BLOB_UPLOAD_UNKNOWN: { statuses: [404], message: 'blob upload unknown to registry' },
  DENIED: { statuses: [403], message: 'requested access to the resource is denied' },
  DIGEST_INVALID: { statuses: [400], message: 'provided digest did not match uploaded content' },
  MANIFEST_BLOB_UNKNOWN: {
    statuses: [400, 404],
    message: 'manifest references a manifest or blob unknown to registry',
  },
  MANIFEST_INVALID: { statuses: [400], message: 'manifest invalid' },
  MANIFEST_UNKNOWN: { statuses: [404], message: 'manifest unknown to registry' },
  NAME_INVALID: { statuses: [400], message: 'invalid repository name' },
  NAME_UNKNOWN: { statuses: [404], message: 'repository name not known to registry' },
  SIZE_INVALID: { statuses: [400, 413], message: 'provided length did not match content length' },
  TOOMANYREQUESTS: { statuses: [429], message: 'too many requests' },
  UNAUTHORIZED: { statuses: [401], message: 'authentication required' },
  UNSUPPORTED: { statuses: [400, 404, 405, 409], message: 'the operation is unsupported' },
};

/** Codes of CNCF distribution and of Azure Container Registry (ACR wire section 4) beyond the specification's. */
const CUSTOMARY: Readonly<Record<string, Known>> = {
  PAGINATION_NUMBER_INVALID: { statuses: [400], message: 'invalid number of results requested' },
  RANGE_INVALID: { statuses: [416] },
  REGISTRY_DISALLOWED_OPERATION: { statuses: [405] },
  TAG_INVALID: { statuses: [400, 414], message: 'manifest tag did not match URI' },
  TAG_UNKNOWN: { statuses: [404], message: 'the specified tag does not exist' },
  UNAVAILABLE: { statuses: [503] },
  UNKNOWN: { statuses: [500], message: 'unknown error' },
};

const rows = Object.entries(problemTable).map(([name, row]) => ({ name, wire: row.code ?? name, ...row }));

describe('the table of errors', () => {
  test.each(rows)(
    '$name goes out as the known code $wire with a status that it may have',
    ({ wire, status }) => {
      const known = SPECIFIED[wire] ?? CUSTOMARY[wire];
      expect(known?.statuses).toContain(status);
      expect(wire).toMatch(/^[A-Z_]+$/);
    },
  );

  test.each(rows.filter(({ name }) => (SPECIFIED[name] ?? CUSTOMARY[name])?.message !== undefined))(
    '$name says what it says everywhere',
    ({ name, message }) => {
      expect(message).toBe((SPECIFIED[name] ?? CUSTOMARY[name])?.message);
    },
  );

  test.each(Object.keys(SPECIFIED))(
    'the code %s of the specification is in the table under its own name',
    (code) => {
      expect(rows.find(({ name }) => name === code)?.wire).toBe(code);
    },
  );

  test('a body has one error with code, message and detail, and null for a detail that is not there', () => {
    expect(new Problem('TOO_LARGE', { limit: 1 }).toBody()).toBe(
      '{"errors":[{"code":"SIZE_INVALID","message":"the body is larger than this registry accepts","detail":{"limit":1}}]}',
    );
    expect(new Problem('UNKNOWN', undefined, { message: 'other' }).toBody()).toBe(
      '{"errors":[{"code":"UNKNOWN","message":"other","detail":null}]}',
    );
  });

  test.each(Object.keys(problemTable).filter(isCode))('a thrown %s becomes its answer', async (code) => {
    const app = await openTestApp(failing(new Problem(code, undefined, { headers: { 'x-test': 'kept' } })));
    const answer = await app.fetch('GET', '/v2/a/manifests/v1');
    expect(answer.headers.get('x-test')).toBe('kept');
    const row = problemTable[code];
    expect(await problemOf(answer)).toBe(`${row.status} ${row.code ?? code}`);
    await app.close();
  });
});

function isCode(text: string): text is ProblemCode {
  return Object.hasOwn(problemTable, text);
}

/** An app whose storage answers every read of a row with this. */
function failing(thrown: unknown): TestAppOptions {
  return {
    wrap: (stores) => ({
      ...stores,
      records: {
        get: () => Promise.reject(thrown),
        range: (range) => stores.records.range(range),
        scan: (scan) => stores.records.scan(scan),
        batch: (...call) => stores.records.batch(...call),
      },
    }),
  };
}

describe('errors that are no answers', () => {
  test.each([new Unavailable('down'), new Conflict(0)])('%s is 503 with a time to wait', async (error) => {
    const app = await openTestApp(failing(error));
    const answer = await app.fetch('GET', '/v2/a/manifests/v1');
    expect(answer.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
    expect(await problemOf(answer)).toBe('503 UNAVAILABLE');
    expect(app.logs.map(({ level }) => level)).toEqual(['warn']);
    await app.close();
  });

  test.each([new Error('password=secret'), new TypeError('secret'), 'secret', undefined])(
    'an unexpected error is 500, logged in full and told to nobody',
    async (error) => {
      const app = await openTestApp(failing(error));
      const answer = await app.fetch('GET', '/v2/a/manifests/v1');
      expect(await answer.clone().text()).not.toContain('secret');
      expect(await problemOf(answer)).toBe('500 UNKNOWN');
      expect(app.logs).toHaveLength(1);
      expect(app.logs[0]?.level).toBe('error');
      expect(app.logs[0]?.fields['id']).toBe(answer.headers.get('x-ms-correlation-request-id'));
      await app.close();
    },
  );

  test('a request beyond its deadline is 503, and one within it is not', async () => {
    const never = new Promise<never>(() => {});
    const slow = await openTestApp({
      config: { deadlineMs: 20 },
      wrap: (stores) => ({
        ...stores,
        records: {
          get: () => never,
          range: (range) => stores.records.range(range),
          scan: (scan) => stores.records.scan(scan),
          batch: (...call) => stores.records.batch(...call),
        },
      }),
    });
    expect(await problemOf(await slow.fetch('GET', '/v2/a/manifests/v1'))).toBe('503 UNAVAILABLE');
    expect((await slow.fetch('GET', '/v2/')).status).toBe(200);
    await slow.close();
  });

  test('an unknown manifest is described as ACR does', async () => {
    const app = await openTestApp();
    await pushImage(app, 'a/b', 'v1');
    const missing = `sha256:${'0'.repeat(64)}`;
    expect(await (await app.fetch('GET', '/v2/a/b/manifests/T')).text()).toBe(
      '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest tagged by \\"T\\" is not found","detail":{"Tag":"T"}}]}',
    );
    expect(await (await app.fetch('GET', `/v2/a/b/manifests/${missing}`)).text()).toBe(
      `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest ${missing} is not found","detail":{"Name":"a/b","Revision":"${missing}"}}]}`,
    );
    expect(await (await app.fetch('GET', '/v2/c/tags/list')).text()).toBe(
      '{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry","detail":{"name":"c"}}]}',
    );
    await app.close();
  });
});
