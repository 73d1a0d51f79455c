import { enableAdmin, regenerateAdmin } from '../../src/access/admin.ts';
import { deleteAssignment, putAssignment } from '../../src/access/roles.ts';
import { putScopeMap } from '../../src/access/scopemaps.ts';
import { deleteToken, generatePasswords, putToken } from '../../src/access/tokens.ts';
import type { Context } from '../../src/store/context.ts';
import { type Lab, type Login, NARROW, REFUSED } from './lab.ts';

export const ACTIONS = ['repositories/team/*/content/read', 'repositories/team/*/metadata/read'];

/** A way of taking rights away. */
export interface Taken {
  readonly what: string;
  /** Makes somebody who may list tags. */
  readonly make: (lab: Lab) => Promise<Login & { readonly id?: string }>;
  readonly take: (ctx: Context, lab: Lab, login: Login & { readonly id?: string }) => Promise<unknown>;
  /** What Basic credentials, refresh tokens and fresh tokens are answered with afterwards. */
  readonly after: typeof REFUSED | typeof NARROW;
}

export const makeToken = (lab: Lab) => lab.token('ci-token', ACTIONS);

/** Every way of taking somebody's rights away. */
export const TAKEN: readonly Taken[] = [
  {
    what: 'the admin user is switched off',
    make: (lab) => lab.admin(),
    take: (ctx, { registry }) => enableAdmin(ctx, registry, false),
    after: REFUSED,
  },
  {
    what: 'the password of the admin user is made anew',
    make: (lab) => lab.admin(),
    take: (ctx, { registry }) => regenerateAdmin(ctx, registry, 'password'),
    after: REFUSED,
  },
  {
    what: 'a token is disabled',
    make: makeToken,
    take: (ctx, { registry }) => putToken(ctx, registry, 'ci-token', { enabled: false }),
    after: REFUSED,
  },
  {
    what: 'the password of a token is made anew',
    make: makeToken,
    take: (ctx, { registry }) => generatePasswords(ctx, registry, 'ci-token', ['password1']),
    after: REFUSED,
  },
  {
    what: 'the password of a token is taken away',
    make: makeToken,
    take: (ctx, { registry }) => putToken(ctx, registry, 'ci-token', { kept: [] }),
    after: REFUSED,
  },
  {
    what: 'a token is deleted',
    make: makeToken,
    take: (ctx, { registry }) => deleteToken(ctx, registry, 'ci-token'),
    after: REFUSED,
  },
  {
    what: 'a token is bound to another scope map',
    make: makeToken,
    take: (ctx, { registry }) => putToken(ctx, registry, 'ci-token', { scopeMap: '_repositories_pull' }),
    after: NARROW,
  },
  {
    what: 'the scope map of a token is narrowed',
    make: makeToken,
    take: (ctx, { registry }) =>
      putScopeMap(ctx, registry, 'map-of-ci-token', { actions: ['repositories/other/*/metadata/read'] }),
    after: NARROW,
  },
  {
    what: 'a role is taken back',
    make: (lab) => lab.principal(['AcrPull']),
    take: (ctx, { registry }) => deleteAssignment(ctx, registry, 'a1-0'),
    after: NARROW,
  },
  {
    what: 'a role is confined to other repositories',
    make: (lab) => lab.principal(['AcrPull']),
    take: (ctx, { registry }, { id = '' }) =>
      putAssignment(ctx, registry, 'a1-0', { principalId: id, role: 'AcrPull', patterns: ['other/*'] }),
    after: NARROW,
  },
];
