import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { runCommand, startDaemon, type CommandOptions, type Daemon, type Output } from './command.ts';
import { writeImage, writeIndex, FULL_SIZES, LIMITED_SIZES, SMALL_SIZES, type TestImage } from './image.ts';
import { expectEqual } from './expect.ts';
import { fetchServed, manifestStatus, seed, type Proof, type Served } from './wire.ts';

/** The columns of the table, in order. */
export const OPERATIONS = [
  'push',
  'push again',
  'pull',
  'list',
  'copy',
  'index',
  'artifact',
  'referrers',
  'delete',
] as const;
export type Operation = (typeof OPERATIONS)[number];

/**
 * What a client does for each operation; operations run in the order of `OPERATIONS` and may build on
 * earlier ones. A step throws when anything is wrong. A client lacks the operations that it leaves out.
 */
export type Steps = { readonly [O in Operation]?: () => Promise<void> };

/** One row of the table. */
export type Client = {
  readonly name: string;
  /** The programs it needs; the row fails when one is missing. */
  readonly programs: readonly string[];
  /**
   * The client uploads to no other host than the registry's, so there its layers must fit a request.
   * oras-go does so since 2.6.2: GHSA-jxpm-75mh-9fp7.
   */
  readonly sameHost?: boolean;
  /** The version of the client, from the client. */
  version(lab: Lab): Promise<string>;
  /** Starts what the client needs, and gives its steps. Daemons go through `lab.daemon`. */
  open(lab: Lab): Promise<Steps>;
};

export type LabOptions = {
  /** `host:port` of the registry under test. */
  readonly registry: string;
  /** An empty directory for this client alone. */
  readonly directory: string;
  /** Where built tools lie; searched before the system's own. */
  readonly tools: string;
  /** First part of every repository name, so that runs on one registry do not meet. */
  readonly prefix: string;
  /** Layers must stay below the body limit of the mode with an upload host. */
  readonly limited: boolean;
  /** How the lab itself proves who it is, when it looks at what clients did. */
  readonly proof?: Proof;
  readonly signal: AbortSignal;
};

/** A client's own scratch directory, environment and repositories. */
export class Lab {
  readonly registry: string;
  readonly directory: string;
  readonly #options: LabOptions;
  readonly #daemons: Daemon[] = [];
  readonly #home: string;
  #configured = false;

  constructor(options: LabOptions) {
    this.registry = options.registry;
    this.directory = options.directory;
    this.#options = options;
    this.#home = join(options.directory, 'home');
  }

  /** The name of a repository, without the registry: `<prefix>/<name>`. */
  repository(name: string): string {
    return `${this.#options.prefix}/${name}`;
  }

  /** `host:port/<prefix>/<name>`, as clients want it. */
  reference(name: string): string {
    return `${this.registry}/${this.repository(name)}`;
  }

  path(...parts: string[]): string {
    return join(this.directory, ...parts);
  }

  /** Makes an empty directory in the scratch directory and gives its path. */
  async folder(...parts: string[]): Promise<string> {
    const path = this.path(...parts);
    await mkdir(path, { recursive: true });
    return path;
  }

  /** Four layers, one of 30 MB, or of 3 MB for a client that is limited. */
  async image(name: string): Promise<TestImage> {
    return await writeImage(this.path(name), this.#options.limited ? LIMITED_SIZES : FULL_SIZES);
  }

  async smallImage(name: string, architecture = 'amd64'): Promise<TestImage> {
    return await writeImage(this.path(name), SMALL_SIZES, architecture);
  }

  async index(name: string): Promise<TestImage> {
    return await writeIndex(this.path(name), ['amd64', 'arm64']);
  }

  async run(program: string, args: readonly string[], options?: Partial<CommandOptions>): Promise<Output> {
    return await runCommand(program, args, { ...(await this.#settings()), ...options });
  }

  /** Starts a daemon that `close` will stop. */
  async daemon(
    program: string,
    args: readonly string[],
    ready: (log: string) => Promise<boolean>,
  ): Promise<void> {
    const log = this.path(`${program}-${this.#daemons.length}.log`);
    this.#daemons.push(await startDaemon(program, args, { ...(await this.#settings()), log, ready }));
  }

  /** Stops all daemons, the last first. */
  async close(): Promise<void> {
    for (let daemon = this.#daemons.pop(); daemon; daemon = this.#daemons.pop()) await daemon.stop();
  }

  async served(name: string, reference: string): Promise<Served> {
    return await fetchServed(this.registry, this.repository(name), reference, this.#options.proof);
  }

  async seed(name: string, tag: string, image: TestImage): Promise<void> {
    await seed(this.registry, this.repository(name), tag, image, this.#options.proof);
  }

  /** Throws unless the registry serves exactly this image's bytes under that name. */
  async expectServed(name: string, reference: string, image: TestImage): Promise<void> {
    const served = await this.served(name, reference);
    expectEqual('manifest digest', served.digest, image.root.digest);
    expectEqual('media type', served.mediaType, image.root.mediaType);
    expectEqual('content', served.digests.toSorted().join(), image.digests.toSorted().join());
  }

  /** Throws unless the registry serves an image with these layers, however the client compressed them. */
  async expectLayers(name: string, reference: string, image: TestImage): Promise<Served> {
    const served = await this.served(name, reference);
    expectEqual('layers', served.diffIds.join(), image.diffIds.join());
    return served;
  }

  async expectGone(name: string, reference: string): Promise<void> {
    const status = await manifestStatus(this.registry, this.repository(name), reference, this.#options.proof);
    expectEqual(`status of the deleted ${name}:${reference}`, String(status), '404');
  }

  async #settings(): Promise<CommandOptions> {
    await mkdir(join(this.#home, '.docker'), { recursive: true });
    await mkdir(join(this.#home, 'run'), { recursive: true });
    // podman insists that a file it is pointed at exists; what a sign-in wrote there stays.
    if (!this.#configured) await writeFile(join(this.#home, '.docker', 'config.json'), '{}');
    this.#configured = true;
    await mkdir(join(this.directory, 'tmp'), { recursive: true });
    const env: NodeJS.ProcessEnv = {
      PATH: `${this.#options.tools}:${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
      HOME: this.#home,
      TMPDIR: join(this.directory, 'tmp'),
      DOCKER_CONFIG: join(this.#home, '.docker'),
      XDG_RUNTIME_DIR: join(this.#home, 'run'),
      LANG: 'C.UTF-8',
      // docker: a daemon of today for a command-line client of yesterday.
      DOCKER_MIN_API_VERSION: '1.40',
      // cosign: a key without a password, and no look-up of the public trust root.
      COSIGN_PASSWORD: '',
      TUF_MIRROR: 'http://127.0.0.1:9',
    };
    return { env, cwd: this.directory, signal: this.#options.signal };
  }
}
