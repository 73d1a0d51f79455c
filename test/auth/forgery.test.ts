import { createHmac } from 'node:crypto';
import { type CryptoKey, SignJWT, exportJWK, exportSPKI, generateKeyPair, importJWK } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { memoryKeyStore } from '../../src/auth/keys.ts';
import { type Lab, PULL, REFUSED, SERVICE, bearer, decoded, keptLabs, listTags as tags } from './lab.ts';

const open = keptLabs();
const keys = memoryKeyStore();

/** Our own private key, as only a thief has it: to make tokens that differ from good ones in one thing. */
let ours: { readonly kid: string; readonly key: CryptoKey | Uint8Array; readonly spki: string };
let foreign: CryptoKey;

beforeAll(async () => {
  const lab = await open({ signIn: { keys } });
  await lab.access(undefined);
  const stored: { kid: string; jwk: { n: string; e: string } }[] = JSON.parse((await keys.load()) ?? '');
  const [first] = stored;
  if (!first) throw new Error('no key');
  const key = await importJWK(first.jwk, 'RS256');
  const published = await importJWK({ kty: 'RSA', n: first.jwk.n, e: first.jwk.e }, 'RS256', {
    extractable: true,
  });
  if (published instanceof Uint8Array) throw new Error('not an RSA key');
  ours = { kid: first.kid, key, spki: await exportSPKI(published) };
  foreign = (await generateKeyPair('RS256')).privateKey;
});

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** A good token's payload. */
async function goodToken(): Promise<{ lab: Lab; token: string; claims: Record<string, unknown> }> {
  const lab = await open({ signIn: { keys } });
  const token = await lab.access(await lab.admin(), PULL);
  expect(await tags(lab, bearer(token))).toBe('let in');
  return { lab, token, claims: decoded(token) };
}

function signed(claims: Record<string, unknown>, header: Record<string, unknown> = {}): SignJWT {
  return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: ours.kid, ...header });
}

