import type { Cell } from '../clients/table.ts';
import type { Row } from './rows/row.ts';

/** What became of one line in one set-up. */
export type Outcome = { readonly row: Row; readonly mode: string; readonly cell: Cell };

/**
 * A Markdown table: a line per command, in their order, with all that it must do. One word where every set-up and every
 * check gave the same, else what failed; what was said about failures follows below.
 */
export function renderOutcomes(version: string, outcomes: readonly Outcome[]): string {
  const commands = Map.groupBy(outcomes, ({ row }) => row.command);
  const lines = [...commands].map(([command, own]) => {
    const whats = [...new Set(own.map(({ row }) => row.what))];
    const failed = own.filter(({ cell }) => cell.result !== 'ok');
    const result = failed.length === 0 ? 'ok' : failed.map(({ mode, row }) => `FAILED ${mode}: ${row.what}`);
    return `| \`${command}\` | ${whats.join('; ')} | ${[result].flat().join('; ')} |`;
  });
  const reasons = outcomes.flatMap(({ row, mode, cell }) =>
    cell.result === 'FAILED'
      ? ['', `### ${mode}: ${row.command}: ${row.what}`, '', '```', cell.reason, '```']
      : [],
  );
  return [`| az acr, ${version} | what is checked | |`, '|---|---|---|', ...lines, ...reasons, ''].join('\n');
}
