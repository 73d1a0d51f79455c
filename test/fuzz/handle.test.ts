import { describe, expect, test } from 'vitest';
import { handle } from '../../src/app/http.ts';
import type { RegistryRequest, Reply } from '../../src/http/message.ts';
import { type TestApp, adapters, openTestApp } from '../support/app.ts';
import { createChance } from '../support/chance.ts';
import { beginUpload, pushImage, streamed } from '../support/push.ts';
import { gather } from '../support/sample.ts';
import { type Ground, type WildRequest, wildRequest } from './generator.ts';

/** A run that failed is repeated with `FUZZ_SEED=<seed>`; without it the same seeds run always. */
const SEEDS = process.env['FUZZ_SEED'] ? [Number(process.env['FUZZ_SEED'])] : [1, 2, 3, 4];
const OCI_ERROR = /^\{"errors":\[\{"code":"[A-Z_]+","message":".+","detail":.+\}\]\}$/s;
const ARM_ERROR = /^\{"error":\{"code":"\w+","message":".+"\}\}$/s;
/** The management API answers in ARM's form. */
const MANAGEMENT = /^\/(subscriptions|providers)(\/|$)/i;
const REQUESTS = { disk: 2500, azure: 250 };

describe.each(adapters)('nonsense on %s', (adapter) => {
  test.each(SEEDS)('with seed %i is never the fault of the registry', async (seed) => {
    const app = await openTestApp({ adapter, settings: { maxBodyBytes: 1_000_000 } });
    const { manifest, layer, config } = await pushImage(app, 'fuzz/ground', 'v1');
    const ground: Ground = {
      repository: 'fuzz/ground',
      digests: [manifest.digest, layer.digest, config.digest],
      locations: [await beginUpload(app, 'fuzz/ground')],
    };
    const chance = createChance(seed);
    const answered = new Map<number, number>();
    for (let i = 0; i < REQUESTS[adapter]; i++) {
      const request = wildRequest(chance, ground);
      const reply = await handle(app.app, toRegistryRequest(request));
      const fault = await faultOf(app, request, reply);
      if (fault !== undefined)
        throw new Error(`seed ${seed}, request ${i}: ${fault} ${describeRequest(request)}`);
      answered.set(reply.status, (answered.get(reply.status) ?? 0) + 1);
      const { location } = reply.headers;
      if (typeof location === 'string' && location.includes('/uploads/') && ground.locations.length < 50)
        ground.locations.push(location);
    }
    // Otherwise the generator has lost its way, and proves nothing.
    for (const status of [202, 204, 400, 404, 405]) expect([...answered.keys()]).toContain(status);
    await app.close();
  });
});

function toRegistryRequest({ method, target, headers, body }: WildRequest): RegistryRequest {
  return {
    method,
    url: urlOf(target),
    headers: { get: (name) => headers[name] ?? null },
    body: body ? streamed(body) : null,
  };
}

function urlOf(target: string): string {
  return `http://localhost${target.startsWith('/') ? '' : '/'}${target}`;
}

function decoded(url: string): string {
  try {
    return decodeURIComponent(new URL(url).pathname);
  } catch {
    return '';
  }
}

/** What is wrong with an answer; undefined for nothing. */
async function faultOf(
  app: TestApp,
  { method, target }: WildRequest,
  reply: Reply,
): Promise<string | undefined> {
  const { status, headers, body } = reply;
  if (status >= 500) return `${status}: ${JSON.stringify(app.logs.at(-1))}`;
  if (app.logs.some(({ level }) => level === 'error')) return `logged ${JSON.stringify(app.logs)}`;
  for (const [name, value] of Object.entries(headers)) {
    // oxlint-disable-next-line no-control-regex -- exactly these must not be there
    if (!/^[a-z-]+$/.test(name) || /[^\u0009\u0020-\u007e]/.test(String(value)))
      return `header ${name}: ${String(value)}`;
  }
  const bytes = body === undefined ? undefined : await bytesOf(body);
  if (method === 'HEAD' && bytes) return 'a body for HEAD';
  const length = headers['content-length'];
  if (bytes && length !== String(bytes.length)) return `content-length ${String(length)} of ${bytes.length}`;
  if (status < 400 || method === 'HEAD') return undefined;
  const text = String(bytes && Buffer.from(bytes));
  return OCI_ERROR.test(text) || (MANAGEMENT.test(decoded(urlOf(target))) && ARM_ERROR.test(text))
    ? undefined
    : `not an error of ours: ${status} ${text}`;
}

async function bytesOf(body: NonNullable<Reply['body']>): Promise<Uint8Array> {
  if (typeof body === 'string') return Buffer.from(body);
  return body instanceof Uint8Array ? body : await gather(body);
}

function describeRequest({ method, target, headers, body }: WildRequest): string {
  return JSON.stringify({ method, target, headers, body: body && Buffer.from(body).toString('latin1') });
}
