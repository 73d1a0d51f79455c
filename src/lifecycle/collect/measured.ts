/** What is really there, measured on the way by a collection that saw all of a registry. */
export interface Measured {
  readonly registry: {
    /** Of all blobs, each once, and of all manifests. */
    readonly bytes: number;
    readonly blobs: number;
  };
  /** By encoded name. */
  readonly repositories: ReadonlyMap<string, RepositoryMeasure>;
}

export interface RepositoryMeasure {
  /** Of its blobs and manifests, those among them that can still be restored. */
  readonly bytes: number;
  /** Of those that no other repository has: what would be freed if it went. */
  readonly unique: number;
}

/** Sums as rows are met: two numbers for each repository. */
export class Sums implements Measured {
  readonly registry = { bytes: 0, blobs: 0 };
  readonly repositories = new Map<string, { bytes: number; unique: number }>();

  addManifest(repository: string, size: number): void {
    this.registry.bytes += size;
    this.#add(repository, size, size);
  }

  /** A blob and the repositories that have it. */
  addBlob(size: number, repositories: readonly string[]): void {
    this.registry.bytes += size;
    this.registry.blobs++;
    for (const one of repositories) this.#add(one, size, repositories.length === 1 ? size : 0);
  }

  #add(repository: string, bytes: number, unique: number): void {
    const sum = this.repositories.get(repository) ?? { bytes: 0, unique: 0 };
    sum.bytes += bytes;
    sum.unique += unique;
    this.repositories.set(repository, sum);
  }
}
