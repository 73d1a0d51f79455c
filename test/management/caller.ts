import { expect } from 'vitest';
import { keepRegistry } from '../../src/access/registry.ts';
import type { Reply } from '../../src/http/message.ts';
import { manage } from '../../src/management/routes.ts';
import type { Context } from '../../src/store/context.ts';
import { type TestApp, openTestApp } from '../support/app.ts';

export const SUBSCRIPTION = '11111111-2222-3333-4444-555555555555';
export const NOBODY = '00000000-0000-0000-0000-000000000000';

/** What came back, its JSON read. */
export interface Answer {
  readonly status: number;
  readonly headers: Reply['headers'];
  readonly body: unknown;
}

export interface CallOptions {
  /** Sent as JSON; bytes and text as they are. */
  readonly body?: unknown;
  readonly query?: Readonly<Record<string, string>>;
  readonly write?: boolean;
}

/** Calls the management API of a registry in memory, past sign-in, as the app does. */
export interface Caller {
  readonly ctx: Context;
  readonly app: TestApp;
  readonly registry: string;
  /** ARM id of the registry. */
  readonly id: string;
  /** `path` that starts with `./` lies below the registry. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  close(): Promise<void>;
}

/** What a refusal looks like; its message holds `message`. */
export function refusal(status: number, code: string, message = '') {
  return { status, body: { error: { code, message: expect.stringContaining(message) } } };
}

/** ARM's spelling of a time. */
export function armTime(time: number): string {
  return new Date(time).toISOString().replace('Z', '0000Z');
}

export const HOST = 'registry.test';

export async function openCaller(): Promise<Caller> {
  const app = await openTestApp();
  const { registry } = app;
  const ctx = app.app.context;
  const id = `/subscriptions/${SUBSCRIPTION}/resourceGroups/mine/providers/Microsoft.ContainerRegistry/registries/${registry}`;
  await keepRegistry(ctx, registry);
  return {
    ctx,
    app,
    registry,
    id,
    call: async (method, path, { body, query = {}, write = true } = {}) => {
      const full = path.startsWith('.') ? `${id}${path.slice(1)}` : path;
      const reply = await manage(ctx, {
        request: {
          method,
          url: `http://${HOST}${encodeURI(full)}`,
          headers: new Headers(),
          body: body === undefined ? null : pieces(body),
        },
        query: new URLSearchParams(query),
        registries: [registry],
        host: HOST,
        path: full,
        cause: { id: 'c', host: HOST, method, userAgent: 'test', actor: 'tester' },
        manager: { name: 'tester', may: (right) => right === 'read' || write },
      });
      return { status: reply.status, headers: reply.headers, body: parse(reply) };
    },
    close: () => app.close(),
  };
}

async function* pieces(body: unknown): AsyncGenerator<Uint8Array> {
  const bytes =
    body instanceof Uint8Array ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  // Two pieces, as a body comes from a socket.
  yield bytes.subarray(0, bytes.length >> 1);
  yield bytes.subarray(bytes.length >> 1);
}

function parse({ body, headers }: Reply): unknown {
  if (body === undefined) return undefined;
  if (typeof body !== 'string') throw new Error('management answers are text');
  if (headers['content-length'] !== String(Buffer.byteLength(body))) throw new Error('wrong content-length');
  return JSON.parse(body);
}
