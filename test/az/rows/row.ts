import type { Site } from '../site.ts';

/** One line of the table. */
export type Row = {
  /** What follows `az acr`, as far as it matters. */
  readonly command: string;
  /** What it must do, in a few words. */
  readonly what: string;
  /** Throws when it does anything else. */
  readonly run: (site: Site) => Promise<void>;
};
