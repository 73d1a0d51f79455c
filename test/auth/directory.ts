import { putAssignment } from '../../src/access/roles.ts';
import { openEntra } from '../../src/auth/entra.ts';
import type { EntraOptions } from '../../src/auth/openid/directory.ts';
import { memoryKeyStore } from '../../src/auth/keys.ts';
import { jsonOf } from '../support/answer.ts';
import { type LogLine, type TestApp, type TestClock, createClock, openTestApp } from '../support/app.ts';
import { type Authority, openAuthority } from '../support/authority.ts';
import { SERVICE, basic, textOf } from './lab.ts';

export const TENANT = '6a1f0000-1111-4222-8333-000000000001';
export const SECOND = '6a1f0000-1111-4222-8333-000000000002';
export const USER = '0b7cf06a-0000-4000-8000-0000000000a1';
export const APP = '0b7cf06a-0000-4000-8000-0000000000a2';
export const PULL = 'repository:team/app:pull';

/** Making RSA keys takes long. */
export const keys = memoryKeyStore();

/** A directory of two tenants, and apps that trust it. */
export interface DirectoryLab {
  readonly clock: TestClock;
  readonly authority: Authority;
  /** What the directory's side of the apps logged. */
  readonly logs: readonly LogLine[];
  open(options?: Partial<EntraOptions>): Promise<TestApp>;
  exchange(app: TestApp, token: string): Promise<Response>;
  /** A refresh token for a principal, by a good token of the directory. */
  refreshOf(app: TestApp, id?: string): Promise<string>;
  accessOf(app: TestApp, refresh: string, scope: string): Promise<string>;
  /** Asks for an access token to pull. */
  login(app: TestApp, username: string, password: string): Promise<Response>;
  /** The role's assignment is named `assignment-<role>`. */
  assign(app: TestApp, principalId: string, role: string, patterns?: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

export async function openDirectoryLab(): Promise<DirectoryLab> {
  const clock = createClock();
  const authority = await openAuthority([TENANT, SECOND], clock.now);
  const opened: TestApp[] = [];
  const logs: LogLine[] = [];
  return {
    clock,
    authority,
    logs,
    exchange,
    async open(options = {}) {
      const entra = openEntra(
        { now: clock.now, log: (level, message, fields = {}) => void logs.push({ level, message, fields }) },
        { ...authority.options, ...options },
      );
      const app = await openTestApp({ clock, signIn: { keys, entra } });
      opened.push(app);
      return app;
    },
    async refreshOf(app, id = USER) {
      const response = await exchange(app, await authority.mint(authority.claims(id)));
      return textOf(await jsonOf(response), 'refresh_token');
    },
    async accessOf(app, refresh, scope) {
      const form = { grant_type: 'refresh_token', service: SERVICE, scope, refresh_token: refresh };
      return textOf(await jsonOf(await post(app, '/oauth2/token', form)), 'access_token');
    },
    async login(app, username, password) {
      const headers = { authorization: basic({ username, password }) };
      return await app.fetch('GET', `/oauth2/token?service=${SERVICE}&scope=${PULL}`, { headers });
    },
    async assign(app, principalId, role, patterns = ['*']) {
      const id = `assignment-${role.replaceAll(' ', '-')}`;
      await putAssignment(app.app.context, app.registry, id, { principalId, role, patterns });
    },
    async close() {
      await authority.close();
      for (const app of opened) await app.close();
    },
  };
}

async function post(app: TestApp, path: string, form: Readonly<Record<string, string>>): Promise<Response> {
  return await app.fetch('POST', path, {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
  });
}

async function exchange(app: TestApp, token: string): Promise<Response> {
  const form = { grant_type: 'access_token', service: SERVICE, access_token: token };
  return await post(app, '/oauth2/exchange', form);
}
