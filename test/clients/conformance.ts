import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { installGoTool, ModuleUnavailable } from './gotool.ts';
import { CommandFailed, runCommand } from './lab/command.ts';
import { parseReport, type Report } from './report.ts';
import { ADAPTERS, type Mode } from './server.ts';

/** Exit code when the suite cannot be had here: neither passed nor failed. */
const NOT_AVAILABLE = 3;

/** The suite has some 850 checks; far fewer mean that it did not really run. */
const FEWEST = 600;

const SUITE = {
  name: 'conformance',
  module: 'github.com/opencontainers/distribution-spec/conformance',
  version: '967efdc079b9',
  folder: '',
} as const;

/** What the suite is asked for. Each preset has every category of its version on. */
type Preset = { readonly version: string; readonly args: readonly string[] };

const PRESETS: readonly Preset[] = [
  { version: '1.1', args: [] },
  // "dev" wants Docker-Content-Digest on every blob, which storage behind a redirect cannot send.
  { version: 'dev', args: ['--downloads', 'proxy'] },
];

const HELP = `Runs the OCI distribution conformance suite against this registry, on each storage adapter.

  --binary FILE  the suite, already built (or set OCI_CONFORMANCE); else it is built from its Go module
  --out DIR      where the suite's reports go (.cache/conformance)

Exit code: 0 no failure, 1 a failure, ${NOT_AVAILABLE} the suite cannot be had here.
`;

const repository = resolve(import.meta.dirname, '..', '..');
const { values } = parseArgs({
  options: {
    binary: { type: 'string' },
    out: { type: 'string', default: join(repository, '.cache', 'conformance') },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) process.stdout.write(HELP);
else process.exitCode = await main();

async function main(): Promise<number> {
  let binary: string;
  try {
    binary = await findSuite();
  } catch (error) {
    if (!(error instanceof ModuleUnavailable)) throw error;
    say(`conformance: not available: ${error.message}`);
    return NOT_AVAILABLE;
  }
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const mode of ADAPTERS) {
    for (const preset of PRESETS) {
      const report = await runSuite(binary, mode, preset);
      total.passed += report.passed;
      total.failed += report.failures.length;
      total.skipped += report.skips.length;
      const title = `${mode.name}, OCI_VERSION=${preset.version}`;
      say(
        `${title}: ${report.passed} passed, ${report.failures.length} failed, ${report.skips.length} skipped`,
      );
      for (const failure of report.failures) say(`  FAILED ${failure}`);
      for (const skip of report.skips) say(`  skipped ${skip}`);
    }
  }
  say(`conformance: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed === 0 ? 0 : 1;
}

async function findSuite(): Promise<string> {
  const given = values.binary ?? process.env['OCI_CONFORMANCE'];
  if (given !== undefined) {
    await access(given);
    return resolve(given);
  }
  const bin = join(repository, '.cache', 'bin');
  try {
    await installGoTool(SUITE, bin);
  } catch (error) {
    const missing = error instanceof CommandFailed && error.message.includes('spawn go ENOENT');
    if (missing) throw new ModuleUnavailable('there is no Go here to build it with', { cause: error });
    throw error;
  }
  return join(bin, SUITE.name);
}

async function runSuite(binary: string, mode: Mode, preset: Preset): Promise<Report> {
  const directory = await mkdtemp(join(tmpdir(), 'conformance-'));
  const results = join(values.out, `${mode.name}-${preset.version}`);
  await rm(results, { recursive: true, force: true });
  await mkdir(results, { recursive: true });
  try {
    const server = await mode.start({ repository, directory, args: preset.args });
    try {
      const env = {
        PATH: process.env['PATH'] ?? '',
        HOME: directory,
        OCI_REGISTRY: server.registry,
        OCI_TLS: 'disabled',
        OCI_VERSION: preset.version,
        OCI_RESULTS_DIR: results,
      };
      const ended = await runCommand(binary, [], { cwd: directory, env, timeoutMs: 900_000 }).then(
        (output) => ({ said: output.stdout + output.stderr, failed: false }),
        (error: unknown) => ({ said: String(error), failed: true }),
      );
      await writeFile(join(results, 'output.txt'), ended.said);
      return judge(await readReport(results), ended.failed);
    } finally {
      await server.stop();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function readReport(results: string): Promise<Report> {
  const xml = await readFile(join(results, 'junit.xml'), 'utf8').catch(() => '');
  return parseReport(xml);
}

/** The suite ends with 0 when it could not write its results, hence the doubt. */
function judge(report: Report, endedBadly: boolean): Report {
  const checks = report.passed + report.failures.length + report.skips.length;
  const doubts: string[] = [];
  if (checks < FEWEST) doubts.push(`the suite reported ${checks} checks, ${FEWEST} or more were expected`);
  if (endedBadly && report.failures.length === 0) doubts.push('the suite failed without naming a failure');
  return { ...report, failures: [...report.failures, ...doubts] };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
