import { X509Certificate } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm, stat, truncate } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { memoryKeyStore } from '../../src/auth/keys.ts';
import { readOptions } from '../../src/local/options.ts';
import { listen } from '../../src/local/server.ts';
import { explainTrust, loadDevelopmentTls, readOwnTls } from '../../src/local/tls/certificate.ts';
import { openTestApp } from '../support/app.ts';

const DAY = 86_400_000;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'functionary-tls-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

const file = (name: string) => join(dir, 'tls', name);
const load = async (host = '127.0.0.1', now?: number) =>
  await loadDevelopmentTls(join(dir, 'tls'), host, now);

describe('a development certificate', () => {
  test('is for this machine alone, and its authority for nothing but it', async () => {
    const { cert, trust } = await load();
    const leaf = new X509Certificate(cert);
    const authority = new X509Certificate(await readFile(trust ?? ''));
    expect(leaf.subjectAltName).toBe('DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1');
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect([leaf.ca, authority.ca]).toEqual([false, true]);
    expect(leaf.checkIssued(authority) && leaf.verify(authority.publicKey)).toBe(true);
    expect(leaf.validToDate.getTime() - leaf.validFromDate.getTime()).toBeLessThanOrEqual(825 * DAY);
  });

  test('names the host that is served', async () => {
    expect(new X509Certificate((await load('127.0.0.9')).cert).checkIP('127.0.0.9')).toBe('127.0.0.9');
    expect(new X509Certificate((await load('registry.test')).cert).checkHost('registry.test')).toBe(
      'registry.test',
    );
  });

  test('is kept with a key that its owner alone can read', async () => {
    const first = await load();
    expect(await load()).toEqual(first);
    expect((await stat(file('key.pem'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(dir, 'tls'))).mode & 0o777).toBe(0o700);
    expect(await readFile(file('key.pem'), 'utf8')).toBe(first.key);
  });

  test('is made anew for a host that it does not name, and kept for those it does', async () => {
    const first = await load('127.0.0.1');
    expect(await load('localhost')).toEqual(first);
    expect(await load('::1')).toEqual(first);
    const second = await load('127.0.0.9');
    expect(second.cert).not.toBe(first.cert);
    expect(await load('127.0.0.1')).toEqual(second);
  });

  test('is made anew a month before its end, and not sooner', async () => {
    const start = Date.now();
    const first = await load('127.0.0.1', start);
    expect(await load('127.0.0.1', start + 780 * DAY)).toEqual(first);
    const second = await load('127.0.0.1', start + 800 * DAY);
    expect(second.cert).not.toBe(first.cert);
  });

  test.each(['key.pem', 'cert.pem', 'ca.pem'])(
    'is made anew when %s is broken, lost or of another',
    async (name) => {
      const other = await loadDevelopmentTls(join(dir, 'other'), '127.0.0.1');
      let last = await load();
      for (const spoil of [
        async () => await truncate(file(name), 40),
        async () => await rm(file(name)),
        async () => await copyFile(join(dir, 'other', name), file(name)),
      ]) {
        await spoil();
        const next = await load();
        expect(next.cert).not.toBe(last.cert);
        expect(next.cert).not.toBe(other.cert);
        expect(await load()).toEqual(next);
        last = next;
      }
    },
  );

  test('is explained to whoever must trust it', () => {
    const lines = explainTrust('/data/tls/ca.pem', '127.0.0.1:5443');
    expect(lines).toContain('/data/tls/ca.pem /etc/docker/certs.d/127.0.0.1:5443/ca.crt');
    expect(lines).toContain('NODE_EXTRA_CA_CERTS=/data/tls/ca.pem');
    expect(lines).toContain('REQUESTS_CA_BUNDLE=/data/tls/ca.pem');
  });
});

describe("a certificate of one's own", () => {
  test('is read', async () => {
    const { key, cert } = await load();
    expect(await readOwnTls(file('cert.pem'), file('key.pem'))).toEqual({ key, cert });
  });

  test.each([
    [
      'a key of another',
      async () => await loadDevelopmentTls(join(dir, 'other'), '127.0.0.1'),
      'other/key.pem',
    ],
    ['no key', async () => await load(), 'tls/cert.pem'],
  ])('is refused with %s', async (_, prepare, key) => {
    await load();
    await prepare();
    await expect(readOwnTls(file('cert.pem'), join(dir, key))).rejects.toThrow('--tls-cert and --tls-key');
  });

  test('that cannot be read is named', async () => {
    await expect(readOwnTls(file('none.pem'), file('none.pem'))).rejects.toThrow('--tls-cert');
  });
});

describe('the options', () => {
  test.each([
    [[], undefined],
    [['--tls'], 'development'],
    [['--tls-cert', 'a', '--tls-key', 'b'], { cert: 'a', key: 'b' }],
    [['--tls', '--tls-cert', 'a', '--tls-key', 'b'], { cert: 'a', key: 'b' }],
  ])('%j ask for %j', (args, tls) => {
    const options = readOptions(args);
    expect(options === 'help' ? options : options.tls).toEqual(tls);
  });

  test.each([
    [['--tls'], { DOWNLOADS: 'proxy' }],
    [['--tls', '--disk', 'd'], {}],
    [['--tls', '--account'], {}],
    [[], {}],
  ])('%j usually mean the settings %j, since the emulator links by http', (args, usual) => {
    const options = readOptions(args);
    expect(options === 'help' ? options : options.usual).toEqual(usual);
  });

  test.each([[['--tls-cert', 'a']], [['--tls-key', 'b']]])('%j are half of what is needed', (args) => {
    expect(() => readOptions(args)).toThrow('one needs the other');
  });
});

test('a host with a certificate is served by https, and says so in challenges', async () => {
  const app = await openTestApp({ signIn: { keys: memoryKeyStore() } });
  const tls = await load();
  const listening = await listen(app.app, '127.0.0.1', 0, tls);
  const ca = await readFile(tls.trust ?? '', 'utf8');
  const { status, challenge, body } = await new Promise<Record<string, unknown>>((resolve, reject) => {
    const sent = request(`${listening.url}/v2/`, { ca }, (answer) => {
      const { statusCode, headers } = answer;
      text(answer).then(
        (all) => resolve({ status: statusCode, challenge: headers['www-authenticate'], body: all }),
        reject,
      );
    });
    sent.once('error', reject);
    sent.end();
  });
  expect(listening.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
  expect(status).toBe(401);
  expect(challenge).toBe(
    `Bearer realm="${listening.url}/oauth2/token",service="${new URL(listening.url).host}"`,
  );
  expect(body).toContain('UNAUTHORIZED');
  await expect(fetch(`${listening.url}/v2/`)).rejects.toThrow('fetch failed');
  await listening.stop();
  await app.close();
});
