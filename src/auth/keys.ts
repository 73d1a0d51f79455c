import { createHash } from 'node:crypto';
import {
  type CryptoKey,
  type JSONWebKeySet,
  type JWK,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  importJWK,
} from 'jose';
import type { Context } from '../store/context.ts';
import type { KeyStore } from '../store/keys.ts';

export const ALGORITHM = 'RS256';

/** A key signs for 30 days, and verifies until the last refresh token it signed has died. */
const SIGNS_MS = 30 * 86_400_000;
const VERIFIES_MS = SIGNS_MS + 86_400_000;
/** A new key is published this long before it signs, so that other instances know it first. */
const SETTLES_MS = 15 * 60_000;
/** How long an instance trusts what it loaded; an unknown key id makes it look again sooner. */
const CACHE_MS = 5 * 60_000;
const LOOK_AGAIN_MS = 10_000;
/** How long an instance goes on with the keys it knows when the store fails: well before the next change of keys matters. */
const OUTAGE_MS = 86_400_000;

interface StoredKey {
  readonly kid: string;
  readonly created: number;
  readonly jwk: JWK;
}

interface Loaded {
  readonly at: number;
  readonly keys: readonly StoredKey[];
  readonly verifying: ReadonlyMap<string, CryptoKey | Uint8Array>;
}

/** The keys that sign our tokens: asymmetric, rotating, found by key id. */
export interface KeyRing {
  signingKey(): Promise<{ readonly kid: string; readonly key: CryptoKey | Uint8Array }>;
  /** Undefined for an id that no living key has. */
  verifyingKey(kid: string): Promise<CryptoKey | Uint8Array | undefined>;
  /** The public halves (RFC 7517 section 5). */
  publicKeys(): Promise<JSONWebKeySet>;
}

/** Opens the keys in `store`; the first use makes the first key, later ones replace it in time. */
export function openKeyRing(ctx: Pick<Context, 'now'>, store: KeyStore): KeyRing {
  let loading: Promise<Loaded> | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  let loaded: Loaded | undefined;

  const load = async (maxAge: number): Promise<Loaded> => {
    if (!loading || ctx.now() - askedAt >= maxAge) {
      askedAt = ctx.now();
      loading = refresh(ctx, store);
    }
    const current = loading;
    try {
      loaded = await current;
      return loaded;
    } catch (error) {
      // What was loaded before serves on while the store fails: tokens must not die of it.
      if (loaded && ctx.now() - loaded.at < OUTAGE_MS) return loaded;
      if (loading === current) loading = undefined;
      throw error;
    }
  };
  return {
    async signingKey() {
      const { keys } = await load(CACHE_MS);
      const settled = keys.filter(({ created }) => created <= ctx.now() - SETTLES_MS);
      const chosen = settled.at(-1) ?? keys[0];
      if (!chosen) throw new Error('no signing key');
      return { kid: chosen.kid, key: await importKey(chosen.jwk) };
    },
    async verifyingKey(kid) {
      const known = (await load(CACHE_MS)).verifying.get(kid);
      return known ?? (await load(LOOK_AGAIN_MS)).verifying.get(kid);
    },
    async publicKeys() {
      const { keys } = await load(CACHE_MS);
      return { keys: keys.map(publicHalf) };
    },
  };
}

/** Keys kept in this process alone: for tests. */
export function memoryKeyStore(): KeyStore {
  let kept: string | undefined;
  return {
    load: () => Promise.resolve(kept),
    save: (text, previous) => {
      if (kept === previous) kept = text;
      return Promise.resolve();
    },
  };
}

/** Loads the keys, oldest first; makes a new one when the newest has signed long enough. */
async function refresh(ctx: Pick<Context, 'now'>, store: KeyStore): Promise<Loaded> {
  const text = await store.load();
  let keys = parseKeys(text);
  if ((keys.at(-1)?.created ?? Number.NEGATIVE_INFINITY) < ctx.now() - SIGNS_MS) {
    const living = keys.filter(({ created }) => created >= ctx.now() - VERIFIES_MS);
    await store.save(JSON.stringify([...living, await newKey(ctx.now())]), text);
    keys = parseKeys(await store.load());
  }
  const verifying = await Promise.all(
    keys.map(async (key) => [key.kid, await importKey(publicHalf(key))] as const),
  );
  return { at: ctx.now(), keys, verifying: new Map(verifying) };
}

function parseKeys(text: string | undefined): readonly StoredKey[] {
  if (text === undefined) return [];
  let keys: unknown;
  try {
    keys = JSON.parse(text);
  } catch {
    // No cause: its message would quote the text.
  }
  if (!Array.isArray(keys) || keys.length === 0 || !keys.every(isStoredKey)) {
    throw unreadable();
  }
  return keys.toSorted((a, b) => a.created - b.created);
}

async function importKey(jwk: JWK): Promise<CryptoKey | Uint8Array> {
  try {
    return await importJWK(jwk, ALGORITHM);
  } catch {
    // As above: what is wrong with a key may say what it is.
    throw unreadable();
  }
}

function unreadable(): Error {
  return new Error('the stored signing keys cannot be read: restore them, or remove them to end all tokens');
}

function isStoredKey(value: unknown): value is StoredKey {
  if (typeof value !== 'object' || value === null) return false;
  if (!('kid' in value && 'created' in value && 'jwk' in value)) return false;
  const { kid, created, jwk } = value;
  return typeof kid === 'string' && typeof created === 'number' && typeof jwk === 'object' && jwk !== null;
}

async function newKey(created: number): Promise<StoredKey> {
  const { publicKey, privateKey } = await generateKeyPair(ALGORITHM, {
    modulusLength: 2048,
    extractable: true,
  });
  return { kid: keyId(await exportSPKI(publicKey)), created, jwk: await exportJWK(privateKey) };
}

function publicHalf({ kid, jwk }: StoredKey): JWK {
  const { kty, n, e } = jwk;
  return { kid, alg: ALGORITHM, use: 'sig', ...(kty && { kty }), ...(n && { n }), ...(e && { e }) };
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** The key id in libtrust's form, 12 groups of 4, as ACR's tokens carry it: SHA-256 of the public key, cut to 240 bits. */
function keyId(spki: string): string {
  const der = Buffer.from(spki.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const bits = BigInt(`0x${createHash('sha256').update(der).digest().subarray(0, 30).toString('hex')}`);
  const letters = Array.from(
    { length: 48 },
    (_, i) => BASE32[Number((bits >> BigInt(5 * (47 - i))) & 31n)],
  ).join('');
  return (letters.match(/.{4}/g) ?? []).join(':');
}
