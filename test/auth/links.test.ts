import { describe, expect, test } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { noise } from '../support/sample.ts';
import { type Lab, basic, keptLabs } from './lab.ts';

const open = keptLabs();

/** Pushes a blob and asks for it; the link that storage is to answer. */
async function linkTo(lab: Lab, bytes: Uint8Array): Promise<URL> {
  const headers = { authorization: basic(await lab.admin()) };
  const begun = await lab.fetch('POST', '/v2/team/app/blobs/uploads/', { headers });
  const digest = digestOf(bytes);
  await lab.fetch('PUT', `${begun.headers.get('location')}&digest=${digest}`, { headers, body: bytes });
  const response = await lab.fetch('GET', `/v2/team/app/blobs/${digest}`, { headers });
  expect(response.status).toBe(307);
  return new URL(response.headers.get('location') ?? '');
}

async function status(url: URL | string, init: RequestInit = {}): Promise<number> {
  const response = await fetch(url, init);
  await response.arrayBuffer();
  return response.status;
}

describe('a link to storage', () => {
  test('reads one blob, and is good for nothing else', async () => {
    const lab = await open({ adapter: 'azure' });
    const bytes = noise(300);
    const [link, other] = [await linkTo(lab, bytes), await linkTo(lab, noise(400))];
    const got = await fetch(link);
    expect([got.status, Buffer.from(await got.arrayBuffer()).equals(bytes)]).toEqual([200, true]);
    expect(await status(link, { method: 'HEAD' })).toBe(200);

    const body = new Uint8Array(noise(10));
    const headers = { 'x-ms-blob-type': 'BlockBlob', 'x-ms-version': '2021-12-02' };
    const block = `${link.href}&comp=block&blockid=${encodeURIComponent('AAAA')}`;
    const neighbour = new URL(link);
    neighbour.pathname = other.pathname;
    const container = new URL(link);
    container.pathname = link.pathname.split('/').slice(0, -1).join('/');
    const table = new URL(link);
    table.pathname = `${link.pathname}/../repos`;
    const misuse: Readonly<Record<string, Promise<number>>> = {
      neighbour: status(neighbour),
      replace: status(link, { method: 'PUT', headers, body }),
      stage: status(block, { method: 'PUT', headers, body }),
      delete: status(link, { method: 'DELETE', headers }),
      describe: status(`${link.href}&comp=metadata`, { method: 'PUT', headers }),
      list: status(`${container.href}&restype=container&comp=list`),
      table: status(table),
    };
    for (const [name, answer] of Object.entries(misuse)) {
      expect([name, [403, 404].includes(await answer)]).toEqual([name, true]);
    }
    expect(await status(link)).toBe(200);
  });

  test.each([
    ['longer', 'se', '2099-01-01T00:00:00Z'],
    ['wider', 'sp', 'rwdl'],
    ['of a container', 'sr', 'c'],
    ['without its signature', 'sig', ''],
  ])('made %s is refused', async (_, key, value) => {
    const lab = await open({ adapter: 'azure' });
    const link = await linkTo(lab, noise(100));
    expect(await status(link)).toBe(200);
    link.searchParams.set(key, value);
    expect(await status(link)).toBe(403);
  });

  test('holds neither the name of the repository nor a token of ours', async () => {
    const lab = await open({ adapter: 'azure' });
    const link = await linkTo(lab, noise(100));
    expect(link.href).not.toContain('team');
    expect(link.href).not.toContain('ey');
    expect([...link.searchParams.keys()].toSorted()).toEqual(
      expect.arrayContaining(['se', 'sig', 'sp', 'sr', 'sv']),
    );
    expect(link.searchParams.get('sp')).toBe('r');
    expect(link.searchParams.get('sr')).toBe('b');
  });
});
