/** A rule of a registry's lifecycle policy: what it matches and how much of that goes. */
export interface LifecycleRule {
  readonly name: string;
  /** Names of repositories, where `*` stands for any text and `?` for one character. */
  readonly repositories: readonly string[];
  /** Whether it matches tags, manifests that no tag names, or both. */
  readonly state: 'tagged' | 'untagged' | 'any';
  /** Tags that it matches, written as `repositories` are; of no concern to manifests without a tag. */
  readonly tags: readonly string[];
  /** Tags that it leaves alone all the same. */
  readonly exceptTags: readonly string[];
  /** Only what was last pushed, or lost its last tag, so many days ago or earlier. */
  readonly olderThanDays?: number;
  /** Only what nobody has pulled for so many days, nor pushed. */
  readonly notPulledForDays?: number;
  /** The newest so many of all that the names and the state match stay, in each repository, whatever their age. */
  readonly keep?: number;
}

/** The lifecycle policy of a registry: each rule acts for itself, and what any of them deletes goes. */
export interface LifecyclePolicyDocument {
  readonly rules: readonly LifecycleRule[];
  /** Milliseconds since 1970; so below. */
  readonly created: number;
  readonly updated: number;
}

/** What `acr purge` is told (ACR features section 5). */
export interface PurgeOptions {
  /** `<regular expression of a repository>:<regular expression of a tag>` each, in RE2's syntax. */
  readonly filters: readonly string[];
  /** Only what was last pushed so long ago, as in `2d3h30m`. */
  readonly ago?: string | undefined;
  /** The newest so many of those that would go stay, in each repository: tags, or manifests with `untaggedOnly`. */
  readonly keep: number;
  /** Manifests without a tag go, too. */
  readonly untagged: boolean;
  /** Manifests without a tag go, and no tags. */
  readonly untaggedOnly: boolean;
  /** What is locked goes, too. */
  readonly includeLocked: boolean;
}

/** A purge that runs by itself. */
export interface PurgeScheduleDocument {
  readonly name: string;
  readonly enabled: boolean;
  /** Five cron fields, in UTC. */
  readonly schedule: string;
  readonly options: PurgeOptions;
  readonly created: number;
  /** Runs due until then were started. */
  readonly checked: number;
}
