import type { Cell } from '../clients/table.ts';
import type { Row } from './rows/row.ts';

/** What became of one line in one set-up. */
export type Outcome = { readonly row: Row; readonly mode: string; readonly cell: Cell };

/**
 * A Markdown table of all lines in their order. One word where every set-up gave the same, else each one's own; what
 * was said about failures follows below.
 */
export function renderOutcomes(version: string, outcomes: readonly Outcome[]): string {
  const rows = [...new Set(outcomes.map(({ row }) => row))];
  const lines = rows.map((row) => {
    const own = outcomes.filter((outcome) => outcome.row === row);
    const words = new Set(own.map(({ cell }) => cell.result));
    const result =
      words.size === 1
        ? [...words].join('')
        : own.map(({ mode, cell }) => `${mode}: ${cell.result}`).join(', ');
    return `| \`${row.command}\` | ${row.what} | ${result} |`;
  });
  const reasons = outcomes.flatMap(({ row, mode, cell }) =>
    cell.result === 'FAILED'
      ? ['', `### ${mode}: ${row.command}: ${row.what}`, '', '```', cell.reason, '```']
      : [],
  );
  return [`| az acr, ${version} | | |`, '|---|---|---|', ...lines, ...reasons, ''].join('\n');
}