describe('a forged token', () => {
  test('made the same way as ours is let in, so that what follows proves something', async () => {
    const { lab, claims } = await goodToken();
    expect(await tags(lab, bearer(await signed(claims).sign(ours.key)))).toBe('let in');
  });

  test.each(['none', 'None', 'NONE', ''])('with the algorithm "%s" is refused', async (alg) => {
    const { lab, claims, token } = await goodToken();
    const head = part({ alg, typ: 'JWT', kid: ours.kid });
    expect(await tags(lab, bearer(`${head}.${part(claims)}.`))).toBe(REFUSED);
    expect(await tags(lab, bearer(`${head}.${part(claims)}.${token.split('.')[2]}`))).toBe(REFUSED);
    expect(await tags(lab, bearer(`${head}.${part(claims)}`))).toBe(REFUSED);
  });

  test.each(['HS256', 'HS384', 'HS512'])(
    'by %s with our public key as its secret is refused',
    async (alg) => {
      const { lab, claims } = await goodToken();
      const body = `${part({ alg, typ: 'JWT', kid: ours.kid })}.${part(claims)}`;
      const jwks = await (await lab.fetch('GET', '/oauth2/keys')).text();
      for (const secret of [ours.spki, ours.spki.trim(), `${ours.spki}\n`, jwks, '']) {
        const mac = createHmac(alg.replace('HS', 'sha'), secret).update(body).digest('base64url');
        expect(await tags(lab, bearer(`${body}.${mac}`))).toBe(REFUSED);
      }
    },
  );

  test('by another key under our key id is refused', async () => {
    const { lab, claims } = await goodToken();
    expect(await tags(lab, bearer(await signed(claims).sign(foreign)))).toBe(REFUSED);
  });

  test('by our key and another algorithm of its family is refused', async () => {
    const { lab, claims } = await goodToken();
    const stored: { jwk: Record<string, string> }[] = JSON.parse((await keys.load()) ?? '');
    for (const alg of ['RS384', 'RS512', 'PS256']) {
      const key = await importJWK({ ...stored[0]?.jwk, kty: 'RSA' }, alg);
      expect(await tags(lab, bearer(await signed(claims, { alg }).sign(key)))).toBe(REFUSED);
    }
  });

  test('that brings its own key is refused', async () => {
    const { lab, claims } = await goodToken();
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });

    const jwk = await exportJWK(publicKey);
    const url = 'http://127.0.0.1:9/keys.json';
    for (const header of [{ jwk }, { jwk, kid: 'mine' }, { jku: url }, { x5u: url }, { x5c: ['AA=='] }]) {
      expect(await tags(lab, bearer(await signed(claims, header).sign(privateKey)))).toBe(REFUSED);
    }
  });

  test.each([
    ['unknown', 'ABCD:EFGH'],
    ['a path', '../../../../etc/passwd'],
    ['a device', '/dev/null'],
    ['a number', 0],
    ['true', true],
    ['null', null],
    ['an array', ['x']],
    ['an object', { kid: 'x' }],
    ['huge', 'x'.repeat(9000)],
    ['the name of a property of all objects', '__proto__'],
    ['a method of all objects', 'constructor'],
    ['empty', ''],
    ['a query', "' or '1'='1"],
  ])('whose key id is %s is refused', async (_, kid) => {
    const { lab, claims, token } = await goodToken();
    const head = part({ alg: 'RS256', typ: 'JWT', kid });
    expect(await tags(lab, bearer(`${head}.${part(claims)}.${token.split('.')[2]}`))).toBe(REFUSED);
  });

  test('without a key id is refused', async () => {
    const { lab, claims } = await goodToken();
    const token = await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', typ: 'JWT' }).sign(ours.key);
    expect(await tags(lab, bearer(token))).toBe(REFUSED);
  });

  test.each([
    ['another host', { aud: 'other.test' }],
    ['our host with a port', { aud: `${SERVICE}:443` }],
    ['no audience', { aud: undefined }],
    ['another issuer', { iss: 'https://sts.windows.net/' }],
    ['no issuer', { iss: undefined }],
    ['another registry', { rid: 'other' }],
    ['no registry', { rid: undefined }],
    ['no subject', { sub: undefined }],
    ['no end', { exp: undefined }],
    ['no beginning', { nbf: undefined }],
    ['no time of issue', { iat: undefined }],
    ['no exact time of issue', { issued_ms: undefined }],
    ['an end that is text', { exp: '9999999999' }],
    ['the kind of refresh tokens', { grant_type: 'refresh_token' }],
    ['no kind', { grant_type: undefined }],
    ['a kind that is a list', { grant_type: ['access_token'] }],
  ])('by our key for %s is refused', async (_, change) => {
    const { lab, claims } = await goodToken();
    expect(await tags(lab, bearer(await signed({ ...claims, ...change }).sign(ours.key)))).toBe(REFUSED);
  });

  test('of another type is refused', async () => {
    const { lab, claims } = await goodToken();
    for (const typ of [undefined, 'at+jwt', 'dpop+jwt']) {
      expect(await tags(lab, bearer(await signed(claims, { typ }).sign(ours.key)))).toBe(REFUSED);
    }
  });

  test('with a critical extension that we do not know is refused', async () => {
    const { lab, claims } = await goodToken();
    const sign = signed(claims, { crit: ['exp'], exp: 1 }).sign(ours.key, { crit: { exp: true } });
    expect(await tags(lab, bearer(await sign))).toBe(REFUSED);
  });

  test('whose clock is off counts half a minute and no more', async () => {
    const { lab, claims } = await goodToken();
    const now = Math.floor(lab.clock.now() / 1000);
    const at = async (nbf: number, exp: number) =>
      await tags(lab, bearer(await signed({ ...claims, nbf, exp }).sign(ours.key)));
    expect(await at(now + 25, now + 100)).toBe('let in');
    expect(await at(now + 40, now + 100)).toBe(REFUSED);
    expect(await at(now - 100, now - 25)).toBe('let in');
    expect(await at(now - 100, now - 40)).toBe(REFUSED);
  });

  test('with other claims under the signature of a good one is refused', async () => {
    const { lab, claims, token } = await goodToken();
    const [head, , signature] = token.split('.');
    const access = [{ type: 'repository', name: 'team/app', actions: ['pull', 'push', 'delete'] }];
    expect(await tags(lab, bearer(`${head}.${part({ ...claims, access })}.${signature}`))).toBe(REFUSED);
  });

  test('cut at any length is refused', async () => {
    const { lab, token } = await goodToken();
    for (let length = 1; length < token.length; length += 10) {
      expect([length, await tags(lab, bearer(token.slice(0, length)))]).toEqual([length, REFUSED]);
    }
  });

  test('with a byte changed is refused', async () => {
    const { lab, token } = await goodToken();
    for (let i = 0; i < token.length - 1; i += 17) {
      const other = token[i] === 'A' ? 'B' : 'A';
      const changed = `${token.slice(0, i)}${other}${token.slice(i + 1)}`;
      expect([i, await tags(lab, bearer(changed))]).toEqual([i, REFUSED]);
    }
  });

  test('with something about it is refused', async () => {
    const { lab, token } = await goodToken();
    const long = 'x'.repeat(100_000);
    const odd = [
      `${token}.`,
      `.${token}`,
      `${token}.x`,
      `${token}=`,
      `${token}${long}`,
      long,
      '.',
      '..',
      '...',
    ];
    for (const text of odd) expect([text, await tags(lab, bearer(text))]).toEqual([text, REFUSED]);
  });

  test('that is good counts to its end, and not from the memory of an instance after it', async () => {
    const { lab, token } = await goodToken();
    lab.clock.advance(4500_000);
    expect(await tags(lab, bearer(token))).toBe('let in');
    lab.clock.advance(31_000);
    expect(await tags(lab, bearer(token))).toBe(REFUSED);
  });
});
