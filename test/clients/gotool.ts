import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { CommandFailed, runCommand } from './lab/command.ts';

/** A program that is built from a Go module. */
export type GoTool = {
  /** Name of the binary. */
  readonly name: string;
  readonly module: string;
  /** A version or a commit. */
  readonly version: string;
  /** The folder of the program in the module; the module itself when empty. */
  readonly folder: string;
  /** Go build tags. */
  readonly tags?: readonly string[];
};

/** The module proxy does not hand out the module, or cannot be reached. */
export class ModuleUnavailable extends Error {
  override readonly name = 'ModuleUnavailable';
}

/**
 * Builds a tool into `bin` unless its right version lies there; gives whether it was built.
 * Throws `ModuleUnavailable` when its source cannot be had, `CommandFailed` when it does not compile.
 *
 * A scratch module that requires the tool is used instead of `go install`, which also asks for the
 * newest version of the module (for deprecations and retractions), and some proxies refuse that.
 */
export async function installGoTool(tool: GoTool, bin: string): Promise<boolean> {
  const binary = join(bin, tool.name);
  if (await hasVersion(tool, binary)) return false;
  await mkdir(bin, { recursive: true });
  const directory = await mkdtemp(join(tmpdir(), 'gotool-'));
  // No cgo: a machine may have Go and no C compiler.
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod' };
  const options = { cwd: directory, env, timeoutMs: 1_500_000 };
  try {
    await runCommand('go', ['mod', 'init', 'tools'], options);
    await fetchModule(tool, options);
    const built = join(directory, 'built');
    const how = ['-ldflags', '-s -w', '-tags', (tool.tags ?? []).join(',')];
    const path = tool.folder === '' ? tool.module : `${tool.module}/${tool.folder}`;
    await runCommand('go', ['build', ...how, '-o', built, path], options);
    // Renamed into place when whole, so that an interrupted build leaves no half of a program.
    await runCommand('cp', [built, `${binary}.new`], options);
    await rename(`${binary}.new`, binary);
    return true;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function fetchModule(
  tool: GoTool,
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<void> {
  const wanted = `${tool.module}@${tool.version}`;
  try {
    if (/^v\d/.test(tool.version)) {
      await runCommand('go', ['mod', 'edit', '-require', wanted], options);
      await runCommand('go', ['mod', 'download', wanted], options);
    } else {
      await runCommand('go', ['get', wanted], options);
    }
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    throw new ModuleUnavailable(`${wanted}: ${reasonIn(error.message)}`, { cause: error });
  }
}

/** What Go itself said last, without the address of the proxy, which is nobody's business. */
function reasonIn(message: string): string {
  const said = message.split('\n').filter((line) => line.trim() !== '');
  return said
    .slice(1)
    .join('; ')
    .replaceAll(/https?:\/\/\S+/g, 'the module proxy:')
    .replaceAll(/\s+/g, ' ')
    .slice(0, 300);
}

/** Reads the versions of all modules that a Go program was built from, out of the program. */
async function hasVersion(tool: GoTool, binary: string): Promise<boolean> {
  const options = { cwd: '/', env: process.env };
  try {
    const { stdout } = await runCommand('go', ['version', '-m', binary], options);
    return stdout.split('\n').some((line) => {
      const [kind, module, version] = line.trim().split(/\s+/);
      if ((kind !== 'mod' && kind !== 'dep') || module !== tool.module || version === undefined) return false;
      return version === tool.version || version.endsWith(`-${tool.version}`);
    });
  } catch (error) {
    if (error instanceof CommandFailed) return false;
    throw error;
  }
}
