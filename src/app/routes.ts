import type { Arrival, Permission } from '../auth/authorize.ts';
import type { Auth } from '../auth/sign-in.ts';
import { serveExchange, serveKeys, serveToken } from '../auth/token.ts';
import { deleteBlobLink, getBlobContent, headBlob } from '../distribution/blobs.ts';
import { getCatalog, getReferrers, getTags, ping } from '../distribution/listings.ts';
import {
  deleteReference,
  getManifestContent,
  headManifest,
  putManifestContent,
} from '../distribution/manifests.ts';
import { deleteUpload, getUpload, patchUpload, postUpload, putUpload } from '../distribution/uploads.ts';
import type { RepositoryOperation } from '../events/audit.ts';
import type { CallKind } from '../guard/limits.ts';
import type { RegistryCall, RepositoryCall } from '../http/call.ts';
import type { Reply } from '../http/message.ts';
import type { Context } from '../store/context.ts';

type Operation<C> = readonly [
  permission: Permission,
  run: (ctx: Context, call: C) => Promise<Reply>,
  traits?: {
    /** What the audit calls it; left out for what ACR does not log. */
    readonly audit?: RepositoryOperation;
    /** The limit that it counts against, where permission and method do not tell. */
    readonly kind?: CallKind;
  },
];

/** Routes of the registry itself: exact paths. */
export interface RegistryRoute {
  readonly path: string;
  readonly methods: Readonly<Record<string, Operation<RegistryCall>>>;
}

/** Routes below a repository, told by what follows its name: names may hold any word, so paths are read from the right. */
export interface RepositoryRoute {
  /** Matches the end of the path after the name; group 1 is the reference. */
  readonly tail: RegExp;
  readonly methods: Readonly<Record<string, Operation<RepositoryCall>>>;
}

/** All that the registry serves: method, path, permission, operation. A method without a permission does not compile. */
export const registryRoutes: readonly RegistryRoute[] = [
  { path: '/v2/', methods: { GET: ['sign-in', ping], HEAD: ['sign-in', ping] } },
  { path: '/v2', methods: { GET: ['sign-in', ping], HEAD: ['sign-in', ping] } },
  { path: '/v2/_catalog', methods: { GET: ['catalog', getCatalog] } },
  { path: '/acr/v1/_catalog', methods: { GET: ['catalog', getCatalog] } },
  { path: '/acr/v1/_deleted/_catalog', methods: { GET: ['deleted_catalog', showDeletedCatalog] } },
];

/** Signing in; only where sign-in is required. */
export const signInRoutes: Readonly<
  Record<string, Readonly<Record<string, (auth: Auth, arrival: Arrival) => Promise<Reply>>>>
> = {
  '/oauth2/token': { GET: serveToken, POST: serveToken },
  '/oauth2/exchange': { POST: serveExchange },
  '/oauth2/keys': { GET: serveKeys },
};

export const repositoryRoutes: readonly RepositoryRoute[] = [
  {
    tail: /\/manifests\/([^/]*)$/,
    methods: {
      HEAD: ['pull', headManifest],
      GET: ['pull', getManifestContent, { audit: 'Pull' }],
      PUT: ['push', putManifestContent, { audit: 'Push' }],
      DELETE: ['delete', deleteReference, { audit: 'Delete' }],
    },
  },
  { tail: /\/blobs\/uploads\/?()$/, methods: { POST: ['push', postUpload] } },
  {
    tail: /\/blobs\/uploads\/([^/]+)$/,
    methods: {
      PATCH: ['session', patchUpload],
      PUT: ['session', putUpload],
      GET: ['session', getUpload],
      DELETE: ['session', deleteUpload],
    },
  },
  {
    tail: /\/blobs\/([^/]*)$/,
    methods: {
      HEAD: ['pull', headBlob],
      GET: ['pull', getBlobContent],
      DELETE: ['delete', deleteBlobLink, { audit: 'Delete' }],
    },
  },
  { tail: /\/tags\/list()$/, methods: { GET: ['metadata_read', getTags] } },
  { tail: /\/referrers\/([^/]*)$/, methods: { GET: ['pull', getReferrers, { kind: 'listReferrers' }] } },
];

type Artifacts = typeof import('../metadata/artifacts.ts');

/** Loaded at its first use: a cold start is for pushes and pulls, and should not pay for it. */
function artifacts(name: keyof Artifacts): Operation<RepositoryCall>[1] {
  return async (ctx, call) => {
    const loaded = await import('../metadata/artifacts.ts');
    return await loaded[name](ctx, call);
  };
}

type Repositories = typeof import('../metadata/repositories.ts');

function repositories(name: keyof Repositories): Operation<RepositoryCall>[1] {
  return async (ctx, call) => {
    const loaded = await import('../metadata/repositories.ts');
    return await loaded[name](ctx, call);
  };
}

/** ACR's own, below `/acr/v1/`. No part of a name begins with `_`; a path that ends in none of these is a name alone. */
export const metadataRoutes: readonly RepositoryRoute[] = [
  { tail: /\/_tags()$/, methods: { GET: ['metadata_read', artifacts('getTagList')] } },
  {
    tail: /\/_tags\/([^/]*)$/,
    methods: {
      GET: ['metadata_read', artifacts('getTag')],
      PUT: ['push', artifacts('putTag'), { audit: 'Push' }],
      PATCH: ['metadata_write', artifacts('patchTag')],
      DELETE: ['delete', artifacts('deleteTagOnly'), { audit: 'Untag' }],
    },
  },
  { tail: /\/_manifests()$/, methods: { GET: ['metadata_read', artifacts('getManifestList')] } },
  {
    tail: /\/_manifests\/([^/]*)$/,
    methods: {
      GET: ['metadata_read', artifacts('getManifestByDigest')],
      PATCH: ['attributes', artifacts('patchManifest'), { kind: 'write' }],
    },
  },
  {
    tail: /(?<=\/[^_/][^/]*)()$/,
    methods: {
      GET: ['metadata_read', repositories('getRepository')],
      PATCH: ['metadata_write', repositories('patchRepository')],
      DELETE: ['delete', repositories('deleteWhole'), { audit: 'Delete' }],
    },
  },
];

type Deletions = typeof import('../metadata/deleted.ts');

function deletions(name: Exclude<keyof Deletions, 'getDeletedCatalog'>): Operation<RepositoryCall>[1] {
  return async (ctx, call) => {
    const loaded = await import('../metadata/deleted.ts');
    return await loaded[name](ctx, call);
  };
}

async function showDeletedCatalog(ctx: Context, call: RegistryCall): Promise<Reply> {
  const { getDeletedCatalog } = await import('../metadata/deleted.ts');
  return await getDeletedCatalog(ctx, call);
}

/** What was deleted and can be restored, below `/acr/v1/_deleted/`. */
export const deletedRoutes: readonly RepositoryRoute[] = [
  { tail: /\/_tags()$/, methods: { GET: ['deleted_read', deletions('getDeletedTags')] } },
  { tail: /\/_manifests()$/, methods: { GET: ['deleted_read', deletions('getDeletedManifests')] } },
  {
    tail: /\/_manifests\/([^/]*)$/,
    methods: { POST: ['deleted_restore', deletions('postRestore'), { kind: 'write' }] },
  },
];
