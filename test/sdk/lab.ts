import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { AccessToken, TokenCredential } from '@azure/identity';
import { updateRegistry } from '../../src/access/registry.ts';
import { putAssignment } from '../../src/access/roles.ts';
import { ENTRA_AUDIENCES } from '../../src/auth/openid/directory.ts';
import type { Stores } from '../../src/app/compose.ts';
import { memoryKeyStore } from '../../src/auth/keys.ts';
import { listen } from '../../src/local/server.ts';
import { type Tls, loadDevelopmentTls } from '../../src/local/tls/certificate.ts';
import type { RegistryDocument } from '../../src/model/access.ts';
import { type TestApp, type TestAppOptions, openTestApp } from '../support/app.ts';
import { type Authority, openAuthority } from '../support/authority.ts';
import { type StrictFront, startStrictFront } from '../support/strict-azure.ts';

/** A registry behind https, with sign-in by a directory, as the Azure SDKs demand. */
export interface SdkLab extends TestApp {
  /** `https://127.0.0.1:port`. */
  readonly url: string;
  /** File of the certificate that clients must trust; this process does already. */
  readonly trust: string;
  readonly authority: Authority;
  /** What clients asked so far: `METHOD path status`. */
  requests(): readonly string[];
  /** Someone of the directory with these roles on everything, or on `patterns`. */
  principal(roles: readonly string[], patterns?: readonly string[]): Promise<Someone>;
  settings(change: Partial<RegistryDocument>): Promise<void>;
}

export interface Someone extends TokenCredential {
  readonly id: string;
  /** Scopes that its tokens were asked for. */
  readonly asked: readonly string[];
  token(audience: string): Promise<string>;
}

const TENANT = '6a1f0000-1111-4222-8333-000000000001';

export async function openSdkLab(options: TestAppOptions = {}): Promise<SdkLab> {
  const dir = await mkdtemp(join(tmpdir(), 'functionary-sdk-'));
  const authority = await openAuthority([TENANT]);
  const entra = { ...authority.options, audiences: ENTRA_AUDIENCES };
  const tls = await loadDevelopmentTls(dir, '127.0.0.1');
  const storage = linkByTls(tls);
  const app = await openTestApp({
    ...(options.adapter === 'azure' && { wrap: storage.wrap }),
    clock: { now: Date.now, advance: () => undefined },
    signIn: { keys: memoryKeyStore() },
    ...options,
    config: { auth: { keys: { kind: 'file', file: '' }, entra }, logRequests: true, ...options.config },
  });
  const trust = tls.trust ?? '';
  setDefaultCACertificates([...getCACertificates('default'), await readFile(trust, 'utf8')]);
  const listening = await listen(app.app, '127.0.0.1', 0, tls);
  let made = 0;
  return {
    ...app,
    url: listening.url,
    trust,
    authority,
    requests: () =>
      app.logs
        .filter(({ message }) => message === 'request')
        .map(({ fields: { method, path, status } }) => `${String(method)} ${String(path)} ${String(status)}`),
    async principal(roles, patterns = ['*']) {
      const id = `0b7cf06a-0000-4000-8000-${String(++made).padStart(12, '0')}`;
      for (const [i, role] of roles.entries()) {
        await putAssignment(app.app.context, app.registry, `a${made}-${i}`, {
          principalId: id,
          role,
          patterns,
        });
      }
      return createSomeone(authority, id);
    },
    async settings(change) {
      await updateRegistry(app.app.context, app.registry, (document) => ({ ...document, ...change }));
    },
    async close() {
      await listening.stop();
      await app.close();
      await authority.close();
      await storage.close();
      await rm(dir, { recursive: true });
    },
  };
}

/** Links to storage over https, as Azure's are; what answers there refuses what Azure refuses. */
function linkByTls(tls: Tls) {
  let front: Promise<StrictFront> | undefined;
  const overTls = async (link: string): Promise<string> => {
    const { origin, pathname, search } = new URL(link);
    const { url } = await (front ??= startStrictFront(origin, tls));
    return `${url}${pathname}${search}`;
  };
  return {
    wrap: (stores: Stores): Stores => ({
      ...stores,
      blobs: {
        ...stores.blobs,
        async link(at, seconds) {
          const link = await stores.blobs.link(at, seconds);
          return link === undefined ? undefined : await overTls(link);
        },
      },
    }),
    async close() {
      await (await front)?.close();
    },
  };
}

/** A credential as `@azure/identity` has them, whose tokens the fake directory makes. */
function createSomeone(authority: Authority, id: string): Someone {
  const asked: string[] = [];
  const token = async (audience: string) => await authority.mint(authority.claims(id, { aud: audience }));
  return {
    id,
    asked,
    token,
    async getToken(scopes): Promise<AccessToken> {
      const [scope = ''] = typeof scopes === 'string' ? [scopes] : scopes;
      asked.push(scope);
      const audience = scope.replace(/\/\.default$/, '');
      return { token: await token(audience), expiresOnTimestamp: Date.now() + 3_600_000 };
    },
  };
}
