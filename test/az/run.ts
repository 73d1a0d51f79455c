import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { reasonOf, runStep } from '../clients/drive.ts';
import type { Cell } from '../clients/table.ts';
import { type Outcome, renderOutcomes } from './report.ts';
import { locks } from './rows/locks.ts';
import { manifests } from './rows/manifests.ts';
import { owners } from './rows/owner.ts';
import { policies } from './rows/policies.ts';
import { refusals } from './rows/refusals.ts';
import { repositories } from './rows/repositories.ts';
import type { Row } from './rows/row.ts';
import { type Site, atSite } from './site.ts';

const MODES = ['disk', 'azure'] as const;
type Mode = (typeof MODES)[number];

/** These touch nothing of each other's, and go side by side. */
const APART: readonly Row[] = [...owners, ...repositories, ...manifests, ...locks, ...refusals];
/** These change the registry itself, and go one by one. */
const TOGETHER: readonly Row[] = policies;
/** So many commands at once: each is busy loading itself most of the time. */
const LANES = 3;

/** Whatever else the registry answers, `az` asks for again, three times, five seconds apart (ACR wire section 10). */
const FINAL = /^(?:2\d\d|307|401|404|405|409)$/;
const ALL: Row = {
  command: 'all of them',
  what: 'get no answer that `az` would ask for again',
  run: expectFinal,
};

const HELP = `Drives the Azure CLI against a registry over https, and prints a table of what worked.

  --mode NAME   one set-up only: ${MODES.join(', ')}
  --only WORD   lines with this word only
  --az FILE     the program (.cache/az/bin/az, as test/az/setup puts it there)
  --out FILE    where the table goes (.cache/az.md)
  --keep        keep the scratch directory
`;

const repository = resolve(import.meta.dirname, '..', '..');
const { values } = parseArgs({
  options: {
    mode: { type: 'string' },
    only: { type: 'string', default: '' },
    az: { type: 'string', default: join(repository, '.cache', 'az', 'bin', 'az') },
    out: { type: 'string', default: join(repository, '.cache', 'az.md') },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) process.stdout.write(HELP);
else process.exitCode = await main();

async function main(): Promise<number> {
  const started = performance.now();
  const modes = MODES.filter((mode) => values.mode === undefined || mode === values.mode);
  if (modes.length === 0) {
    say(HELP);
    return 2;
  }
  const outcomes: Outcome[] = [];
  let version = '';
  for (const mode of modes) {
    const directory = await mkdtemp(join(tmpdir(), 'az-'));
    try {
      const options = { repository, directory, storage: mode };
      await atSite(resolve(values.az), options, async (site) => {
        version = await site.admin.version();
        outcomes.push(...(await driveAll(site, mode)));
      });
    } catch (error) {
      outcomes.push(report(mode, ALL, { result: 'FAILED', reason: reasonOf(error) }));
    } finally {
      if (!values.keep) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    }
  }
  const table = renderOutcomes(version, outcomes);
  await mkdir(dirname(values.out), { recursive: true });
  await writeFile(values.out, table);
  const failed = outcomes.filter(({ cell }) => cell.result === 'FAILED').length;
  const took = Math.round((performance.now() - started) / 1000);
  say(`\n${table}\n${took} s in all\naz: ${outcomes.length - failed} passed, ${failed} failed`);
  return failed > 0 || outcomes.length === 0 ? 1 : 0;
}

async function driveAll(site: Site, mode: Mode): Promise<Outcome[]> {
  const drive = async (row: Row): Promise<Outcome> => {
    const cell = await runStep(async () => await row.run(site));
    return report(mode, row, cell);
  };
  const outcomes = new Map<Row, Outcome>();
  const waiting = wanted(APART);
  const order = [...waiting];
  const lane = async (): Promise<void> => {
    for (let row = waiting.shift(); row; row = waiting.shift()) outcomes.set(row, await drive(row));
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  for (const row of [...wanted(TOGETHER), ALL]) {
    outcomes.set(row, await drive(row));
    order.push(row);
  }
  return order.flatMap((row) => outcomes.get(row) ?? []);
}

function wanted(rows: readonly Row[]): Row[] {
  return rows.filter(({ command, what }) => `${command} ${what}`.includes(values.only));
}

async function expectFinal(site: Site): Promise<void> {
  const others = (await site.requests()).filter((line) => !FINAL.test(line.split(' ').at(-1) ?? ''));
  if (others.length > 0) throw new Error(others.slice(0, 20).join('\n'));
}

function report(mode: Mode, row: Row, cell: Cell): Outcome {
  const detail = cell.result === 'ok' ? `${cell.milliseconds} ms` : 'reason' in cell ? cell.reason : '';
  say(`${mode}: ${row.command}: ${row.what}: ${cell.result} ${detail}`);
  return { row, mode, cell };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
