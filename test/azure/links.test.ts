import { once } from 'node:events';
import { createServer } from 'node:http';
import { AnonymousCredential, BlobServiceClient, type UserDelegationKey } from '@azure/storage-blob';
import * as sdk from '@azure/storage-blob';
import { describe, expect, test } from 'vitest';
import { openAzure } from '../../src/azure/account.ts';
import { accountOf } from '../../src/azure/credential.ts';
import { delegationKeys, openLinks } from '../../src/azure/content/links.ts';
import { parseRegistryName } from '../../src/model/names.ts';

const at = { registry: parseRegistryName('contoso'), name: 'b/ab12' };
const key = { kind: 'key', account: 'acct', key: Buffer.from('a key').toString('base64') } as const;

/** Endpoints of an account under a name that does not exist, so that any request would fail. */
function endpoints(blob: string) {
  return {
    blobEndpoint: blob,
    tableEndpoint: 'https://acct.table.invalid',
    queueEndpoint: 'https://acct.queue.invalid',
    credential: key,
  };
}

const HOUR = 3_600_000;

/** A clock to set, and a source of numbered keys that can be made to fail. */
function source() {
  const state = { now: 0, made: 0, broken: false };
  const fetch = (from: Date, to: Date): Promise<UserDelegationKey> => {
    if (state.broken) return Promise.reject(new Error('no key'));
    state.made++;
    return Promise.resolve({
      signedObjectId: String(state.made),
      signedTenantId: 't',
      signedStartsOn: from,
      signedExpiresOn: to,
      signedService: 'b',
      signedVersion: 'v',
      value: 'a2V5',
    });
  };
  return { state, keys: delegationKeys(fetch, () => state.now) };
}

describe('links by account key', () => {
  test.each([
    ['https://acct.blob.invalid', 'https://acct.blob.invalid/contoso/b%2Fab12'],
    ['https://acct.blob.invalid/', 'https://acct.blob.invalid/contoso/b%2Fab12'],
    ['http://127.0.0.1:10000/acct', 'http://127.0.0.1:10000/acct/contoso/b%2Fab12'],
  ])('over %s they point to %s', async (endpoint, url) => {
    const link = await openAzure(endpoints(endpoint)).blobs.link(at, 60);
    expect(link?.split('?')[0]).toBe(url);
  });

  test('they point to the public endpoint where there is one', async () => {
    const options = {
      ...endpoints('https://acct.blob.invalid'),
      publicBlobEndpoint: 'https://pull.contoso.example',
    };
    const link = await openAzure(options).blobs.link(at, 60);
    expect(link?.split('?')[0]).toBe('https://pull.contoso.example/contoso/b%2Fab12');
  });

  test('they allow reading of one blob by HTTPS, from a little before now until their end', async () => {
    const before = Date.now();
    const link = await openAzure(endpoints('https://acct.blob.invalid')).blobs.link(at, 600);
    const query = new URL(link ?? '').searchParams;
    expect(Object.fromEntries(query)).toMatchObject({ sr: 'b', sp: 'r', spr: 'https' });
    expect(query.has('sig')).toBe(true);
    expect(Date.parse(query.get('st') ?? '')).toBeLessThan(before - 60_000);
    const end = Date.parse(query.get('se') ?? '');
    expect(end).toBeGreaterThan(before + 595_000);
    expect(end).toBeLessThan(Date.now() + 605_000);
  });

  test('they allow HTTP where storage itself has no HTTPS', async () => {
    const link = await openAzure(endpoints('http://127.0.0.1:10000/acct')).blobs.link(at, 60);
    expect(new URL(link ?? '').searchParams.get('spr')).toBe('https,http');
  });
});

describe('links by delegation', () => {
  test('two links are signed with one key that storage gave, under its holder and account', async () => {
    let calls = 0;
    const server = createServer((request, answer) => {
      calls++;
      request.resume();
      answer.writeHead(200, { 'content-type': 'application/xml' });
      answer.end(
        '<?xml version="1.0" encoding="utf-8"?><UserDelegationKey><SignedOid>the-holder</SignedOid>' +
          '<SignedTid>the-tenant</SignedTid><SignedStart>2026-01-01T00:00:00Z</SignedStart>' +
          '<SignedExpiry>2026-01-02T00:00:00Z</SignedExpiry><SignedService>b</SignedService>' +
          '<SignedVersion>2026-02-06</SignedVersion><Value>a2V5</Value></UserDelegationKey>',
      );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('not a TCP server');
    const service = new BlobServiceClient(`http://127.0.0.1:${address.port}/acct`, new AnonymousCredential());
    const link = openLinks(sdk, { service }, 'https://acct.blob.invalid');

    const urls = await Promise.all([link(at, 60), link({ ...at, name: 'other' }, 60)]);
    server.close();
    server.closeAllConnections();

    expect(calls).toBe(1);
    const queries = urls.map((url) => new URL(url).searchParams);
    for (const query of queries)
      expect(Object.fromEntries(query)).toMatchObject({ skoid: 'the-holder', sktid: 'the-tenant', sp: 'r' });
    expect(queries[0]?.get('sig')).not.toBe(queries[1]?.get('sig'));
  });

  test('links that start at once wait for one key', async () => {
    const { state, keys } = source();
    const got = await Promise.all([keys(1000), keys(2000), keys(3000)]);
    expect(got.map((one) => one.signedObjectId)).toEqual(['1', '1', '1']);
    expect(state.made).toBe(1);
  });

  test('a key is renewed long before its end, without making anybody wait', async () => {
    const { state, keys } = source();
    await keys(1000);
    state.now = 11 * HOUR;
    await keys(state.now + 1000);
    expect(state.made).toBe(1);
    state.now = 13 * HOUR;
    expect((await keys(state.now + 1000)).signedObjectId).toBe('1');
    expect((await keys(state.now + 1000)).signedObjectId).toBe('2');
  });

  test('an old key serves on while no new one can be had, and is never used past its end', async () => {
    const { state, keys } = source();
    await keys(1000);
    state.broken = true;
    state.now = 20 * HOUR;
    expect((await keys(state.now + 1000)).signedObjectId).toBe('1');
    state.now = 25 * HOUR;
    await expect(keys(state.now + 1000)).rejects.toThrow('no key');
    state.broken = false;
    expect((await keys(state.now + 1000)).signedObjectId).toBe('2');
  });

  test('a key outlives every link that it signs', async () => {
    const { keys } = source();
    await keys(1000);
    const long = await keys(48 * HOUR);
    expect(long.signedExpiresOn.getTime()).toBeGreaterThan(48 * HOUR);
  });
});

describe('the account of an endpoint', () => {
  test.each([
    ['https://contoso.blob.core.windows.net', 'contoso'],
    ['https://contoso.blob.core.windows.net/', 'contoso'],
    ['http://127.0.0.1:10000/devstoreaccount1', 'devstoreaccount1'],
    ['http://127.0.0.1:10000/devstoreaccount1/', 'devstoreaccount1'],
  ])('%s is of %s', (endpoint, account) => {
    expect(accountOf(endpoint)).toBe(account);
  });
});
