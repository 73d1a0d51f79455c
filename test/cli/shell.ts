import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adminPasswords, enableAdmin, matchAdmin } from '../../src/access/admin.ts';
import { readRegistry } from '../../src/access/registry.ts';
import { run } from '../../src/cli/program.ts';
import { manage } from '../../src/management/routes.ts';
import { type TestApp, openTestApp } from '../support/app.ts';

/** What a command left behind. */
export interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A registry behind a real socket, and a person's shell with a home of its own. */
export interface Shell {
  readonly app: TestApp;
  readonly registry: string;
  /** Host and port. */
  readonly server: string;
  readonly config: string;
  /** The first password of the admin user, now. */
  password(): Promise<string>;
  /** Runs `functionary` with these words; `input` is what lies on standard input. */
  run(words: readonly string[], input?: string): Promise<Result>;
  /** Signs in as the admin user. */
  login(): Promise<void>;
  close(): Promise<void>;
}

export async function openShell(): Promise<Shell> {
  const app = await openTestApp();
  const { registry } = app;
  const ctx = app.app.context;
  await enableAdmin(ctx, registry, true);
  const http = createServer((request, response) => void serve(app, request, response));
  const server = `127.0.0.1:${await listen(http)}`;
  const config = await mkdtemp(join(tmpdir(), 'functionary-cli-'));
  const password = async () => {
    const [first] = adminPasswords(ctx, registry, await readRegistry(ctx, registry));
    return first?.value ?? '';
  };
  const runWords: Shell['run'] = async (words, input) => {
    let out = '';
    let err = '';
    const code = await run(words, {
      env: { XDG_CONFIG_HOME: config },
      out: (text) => void (out += text),
      err: (text) => void (err += text),
      readInput: () => Promise.resolve(input ?? ''),
      askSecret: undefined,
      fetch,
    });
    return { code, out, err };
  };
  return {
    app,
    registry,
    server,
    config,
    password,
    run: runWords,
    login: async () => {
      const words = ['login', server, '-u', registry, '--password-stdin'];
      const { code, err } = await runWords(words, `${await password()}\n`);
      if (code !== 0) throw new Error(err);
    },
    close: async () => {
      http.closeAllConnections();
      await new Promise((done) => http.close(done));
      await app.close();
      await rm(config, { recursive: true });
    },
  };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Basic credentials of the admin user, then the API that was asked for: what the app does, without the rest of it. */
async function serve(app: TestApp, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { registry } = app;
  const ctx = app.app.context;
  const { host = '', authorization = '', 'user-agent': userAgent = '' } = request.headers;
  const method = request.method ?? '';
  const url = new URL(request.url ?? '', `http://${host}`);
  const [username, password] = Buffer.from(authorization.replace('Basic ', ''), 'base64')
    .toString()
    .split(':');
  const document = await readRegistry(ctx, registry);
  if (username !== registry || !matchAdmin(ctx, registry, document, password ?? '')) {
    response.writeHead(401, { 'content-type': 'application/json' });
    response.end('{"error":{"code":"AuthenticationFailed","message":"authentication required"}}');
    return;
  }
  if (url.pathname.startsWith('/acr/')) {
    // Under the name that the client asked for.
    const answer = await app.fetch(method, url.href, { body: request });
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(await answer.text());
    return;
  }
  const reply = await manage(ctx, {
    request: { method, url: url.href, headers: new Headers(), body: request },
    query: url.searchParams,
    registries: [registry],
    host,
    path: decodeURIComponent(url.pathname),
    cause: { id: 'c', host, method, userAgent, actor: username },
    manager: { name: username, may: () => true },
  });
  response.writeHead(
    reply.status,
    Object.fromEntries(Object.entries(reply.headers).map(([k, v]) => [k, String(v)])),
  );
  response.end(typeof reply.body === 'string' ? reply.body : undefined);
}
