import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { type People, OWNER_ROLE, TENANT, openPeople } from '../clients/sign-in/people.ts';
import type { ServerOptions } from '../clients/server.ts';
import type { TestRequest } from '../support/app.ts';
import type { Target } from '../support/push.ts';
import { Seat } from './azure.ts';

/** A registry over https that asks for sign-in, and the people at their seats before it. */
export type Site = Target & {
  readonly people: People;
  /** `localhost:port`, as `az` knows the registry. */
  readonly host: string;
  /** Signed in nowhere; says with each command that it is the admin user. Its registry is called `localhost`. */
  readonly admin: Seat;
  /** As `admin`, of a cloud in which the registry's whole name is `127.0.0.1:port`: `az` wants a dot in that. */
  readonly named: Seat;
  /** An owner who came by `az login`. The registry is called `registry`. */
  readonly owner: Seat;
  /** A new repository's name. */
  fresh(): string;
  /** Each request so far: `METHOD path status`. */
  requests(): Promise<readonly string[]>;
};

/** Opens it, hands it to `use`, and closes it whatever happens. */
export async function atSite<T>(
  az: string,
  options: ServerOptions,
  use: (site: Site) => Promise<T>,
): Promise<T> {
  const people = await openPeople({ ...options, args: ['--log'] }, true);
  try {
    return await use(await furnish(az, options.directory, people));
  } finally {
    await people.close();
  }
}

async function furnish(az: string, directory: string, people: People): Promise<Site> {
  const { registry, trust, admin, directory: authority } = people;
  const port = registry.split(':').at(-1) ?? '';
  const host = `localhost:${port}`;
  if (trust === undefined) throw new Error('the registry does not speak https');
  const seat = async (name: string, suffix = `:${port}`): Promise<Seat> =>
    await new Seat({
      az,
      directory: join(directory, name),
      trust,
      manager: `https://${host}`,
      authority,
      suffix,
    }).open();
  const owner = await seat('owner');
  const { username, password } = await people.principal(OWNER_ROLE);
  const who = ['--username', username, '--password', password, '--tenant', TENANT];
  await owner.text('login', '--service-principal', ...who);
  let made = 0;
  const authorization = `Basic ${Buffer.from(`${admin.username}:${admin.password}`).toString('base64')}`;
  return {
    people,
    host,
    admin: (await seat('admin')).as(admin),
    named: (await seat('named', `.0.0.1:${port}`)).as(admin),
    owner,
    fresh: () => `az/repository-${(made += 1)}`,
    requests: async () => readRequests(await readFile(join(directory, 'registry.log'), 'utf8')),
    async fetch(method, path, { headers, body }: TestRequest = {}) {
      if (body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array))
        throw new Error('a stream cannot be sent from here');
      return await fetch(new URL(path, `https://${registry}`), {
        method,
        redirect: 'manual',
        headers: { authorization, ...headers },
        ...(body !== undefined && { body: typeof body === 'string' ? body : new Uint8Array(body) }),
      });
    },
  };
}

function readRequests(log: string): string[] {
  return log.split('\n').flatMap((line) => {
    if (!line.startsWith('{') || !line.endsWith('}')) return [];
    const entry: Readonly<Record<string, unknown>> = JSON.parse(line);
    const { message, method, path, status } = entry;
    return message === 'request' ? [`${String(method)} ${String(path)} ${String(status)}`] : [];
  });
}
