import { access, constants } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { installGoTool, ModuleUnavailable, type GoTool } from './gotool.ts';
import { CommandFailed, runCommand } from './lab/command.ts';

/** Programs from Debian or Ubuntu packages, and the package of each. */
const SYSTEM: Readonly<Record<string, string>> = {
  docker: 'docker.io',
  dockerd: 'docker.io',
  containerd: 'containerd',
  ctr: 'containerd',
  runc: 'runc',
  skopeo: 'skopeo',
  podman: 'podman',
  buildah: 'buildah',
};

const GO: readonly GoTool[] = [
  {
    name: 'crane',
    module: 'github.com/google/go-containerregistry',
    version: 'v0.21.9',
    folder: 'cmd/crane',
  },
  { name: 'regctl', module: 'github.com/regclient/regclient', version: 'v0.11.5', folder: 'cmd/regctl' },
  { name: 'oras', module: 'oras.land/oras', version: 'v1.3.3', folder: 'cmd/oras' },
  {
    name: 'notation',
    module: 'github.com/notaryproject/notation',
    version: 'v1.3.2',
    folder: 'cmd/notation',
  },
  { name: 'helm', module: 'helm.sh/helm/v3', version: 'v3.19.0', folder: 'cmd/helm' },
  { name: 'cosign', module: 'github.com/sigstore/cosign/v3', version: 'v3.1.3', folder: 'cmd/cosign' },
  {
    // The daemon of Docker 29: its store of images is containerd's, which older packages cannot use.
    name: 'dockerd-moby',
    module: 'github.com/moby/moby/v2',
    version: 'v2.0.0-beta.24',
    folder: 'cmd/dockerd',
    tags: ['exclude_graphdriver_btrfs', 'netgo'],
  },
];

const HELP = `Installs the clients that test/clients/run.ts drives, where they are missing.

  --bin DIR    where programs built from Go modules go (.cache/bin)
  --only A,B   these of them only, and no packages
`;

const { values } = parseArgs({
  options: {
    bin: { type: 'string', default: resolve(import.meta.dirname, '..', '..', '.cache', 'bin') },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) process.stdout.write(HELP);
else process.exitCode = await main(resolve(values.bin));

async function main(bin: string): Promise<number> {
  let missing = 0;
  const only = values.only?.split(',');
  const tools = GO.filter(({ name }) => only?.includes(name) ?? true);
  const builds = tools.map((tool) => async () => await installTool(tool, bin));
  for (const install of only ? builds : [installPackages, ...builds]) {
    try {
      await install();
    } catch (error) {
      if (!(error instanceof CommandFailed || error instanceof ModuleUnavailable)) throw error;
      missing += 1;
      say(`MISSING ${error.message}`);
    }
  }
  return missing === 0 ? 0 : 1;
}

async function installTool(tool: GoTool, bin: string): Promise<void> {
  const started = performance.now();
  const built = await installGoTool(tool, bin);
  const took = `${Math.round((performance.now() - started) / 1000)} s`;
  say(`${tool.name} ${tool.version}: ${built ? `built in ${took}` : 'already there'}`);
}

async function installPackages(): Promise<void> {
  const packages = new Set<string>();
  for (const [program, name] of Object.entries(SYSTEM)) {
    if (!(await onPath(program))) packages.add(name);
  }
  if (packages.size === 0) return say(`${Object.keys(SYSTEM).join(', ')}: already there`);
  // In run level 1 the packages' own scripts start no daemon; the tests start theirs.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const options = { cwd: '/', env, timeoutMs: 600_000 };
  await runCommand('apt-get', ['update', '-qq'], options);
  const quiet = ['install', '-y', '-qq', '--no-install-recommends'];
  await runCommand('apt-get', [...quiet, ...packages], options);
  say(`installed ${[...packages].join(', ')}`);
}

async function onPath(program: string): Promise<boolean> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    const found = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
