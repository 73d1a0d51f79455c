import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openKeyStore } from '../../src/app/keys.ts';
import { memoryKeyStore, openKeyRing } from '../../src/auth/keys.ts';
import { Unavailable } from '../../src/store/records.ts';
import type { KeyStore } from '../../src/store/keys.ts';
import { createClock } from '../support/app.ts';
import { type Lab, bearer, decoded, keptLabs } from './lab.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
/** A key signs for 30 days. */
const LIFE = 30 * DAY;
const open = keptLabs();

/** Calls a lab with a token, or a new one; the status. */
async function knock(lab: Lab, token: string): Promise<number> {
  return (await lab.fetch('GET', '/v2/', { headers: { authorization: bearer(token) } })).status;
}

function kidOf(token: string): unknown {
  return decoded(token, 0)['kid'];
}

describe('keys that change', () => {
  test('the first key signs at once', async () => {
    const lab = await open({ signIn: { keys: memoryKeyStore() } });
    expect(await knock(lab, await lab.access(undefined))).toBe(200);
  });

  test('a new key is published before it signs, and old tokens live until they die', async () => {
    const lab = await open({ signIn: { keys: memoryKeyStore() } });
    const first = kidOf(await lab.access(undefined));
    lab.clock.advance(LIFE + MINUTE);
    // Publishing it takes a look at the keys; this is one.
    const old = await lab.access(undefined);
    expect(kidOf(old)).toBe(first);
    const published = await (await lab.fetch('GET', '/oauth2/keys')).text();
    expect(published.match(/"kid"/g)).toHaveLength(2);
    lab.clock.advance(14 * MINUTE);
    expect(kidOf(await lab.access(undefined))).toBe(first);
    lab.clock.advance(2 * MINUTE);
    const fresh = await lab.access(undefined);
    expect(kidOf(fresh)).not.toBe(first);
    expect(published).toContain(kidOf(fresh));
    expect([await knock(lab, old), await knock(lab, fresh)]).toEqual([200, 200]);
    lab.clock.advance(60 * MINUTE);
    expect([await knock(lab, old), await knock(lab, fresh)]).toEqual([401, 200]);
  });

  test('an old key is dropped when its last token has long died', async () => {
    const keys = memoryKeyStore();
    const clock = createClock();
    const ring = openKeyRing(clock, keys);
    const { kid: first } = await ring.signingKey();
    clock.advance(LIFE + MINUTE);
    await ring.signingKey();
    clock.advance(LIFE + MINUTE);
    const { keys: known } = await ring.publicKeys();
    expect(known).toHaveLength(2);
    expect(known.map(({ kid }) => kid)).not.toContain(first);
    expect(await ring.verifyingKey(first)).toBeUndefined();
  });

  test('a ring unused for months starts anew, with a key that signs at once', async () => {
    const clock = createClock();
    const ring = openKeyRing(clock, memoryKeyStore());
    const { kid } = await ring.signingKey();
    clock.advance(100 * DAY);
    expect((await ring.signingKey()).kid).not.toBe(kid);
    expect((await ring.publicKeys()).keys).toHaveLength(1);
  });

  test('instances that share a store agree, at their first start and at each change', async () => {
    const keys = memoryKeyStore();
    const clock = createClock();
    const rings = [openKeyRing(clock, keys), openKeyRing(clock, keys), openKeyRing(clock, keys)];
    const agreed = async () => {
      const signing = await Promise.all(rings.map(async (ring) => (await ring.signingKey()).kid));
      const known = await Promise.all(
        rings.flatMap((ring) => signing.map(async (kid) => (await ring.verifyingKey(kid)) !== undefined)),
      );
      expect(known).not.toContain(false);
      return new Set(signing).size;
    };
    expect(await agreed()).toBe(1);
    clock.advance(LIFE + 1);
    expect(await agreed()).toBe(1);
    for (let minutes = 0; minutes < 30; minutes++) {
      clock.advance(MINUTE);
      await agreed();
    }
    expect(await agreed()).toBe(1);
  });

  test('an instance learns of a key that it does not know, though it looks seldom', async () => {
    const clock = createClock();
    const { store, loads } = counted(memoryKeyStore());
    const ring = openKeyRing(clock, store);
    await ring.signingKey();
    const before = loads();
    for (let i = 0; i < 1000; i++) expect(await ring.verifyingKey(`no-${i}`)).toBeUndefined();
    expect(loads()).toBe(before);
    clock.advance(10_000);
    for (let i = 0; i < 1000; i++) await ring.verifyingKey(`no-${i}`);
    expect(loads()).toBe(before + 1);
  });
});

