import type { RegistryDocument } from '../model/access.ts';
import type { ManifestFacts } from '../model/manifest.ts';
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
  /**
   * Runs work that no answer waits for, and that may be lost: hosts wait for what is under way when they stop, but none
   * when they are stopped hard. It must bound itself. What it throws is logged.
   */
  readonly defer: (work: () => Promise<void>) => void;
  /** Waits; tests make it instant. */
  readonly pause: (milliseconds: number) => Promise<void>;
}
