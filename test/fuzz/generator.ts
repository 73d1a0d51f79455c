import { digestOf } from '../../src/model/digest.ts';
import type { Chance } from '../support/chance.ts';
import { IMAGE_TYPE, INDEX_TYPE } from '../support/push.ts';

/** A request that may be nonsense. */
export interface WildRequest {
  readonly method: string;
  /** Path and query, as they would stand in a request line. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
}

/** What the generator may build on: things that exist, so that it gets past the first check now and then. */
export interface Ground {
  readonly repository: string;
  readonly digests: readonly [string, ...string[]];
  /** Upload Locations, some of them still open. */
  readonly locations: string[];
}

const METHODS = [
  'GET',
  'HEAD',
  'PUT',
  'POST',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'PROPFIND',
  'get',
  'constructor',
] as const;
const WORDS = [
  'v2',
  'manifests',
  'blobs',
  'uploads',
  'tags',
  'list',
  'referrers',
  '_catalog',
  'a',
  'B',
  '',
  '.',
  '..',
  '%',
  '%2F',
  '%2f',
  '%00',
  '%0d%0a',
  '%ff',
  '%C3%A4',
  '%25',
  '~',
  '*',
  'oauth2',
  'token',
  '\\',
  '@',
  ':',
  ';',
  "'",
  '"',
  '{}',
  '😀',
  'subscriptions',
  'providers',
  '__proto__',
] as const;
const VALUES = [
  '',
  '0',
  '-1',
  '1',
  '1000',
  '99999999999999999999',
  'NaN',
  '1e9',
  'x',
  "'",
  '"',
  '%',
  '%00',
  '\r\nset-cookie: a=b',
  '<script>',
  '../..',
  'é',
  '😀',
  '\u0000',
  '\ud800',
  '~',
  'null',
  '[]',
  'sha512',
  'md5',
] as const;
const QUERY_KEYS = [
  'n',
  'last',
  'artifactType',
  'digest',
  'mount',
  'from',
  'tag',
  'ns',
  '_state',
  'digest-algorithm',
  'x',
  '',
] as const;
const RANGES = [
  'bytes=0-0',
  'bytes=-1',
  'bytes=-0',
  'bytes=5-',
  'bytes=9-1',
  'bytes=0-99999999999999999999',
  'bytes=99999999999999-',
  'bytes=--1',
  'bytes=0-1,3-4',
  'bytes',
  'lines=1-2',
  '=',
  'bytes= 1-2',
  'bytes=1 -2',
] as const;
const CONTENT_RANGES = [
  '0-0',
  '0-9',
  '5-9',
  '9-0',
  'bytes 0-9/10',
  'bytes 0-9/*',
  'bytes */10',
  '-',
  'a-b',
  '0-99999999999999999999',
  '999999999999999-999999999999999',
] as const;
const TYPES = [
  IMAGE_TYPE,
  INDEX_TYPE,
  'application/json',
  'text/plain; charset=x',
  '',
  'a',
  '/',
  'a/b;c',
  'x'.repeat(500),
  '../../x',
  'application/vnd.oci.image.manifest.v1+json,application/json',
] as const;

/** The next request: mostly near something valid, with a few things broken. */
export function wildRequest(chance: Chance, ground: Ground): WildRequest {
  const target = `${path(chance, ground)}${query(chance, ground)}`;
  const method = chance.pick(METHODS);
  const body = chance.maybe(0.5) ? wildBody(chance, ground) : undefined;
  return {
    method,
    target: chance.maybe(0.1) ? mutate(chance, target) : target,
    headers: wildHeaders(chance, body),
    body,
  };
}

function path(chance: Chance, ground: Ground): string {
  if (chance.maybe(0.15) && ground.locations.length > 0)
    return ground.locations[chance.integer(ground.locations.length)] ?? '';
  const name = chance.pick([
    ground.repository,
    ground.repository,
    'other/repo',
    words(chance),
    'x'.repeat(300),
  ]);
  const reference = chance.pick([
    chance.pick(ground.digests),
    'v1',
    words(chance),
    randomDigest(chance),
    'y'.repeat(200),
  ]);
  return chance.pick([
    '/v2/',
    '/v2/_catalog',
    `/v2/${name}/manifests/${reference}`,
    `/v2/${name}/manifests/${reference}`,
    `/v2/${name}/blobs/${reference}`,
    `/v2/${name}/blobs/uploads/`,
    `/v2/${name}/blobs/uploads/${reference}`,
    `/v2/${name}/tags/list`,
    `/v2/${name}/referrers/${reference}`,
    `/${words(chance)}`,
    `/v2/${words(chance)}`,
  ]);
}

function words(chance: Chance): string {
  return Array.from({ length: 1 + chance.integer(5) }, () => chance.pick(WORDS)).join(
    chance.pick(['/', '/', '']),
  );
}

function query(chance: Chance, ground: Ground): string {
  if (chance.maybe(0.5)) return '';
  const pairs = Array.from({ length: 1 + chance.integer(4) }, () => {
    const value = chance.pick([
      chance.pick(VALUES),
      chance.pick(VALUES),
      chance.pick(ground.digests),
      ground.repository,
      'z'.repeat(3000),
    ]);
    return `${chance.pick(QUERY_KEYS)}=${chance.maybe(0.8) ? encode(value) : value}`;
  });
  return `?${pairs.join(chance.pick(['&', '&', ';', '&&']))}`;
}

function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** Flips, drops or doubles one character. */
function mutate(chance: Chance, text: string): string {
  const at = chance.integer(text.length);
  const other = String.fromCharCode(0x21 + chance.integer(0x5d));
  return chance.pick([
    text.slice(0, at) + other + text.slice(at + 1),
    text.slice(0, at) + text.slice(at + 1),
    text.slice(0, at) + text.charAt(at) + text.slice(at),
  ]);
}

function wildHeaders(chance: Chance, body: Uint8Array | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  if (chance.maybe(0.6)) headers['content-type'] = chance.pick(TYPES);
  if (chance.maybe(0.2)) headers['range'] = chance.pick(RANGES);
  if (chance.maybe(0.2)) headers['content-range'] = chance.pick(CONTENT_RANGES);
  if (chance.maybe(0.1)) headers['if-none-match'] = chance.pick(['*', '"x"', 'W/"x"', ',', '"']);
  if (chance.maybe(0.1))
    headers['authorization'] = chance.pick([
      'Basic',
      'Bearer',
      'Bearer a.b.c',
      'Basic !!!',
      'x'.repeat(9000),
    ]);
  if (chance.maybe(0.1)) headers['user-agent'] = chance.pick(['azsdk-js-x', 'ü', 'x'.repeat(5000)]);
  if (chance.maybe(0.1)) headers['accept'] = chance.pick(['', '*/*', IMAGE_TYPE, 'x'.repeat(5000)]);
  if (body && chance.maybe(0.7)) headers['content-length'] = String(body.length);
  else if (chance.maybe(0.1))
    headers['content-length'] = chance.pick(['0', '-1', '5', 'x', '99999999999999', '1e3', ' 1']);
  return headers;
}

function randomDigest(chance: Chance): string {
  return digestOf(chance.bytes(8), chance.pick(['sha256', 'sha512']));
}

function wildBody(chance: Chance, ground: Ground): Uint8Array {
  if (chance.maybe(0.3)) return chance.bytes(chance.integer(3000));
  const text = JSON.stringify(wildManifest(chance, ground, 0)) ?? '';
  return Buffer.from(chance.maybe(0.2) ? mutate(chance, `${text} `) : text);
}

/** An object shaped like a manifest, with any part of it replaced by something else. */
function wildManifest(chance: Chance, ground: Ground, depth: number): unknown {
  const descriptor = (): unknown =>
    scalar(chance, depth, {
      mediaType: scalar(chance, depth, chance.pick(TYPES)),
      digest: scalar(chance, depth, chance.pick([...ground.digests, randomDigest(chance)])),
      size: scalar(chance, depth, chance.integer(1000)),
      ...(chance.maybe(0.1) && { urls: scalar(chance, depth, ['http://x']) }),
      ...(chance.maybe(0.1) && { artifactType: scalar(chance, depth, 'x/y') }),
    });
  const list = (): unknown => scalar(chance, depth, Array.from({ length: chance.integer(4) }, descriptor));
  return scalar(chance, depth, {
    ...(chance.maybe(0.8) && { schemaVersion: scalar(chance, depth, 2) }),
    ...(chance.maybe(0.5) && { mediaType: scalar(chance, depth, chance.pick(TYPES)) }),
    ...(chance.maybe(0.5) && { config: descriptor() }),
    ...(chance.maybe(0.5) && { layers: list() }),
    ...(chance.maybe(0.3) && { manifests: list() }),
    ...(chance.maybe(0.3) && { subject: descriptor() }),
    ...(chance.maybe(0.3) && { artifactType: scalar(chance, depth, 'application/x') }),
    ...(chance.maybe(0.3) && { annotations: scalar(chance, depth, { a: scalar(chance, depth, 'b') }) }),
  });
}

/** Mostly `usual`, now and then something of another kind. */
function scalar(chance: Chance, depth: number, usual: unknown): unknown {
  if (chance.maybe(0.93)) return usual;
  const others: readonly [unknown, ...unknown[]] = [
    null,
    true,
    -1,
    1.5,
    1e300,
    '',
    '\u0000',
    chance.pick(VALUES),
    [],
    {},
    [[]],
    { __proto__: 1 },
  ];
  return depth < 2 && chance.maybe(0.1) ? { nested: scalar(chance, depth + 1, usual) } : chance.pick(others);
}
