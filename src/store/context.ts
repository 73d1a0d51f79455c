import type { RegistryDocument } from '../model/access.ts';
import type { ManifestFacts } from '../model/manifest.ts';
import type { RegistryName } from '../model/names.ts';
import type { LinkRow } from '../model/record.ts';
import type { Stamp } from '../model/stamp.ts';
import type { Blobs } from './blobs.ts';
import type { Records } from './records.ts';
import type { Work } from './work.ts';

/** Writes one JSON line; values are escaped by that. Never give it a secret. */
export type Log = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void;

/** What the core may decide by; all of it comes from `app/config.ts`. */
export interface Settings {
  /** Region name in stamps and upload sessions. */
  readonly region: string;
  /** The deployment's secret, at least 32 bytes: seals upload sessions, and admin passwords derive from it. */
  readonly uploadKey: Uint8Array;
  /** How blobs are downloaded: by a redirect to storage, or streamed through. */
  readonly downloads: 'redirect' | 'proxy';
  /** Life of a download link, in seconds. */
  readonly linkSeconds: number;
  /** The largest request body of an upload, in bytes; undefined for no limit. */
  readonly maxBodyBytes?: number;
  /** Base URL of a host for upload bytes, without a slash at its end; undefined for this one. */
  readonly uploadEndpoint?: string;
  /** The largest manifest, in bytes: at least 4 MiB by distribution-spec. */
  readonly maxManifestBytes: number;
  /** Life of an upload session, in seconds. */
  readonly uploadSeconds: number;
  /** Whether an index may be pushed before its children. */
  readonly sparseIndexes: boolean;
  /** The most bytes that a registry may store; undefined: what its tier allows. */
  readonly storageCapBytes?: number;
}

/** What an instance knows of the bytes in a registry. */
export interface Growth {
  /** New content of this instance that is not on its way to be written down yet. */
  bytes: number;
  /** When the last of it came, in milliseconds since 1970. */
  last: number;
  /** Whether it is to be written down soon. */
  planned: boolean;
  /** What could not be written down, as far as one knows. */
  readonly batches: { readonly id: string; readonly bytes: number; readonly last: number }[];
  /** Bytes in the registry that all instances had written down by `readAt`, and when those were measured before. */
  used: number;
  measured: number;
  readAt: number;
  /** Whether they are being read. */
  reading: boolean;
}

/** Everything an operation needs from outside, first argument of each: ports, time, randomness, log, settings. */
export interface Context {
  readonly records: Records;
  readonly blobs: Blobs;
  readonly work: Work;
  readonly settings: Settings;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** The next stamp of this instance's clock, later than `after`. */
  readonly stamp: (after?: Stamp) => Stamp;
  /** Random bytes from a cryptographic source. */
  readonly random: (bytes: number) => Uint8Array;
  readonly log: Log;
  /** Links of blobs that were downloaded moments ago, and marks of deleted ones; see `registry/blobs.ts`. */
  readonly linkCache: Map<string, { readonly until: number; readonly link: LinkRow | undefined }>;
  /** Settings of registries as this instance read them last, by registry name; see `access/registry.ts`. */
  readonly registryCache: Map<string, { readonly readAt: number; readonly value: Promise<RegistryDocument> }>;
  /** What manifests turned out to be, by digest; see `catalog/facts.ts`. */
  readonly factsCache: Map<string, ManifestFacts>;
  /**
   * The newest state of upload sessions that this instance served, by session id: advice for clients that lost an
   * answer, never relied on.
   */
  readonly recentUploads: Map<string, { readonly offset: number; readonly state: string } | 'ended'>;
  /** When this instance last noted the pull of a manifest or tag, in milliseconds since 1970; see `registry/manifests.ts`. */
  readonly pullCache: Map<string, number>;
  /** What this instance knows of the bytes in a registry; see `lifecycle/usage/growth.ts`. */
  readonly growth: Map<string, Growth>;
  /** Tells of new content in a registry, in bytes. */
  readonly grew: (registry: RegistryName, bytes: number) => void;
  /**
   * Runs work that no answer waits for, now or after so many milliseconds, and that may be lost: a host that stops in
   * order runs it first, one that is stopped hard does not. It must bound itself. What it throws is logged.
   */
  readonly defer: (work: () => Promise<void>, milliseconds?: number) => void;
  /** Waits; tests make it instant. */
  readonly pause: (milliseconds: number) => Promise<void>;
}

/** A map that forgets what was set longest ago when it grows beyond its limit: memory of an instance stays bounded. */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #limit: number;

  constructor(limit: number) {
    super();
    this.#limit = limit;
  }

  override set(key: K, value: V): this {
    this.delete(key);
    super.set(key, value);
    const [oldest] = this.size > this.#limit ? this.keys() : [];
    if (oldest !== undefined) this.delete(oldest);
    return this;
  }
}
