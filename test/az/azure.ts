import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { CommandFailed, type Output, runCommand } from '../clients/lab/command.ts';
import type { Login } from '../clients/sign-in/station.ts';

/** How one seat at the Azure CLI differs from others. */
export type SeatOptions = {
  /** The program. */
  readonly az: string;
  /** Where this seat's configuration goes. */
  readonly directory: string;
  /** File of the certificate to trust. */
  readonly trust: string;
  /** `https://host:port` of the registry: its management API. */
  readonly manager: string;
  /** Base URL of the directory that signs people in. */
  readonly authority: string;
  /** What follows a registry's name in its host name. */
  readonly suffix: string;
};

/** The Azure CLI with a configuration of its own, in which only our cloud is known. */
export class Seat {
  readonly #options: SeatOptions;
  readonly #login: Login | undefined;

  constructor(options: SeatOptions, login?: Login) {
    this.#options = options;
    this.#login = login;
  }

  /** Makes our registry and directory a cloud, and chooses it. */
  async open(): Promise<this> {
    const { directory, manager, authority, suffix } = this.#options;
    await mkdir(directory, { recursive: true });
    const resource = 'https://management.azure.com/';
    const endpoints = {
      'endpoint-resource-manager': manager,
      'endpoint-active-directory': authority,
      'endpoint-active-directory-resource-id': resource,
      'endpoint-active-directory-graph-resource-id': resource,
      'suffix-acr-login-server-endpoint': suffix,
    };
    const settings = Object.entries(endpoints).flatMap(([name, value]) => [`--${name}`, value]);
    // Ours is no directory that Microsoft's could vouch for.
    await this.text('config set', 'core.instance_discovery=false');
    await this.text('cloud register', '--name', 'functionary', '--skip-endpoint-discovery', ...settings);
    await this.text('cloud set', '--name', 'functionary');
    return this;
  }

  /** The same seat, saying who asks with each command. */
  as({ username, password }: Login): Seat {
    return new Seat(this.#options, { username, password });
  }

  /** The version of the Azure CLI. */
  async version(): Promise<string> {
    const { stdout } = await this.#run(['version', '--query', '"azure-cli"', '--output', 'tsv']);
    return stdout.trim();
  }

  /** What a command such as `acr show` prints. Throws `CommandFailed`, with what it said. */
  async text(command: string, ...options: readonly string[]): Promise<string> {
    const who = this.#login ? ['--username', this.#login.username, '--password', this.#login.password] : [];
    return (await this.#run([...command.split(' '), ...options, ...who])).stdout;
  }

  /** The JSON that a command prints; undefined where it prints nothing. */
  async json(command: string, ...options: readonly string[]): Promise<unknown> {
    const text = await this.text(command, ...options, '--output', 'json');
    const value: unknown = text.trim() === '' ? undefined : JSON.parse(text);
    return value;
  }

  /** What a command says that must not succeed. Throws when it does. */
  async refusal(command: string, ...options: readonly string[]): Promise<string> {
    let printed: string;
    try {
      printed = await this.text(command, ...options);
    } catch (error) {
      if (error instanceof CommandFailed) return error.message.slice(error.message.indexOf('\n') + 1);
      throw error;
    }
    throw new Error(
      `az ${command} ${options.join(' ')} was not refused, and printed ${printed.slice(0, 500)}`,
    );
  }

  async #run(args: readonly string[]): Promise<Output> {
    const { az, directory, trust } = this.#options;
    const env = {
      PATH: process.env['PATH'],
      HOME: directory,
      LANG: 'C.UTF-8',
      AZURE_CONFIG_DIR: join(directory, 'azure'),
      AZURE_CORE_COLLECT_TELEMETRY: '0',
      AZURE_CORE_NO_COLOR: '1',
      REQUESTS_CA_BUNDLE: trust,
    };
    return await runCommand(az, args, { cwd: directory, env });
  }
}
