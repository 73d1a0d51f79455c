import { type Digest, isDigest, parseDigest } from './digest.ts';
import { Problem } from './problem.ts';

declare const brand: unique symbol;

/** A registry's own name: 5 to 50 lower-case letters and digits, as ACR's. Names its blob container too. */
export type RegistryName = string & { readonly [brand]: 'RegistryName' };
/** A repository name by the grammar of distribution-spec "Pulling manifests", at most 255 characters. */
export type RepositoryName = string & { readonly [brand]: 'RepositoryName' };
/** A tag: 1 to 128 characters, case-sensitive. */
export type Tag = string & { readonly [brand]: 'Tag' };

/** A repository in its registry: what every operation of the core works on. */
export interface Repository {
  readonly registry: RegistryName;
  readonly name: RepositoryName;
}

/** What the last part of `/manifests/<reference>` names. */
export type Reference =
  | { readonly kind: 'tag'; readonly tag: Tag }
  | { readonly kind: 'digest'; readonly digest: Digest };

const REGISTRY = /^[a-z0-9]{5,50}$/;
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** Throws a plain Error: registry names come from settings, not from clients. */
export function parseRegistryName(text: string): RegistryName {
  if (!isRegistryName(text))
    throw new Error(`registry name ${JSON.stringify(text)} is not 5-50 lower-case letters or digits`);
  return text;
}

export function isRegistryName(text: string): text is RegistryName {
  return REGISTRY.test(text);
}

/** Throws NAME_INVALID. */
export function parseRepositoryName(text: string): RepositoryName {
  if (!isRepositoryName(text)) throw new Problem('NAME_INVALID', { name: text.slice(0, 300) });
  return text;
}

export function isRepositoryName(text: string): text is RepositoryName {
  return text.length <= 255 && REPOSITORY.test(text);
}

/** Throws TAG_INVALID. */
export function parseTag(text: string): Tag {
  if (!isTag(text)) throw new Problem('TAG_INVALID', { tag: text.slice(0, 200) }, { message: 'invalid tag' });
  return text;
}

export function isTag(text: string): text is Tag {
  return TAG.test(text);
}

/** A reference holding `:` is a digest (distribution-spec "Pulling manifests"). Throws DIGEST_INVALID, TAG_INVALID. */
export function parseReference(text: string): Reference {
  if (text.includes(':')) return { kind: 'digest', digest: parseDigest(text) };
  return { kind: 'tag', tag: parseTag(text) };
}

/** The tag under which clients keep referrers for registries without the referrers API: `sha256-<hex>`. */
export function referrersTagSubject(tag: Tag): Digest | undefined {
  const digest = tag.replace('-', ':');
  return isDigest(digest) ? digest : undefined;
}
