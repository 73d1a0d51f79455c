import type { Permission } from '../auth/authorize.ts';
import { deleteBlobLink, getBlobContent, headBlob } from '../distribution/blobs.ts';
import { getCatalog, getReferrers, getTags, ping } from '../distribution/listings.ts';
import {
  deleteReference,
  getManifestContent,
  headManifest,
  putManifestContent,
} from '../distribution/manifests.ts';
import { deleteUpload, getUpload, patchUpload, postUpload, putUpload } from '../distribution/uploads.ts';
import type { RegistryCall, RepositoryCall } from '../http/call.ts';
import type { Reply } from '../http/message.ts';
import type { Context } from '../store/context.ts';

type Operation<C> = readonly [permission: Permission, run: (ctx: Context, call: C) => Promise<Reply>];

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
];

export const repositoryRoutes: readonly RepositoryRoute[] = [
  {
    tail: /\/manifests\/([^/]*)$/,
    methods: {
      HEAD: ['pull', headManifest],
      GET: ['pull', getManifestContent],
      PUT: ['push', putManifestContent],
      DELETE: ['delete', deleteReference],
    },
  },
  { tail: /\/blobs\/uploads\/?()$/, methods: { POST: ['push', postUpload] } },
  {
    tail: /\/blobs\/uploads\/([^/]+)$/,
    methods: {
      PATCH: ['push', patchUpload],
      PUT: ['push', putUpload],
      GET: ['push', getUpload],
      DELETE: ['push', deleteUpload],
    },
  },
  {
    tail: /\/blobs\/([^/]*)$/,
    methods: {
      HEAD: ['pull', headBlob],
      GET: ['pull', getBlobContent],
      DELETE: ['delete', deleteBlobLink],
    },
  },
  { tail: /\/tags\/list()$/, methods: { GET: ['metadata_read', getTags] } },
  { tail: /\/referrers\/([^/]*)$/, methods: { GET: ['pull', getReferrers] } },
];
