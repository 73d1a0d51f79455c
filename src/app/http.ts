import { challenge, readBasic } from '../auth/authorize.ts';
import { type Trail, actOn } from '../events/audit.ts';
import { callKind } from '../guard/limits.ts';
import type { RegistryRequest, Reply } from '../http/message.ts';
import {
  type RegistryName,
  type Repository,
  isRegistryName,
  isRepositoryName,
  parseRepositoryName,
} from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import { Conflict, Unavailable } from '../store/records.ts';
import type { App } from './compose.ts';
import { isManagementPath, runManagement } from './management.ts';
import { deletedRoutes, metadataRoutes, registryRoutes, repositoryRoutes, signInRoutes } from './routes.ts';

/** Seconds that a client should wait after a 503: longer than the adapters' own retries. */
const RETRY_SECONDS = '5';
/** Where names of repositories begin; none begins with `_`. */
const ROOTS = [
  { base: '/v2/', rows: repositoryRoutes },
  { base: '/acr/v1/_deleted/', rows: deletedRoutes },
  { base: '/acr/v1/', rows: metadataRoutes },
] as const;
const NO_BODY: ReadonlySet<number> = new Set([204, 304]);
/** What ACR answers below `/acr/` where it has no route; to it, a name that cannot be is none (ACR wire section 1). */
const NO_PAGE = '404 page not found';
/** Headers that scripts of other origins may read: ACR's. */
const EXPOSED = ['Docker-Content-Digest', 'WWW-Authenticate', 'Link', 'X-Ms-Correlation-Request-Id'];
const HTTPS_ONLY = { 'strict-transport-security': 'max-age=31536000; includeSubDomains' };

/** Answers a web request with a web response: the way in for the Functions host. Never throws. */
export async function respond(app: App, request: Request): Promise<Response> {
  const { status, headers, body } = await handle(app, request);
  const fields = Object.entries(headers).flatMap(([name, value]) =>
    (typeof value === 'string' ? [value] : value).map((text): [string, string] => [name, text]),
  );
  if (body === undefined || typeof body === 'string')
    return new Response(body ?? null, { status, headers: fields });
  const content = body instanceof Uint8Array ? new Uint8Array(body) : ReadableStream.from(body);
  return new Response(content, { status, headers: fields });
}

/**
 * Answers a request: finds the route, asks for permission, runs the operation within the deadline, and turns whatever
 * it throws into one of the table's errors. Never throws.
 */
export async function handle(app: App, request: RegistryRequest): Promise<Reply> {
  const started = app.context.now();
  const id = requestId(app);
  const trail: Trail = {};
  let reply: Reply;
  try {
    reply = await withDeadline(app, () => route(app, request, id, trail));
  } catch (error) {
    reply = explain(app, error, id);
  }
  const ending = {
    id,
    started,
    ended: app.context.now(),
    userAgent: userAgentOf(request),
    status: reply.status,
  };
  app.gate.record(trail, ending);
  if (app.config.logRequests) logRequest(app, request, reply, id, started);
  return finish(app, request, reply, id);
}

async function route(app: App, request: RegistryRequest, id: string, trail: Trail): Promise<Reply> {
  const url = new URL(request.url);
  const path = decodePath(url.pathname);
  const { context } = app;
  const registry = registryOf(app, url);
  const arrival = {
    request,
    registry,
    origin: originOf(app, url),
    address: app.gate.address(request),
    noted: trail,
  };
  Object.assign(
    trail,
    { loginServer: new URL(arrival.origin).host, address: arrival.address },
    proofOf(request),
  );
  const shared = { request, query: url.searchParams, registry };
  const cause = (actor: string) => ({
    id,
    host: new URL(arrival.origin).host,
    method: request.method,
    userAgent: userAgentOf(request),
    actor,
  });
  if (isManagementPath(path)) return await runManagement(app, arrival, path, cause);
  const signInRoute = app.auth && Object.hasOwn(signInRoutes, path) ? signInRoutes[path] : undefined;
  const signsIn = signInRoute !== undefined && path !== '/oauth2/keys';
  // Whoever is turned away at the door shows in the log of sign-ins.
  trail.act = 'login';
  await app.gate.admit(arrival, signsIn || trail.proof === 'basic');
  if (!signsIn) delete trail.act;
  if (app.auth && signInRoute) {
    const reply = await methodOf(signInRoute, request.method)(app.auth, arrival);
    return signsIn ? withHeaders(reply, await app.gate.charge(arrival, 'oauth', trail.identity)) : reply;
  }

  const exact = registryRoutes.find((row) => row.path === path);
  if (exact) {
    const [permission, run] = methodOf(exact.methods, request.method);
    if (permission === 'sign-in' && trail.proof === 'basic') trail.act = 'login';
    const { name, subject } = await app.authorize(arrival, permission, undefined);
    await app.gate.charge(arrival, callKind(permission, request.method), subject);
    return await run(context, { ...shared, cause: cause(name) });
  }
  const { base, rows } = ROOTS.find((root) => path.startsWith(root.base)) ?? { base: '', rows: [] };
  for (const row of rows) {
    const match = row.tail.exec(path);
    if (!match || match.index < base.length) continue;
    if (base !== '/v2/' && !isRepositoryName(path.slice(base.length, match.index))) break;
    const [permission, run, { kind, audit } = {}] = methodOf(row.methods, request.method);
    const repository = { registry, name: parseRepositoryName(path.slice(base.length, match.index)) };
    const reference = match[1] ?? '';
    if (audit) Object.assign(trail, actOn(audit, repository.name, reference, url.searchParams.getAll('tag')));
    const { name, subject, allows } = await app.authorize(arrival, permission, repository);
    const policy = await app.policy(registry);
    const told = await app.gate.charge(arrival, kind ?? callKind(permission, request.method), subject);
    const call = {
      ...shared,
      cause: cause(name),
      repository,
      reference,
      subject,
      allows,
      demand: (action: 'pull' | 'metadata_write' | 'quarantine_write', where?: Repository) => {
        if (allows(where ?? repository, action)) return;
        throw where && where.name !== repository.name
          ? challenge(arrival, action, where, 'insufficient', [permission, repository])
          : challenge(arrival, action === 'pull' ? permission : action, repository, 'insufficient');
      },
      policy,
      noted: trail,
    };
    return withHeaders(await run(context, call), told);
  }
  if (path.startsWith('/acr/')) return noPage();
  throw new Problem('NOT_FOUND');
}