describe('a key store that fails', () => {
  test('tokens are given and verified with the keys that are known, for a day', async () => {
    const failing = breakable(memoryKeyStore());
    const lab = await open({ signIn: { keys: failing.store } });
    await lab.access(undefined);
    failing.broken = true;
    lab.clock.advance(DAY - MINUTE);
    const token = await lab.access(undefined);
    expect(await knock(lab, token)).toBe(200);
    lab.clock.advance(2 * MINUTE);
    expect((await lab.ask(undefined)).status).toBe(503);
    failing.broken = false;
    expect(await knock(lab, await lab.access(undefined))).toBe(200);
  });

  test('a stranger with an unknown key id cannot take the known keys away', async () => {
    const failing = breakable(memoryKeyStore());
    const lab = await open({ signIn: { keys: failing.store } });
    const token = await lab.access(undefined);
    failing.broken = true;
    lab.clock.advance(MINUTE);
    const [, payload, signature] = token.split('.');
    const head = Buffer.from('{"alg":"RS256","typ":"JWT","kid":"strange"}').toString('base64url');
    expect(await knock(lab, `${head}.${payload}.${signature}`)).toBe(401);
    expect(await knock(lab, token)).toBe(200);
  });

  test('callers who come before any key is known are told to come again', async () => {
    const failing = breakable(memoryKeyStore());
    failing.broken = true;
    const lab = await open({ signIn: { keys: failing.store } });
    expect((await lab.ask(undefined)).status).toBe(503);
    failing.broken = false;
    expect((await lab.ask(undefined)).status).toBe(200);
  });
});

describe('a key file', () => {
  const dirs: string[] = [];
  afterEach(async () => {
    for (const dir of dirs.splice(0)) await rm(dir, { recursive: true });
  });

  async function freshFile(): Promise<string> {
    const dir = await mkdtemp(path.join(tmpdir(), 'keys-'));
    dirs.push(dir);
    return path.join(dir, 'inner', 'signing.json');
  }

  test('is readable by its owner alone, and nothing else is left beside it', async () => {
    const file = await freshFile();
    const ring = openKeyRing(createClock(), openKeyStore({ kind: 'file', file }));
    await ring.signingKey();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(path.dirname(file))).mode & 0o777).toBe(0o700);

    expect(await readdir(path.dirname(file))).toEqual(['signing.json']);
  });

  test('keeps the mode and the older key when a new one joins', async () => {
    const file = await freshFile();
    const clock = createClock();
    const first = await openKeyRing(clock, openKeyStore({ kind: 'file', file })).signingKey();
    clock.advance(LIFE + MINUTE);
    const ring = openKeyRing(clock, openKeyStore({ kind: 'file', file }));
    expect((await ring.publicKeys()).keys).toHaveLength(2);
    expect(await ring.verifyingKey(first.kid)).toBeDefined();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  test('makes all who start at once agree on one key', async () => {
    const file = await freshFile();
    const clock = createClock();
    const kids = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const ring = openKeyRing(clock, openKeyStore({ kind: 'file', file }));
        return (await ring.signingKey()).kid;
      }),
    );
    expect(new Set(kids).size).toBe(1);
  });

  test.each([
    ['empty', () => ''],
    ['cut short', (text: string) => text.slice(0, text.length / 2)],
    ['no list', () => '{}'],
    ['an empty list', () => '[]'],
    ['a list of something else', () => '[1]'],
    ['without the keys themselves', (text: string) => text.replaceAll('"jwk"', '"was"')],
    ['with a key that is none', (text: string) => text.replaceAll('"RSA"', '"EC"')],
  ])('that is %s is named as the fault, never replaced, and never quoted', async (_, damage) => {
    const file = await freshFile();
    const keys = openKeyStore({ kind: 'file', file });
    const clock = createClock();
    await openKeyRing(clock, keys).signingKey();
    const sound = await readFile(file, 'utf8');
    const broken = damage(sound);
    await writeFile(file, broken);
    const lab = await open({ signIn: { keys }, clock });
    expect((await lab.ask(undefined)).status).toBe(500);
    const [, payload, signature] = 'x.e30.x'.split('.');
    const head = Buffer.from('{"alg":"RS256","typ":"JWT","kid":"any"}').toString('base64url');
    expect(await knock(lab, `${head}.${payload}.${signature}`)).toBe(500);
    const told = JSON.stringify(lab.logs);
    expect(told).toContain('the stored signing keys cannot be read');
    expect(told).not.toContain(sound.slice(20, 60));
    expect(await readFile(file, 'utf8')).toBe(broken);
    await writeFile(file, sound);
    expect((await lab.ask(undefined)).status).toBe(200);
  });
});

function counted(inner: KeyStore): { readonly store: KeyStore; readonly loads: () => number } {
  let count = 0;
  const load = () => {
    count++;
    return inner.load();
  };
  return { store: { load, save: (text, previous) => inner.save(text, previous) }, loads: () => count };
}

function breakable(inner: KeyStore): { readonly store: KeyStore; broken: boolean } {
  const state = {
    broken: false,
    store: {
      load: async () => {
        if (state.broken) throw new Unavailable('made to fail');
        return await inner.load();
      },
      save: (text: string, previous: string | undefined) => inner.save(text, previous),
    },
  };
  return state;
}
