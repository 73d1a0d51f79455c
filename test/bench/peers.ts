import { execFile } from 'node:child_process';
import { access, copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PeerName } from './options.ts';

const execute = promisify(execFile);

interface Source {
  readonly module: string;
  readonly version: string;
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
}

export const sources: Readonly<Record<PeerName, Source>> = {
  distribution: {
    module: 'github.com/distribution/distribution/v3',
    version: 'v3.1.1',
    command: 'cmd/registry',
    env: { CGO_ENABLED: '0' },
  },
  zot: {
    module: 'zotregistry.dev/zot/v2',
    version: 'v2.1.20',
    command: 'cmd/zot',
    env: { CGO_ENABLED: '0', GOEXPERIMENT: 'jsonv2' },
  },
};

/**
 * The path of a peer's program, compiled at its first use and kept in `directory`.
 * Throws an Error with Go's last message when it cannot be had here.
 */
export async function peerProgram(peer: PeerName, directory: string): Promise<string> {
  const source = sources[peer];
  const program = join(directory, `${peer}-${source.version}`);
  if (await exists(program)) return program;
  await mkdir(directory, { recursive: true });
  const scratch = await mkdtemp(join(tmpdir(), 'bench-peer-'));
  try {
    // A scratch module instead of `go install MODULE@VERSION`: some module mirrors refuse the list of versions
    // that `go install` asks for, and hand out the version itself.
    const env = { ...process.env, GOFLAGS: '-mod=mod -buildvcs=false', ...source.env };
    const go = (...args: string[]) => execute('go', args, { cwd: scratch, env, maxBuffer: 1 << 26 });
    await go('mod', 'init', 'scratch');
    await go('mod', 'edit', '-require', `${source.module}@${source.version}`);
    await go('build', '-o', 'peer', `${source.module}/${source.command}`);
    await copyFile(join(scratch, 'peer'), program);
  } catch (error) {
    throw new Error(`go build of ${peer}: ${lastLine(error)}`, { cause: error });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return program;
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

function lastLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split('\n').at(-1) ?? '';
}