function noPage(): Reply {
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'content-length': String(NO_PAGE.length) };
  return { status: 404, headers, body: NO_PAGE };
}

/** What a request brings to prove who sends it. */
function proofOf(request: RegistryRequest): Pick<Trail, 'proof' | 'claimed'> {
  const header = request.headers.get('authorization');
  if (header === null) return { proof: 'none' };
  const credentials = readBasic(header);
  return credentials ? { proof: 'basic', claimed: credentials.username } : { proof: 'bearer' };
}

function userAgentOf({ headers }: RegistryRequest): string {
  return (headers.get('user-agent') ?? '').slice(0, 500);
}

function withHeaders(reply: Reply, headers: Reply['headers']): Reply {
  return { ...reply, headers: { ...headers, ...reply.headers } };
}

/**
 * What challenges and tokens name: the configured base URL, since a request can lie about its own; with a domain, the
 * host that named the registry, which was checked by that.
 */
function originOf({ config }: App, url: URL): string {
  if (config.publicUrl === undefined) return url.origin;
  return config.domain ? `${new URL(config.publicUrl).protocol}//${url.host}` : config.publicUrl;
}

function methodOf<O>(methods: Readonly<Record<string, O>>, method: string): O {
  const operation = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (!operation) {
    throw new Problem('METHOD_NOT_ALLOWED', undefined, {
      headers: { allow: Object.keys(methods).join(', ') },
    });
  }
  return operation;
}

/** Once, before routing: SDKs encode the slashes and colons of names, command lines do not (ACR wire, "Path encoding"). */
function decodePath(pathname: string): string {
  if (!pathname.includes('%')) return pathname;
  try {
    return decodeURIComponent(pathname);
  } catch (cause) {
    throw new Problem('REQUEST_INVALID', 'the path is not percent-encoded UTF-8', { cause });
  }
}

/** The registry that the host name means: `<name>.<domain>`, else the first. Throws NAME_UNKNOWN. */
function registryOf(app: App, { hostname }: URL): RegistryName {
  const { domain, registries } = app.config;
  if (!domain) return registries[0];
  const name = hostname.toLowerCase().endsWith(`.${domain}`) ? hostname.slice(0, -domain.length - 1) : '';
  const found = isRegistryName(name) ? registries.find((registry) => registry === name) : undefined;
  if (!found) throw new Problem('NAME_UNKNOWN', undefined, { message: 'no registry has this host name' });
  return found;
}

/** Nothing cancels code on the platform: the answer goes out in time, and storage's own limits end the rest. */
async function withDeadline(app: App, run: () => Promise<Reply>): Promise<Reply> {
  const limit = app.config.deadlineMs;
  if (limit === undefined) return await run();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Unavailable('the request took too long')), limit);
  });
  try {
    return await Promise.race([run(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The one place where an error becomes an answer. */
function explain(app: App, error: unknown, id: string): Reply {
  if (error instanceof Problem) return answer(error);
  if (error instanceof Unavailable || error instanceof Conflict) {
    app.context.log('warn', 'storage unavailable', { id, error: describe(error) });
    return answer(new Problem('UNAVAILABLE', undefined, { headers: { 'retry-after': RETRY_SECONDS } }));
  }
  app.context.log('error', 'request failed', { id, error: describe(error) });
  return answer(new Problem('UNKNOWN'));
}

function answer(problem: Problem): Reply {
  const body = problem.toBody();
  return {
    status: problem.status,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      ...problem.headers,
      'content-length': String(Buffer.byteLength(body)),
    },
    body,
  };
}

function finish(app: App, request: RegistryRequest, { status, headers, body }: Reply, id: string): Reply {
  const bodiless = request.method === 'HEAD' || NO_BODY.has(status);
  const all = {
    'docker-distribution-api-version': 'registry/2.0',
    'x-ms-correlation-request-id': id,
    'x-content-type-options': 'nosniff',
    'access-control-expose-headers': EXPOSED,
    server: 'Functionary',
    // Only where it was said that clients come by https: a browser that was told once never comes otherwise.
    ...(app.config.publicUrl?.startsWith('https:') && HTTPS_ONLY),
    ...headers,
  };
  return bodiless || body === undefined ? { status, headers: all } : { status, headers: all, body };
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** A UUID of version 4 from the context's randomness. */
function requestId(app: App): string {
  const hex = Buffer.from(app.context.random(16)).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}

function logRequest(app: App, request: RegistryRequest, reply: Reply, id: string, started: number): void {
  const { pathname } = new URL(request.url);
  const { method } = request;
  const { status } = reply;
  app.context.log('info', 'request', { id, method, path: pathname, status, ms: app.context.now() - started });
}
