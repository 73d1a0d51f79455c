/** What became of one operation of one client. */
export type Cell =
  | { readonly result: 'ok'; readonly milliseconds: number }
  /** The client has no such operation. */
  | { readonly result: 'n/a' }
  | { readonly result: 'FAILED'; readonly reason: string };

/** All operations of one client against one registry. */
export type Row = {
  /** Which registry: a word such as `azure` or `disk`. */
  readonly mode: string;
  readonly client: string;
  readonly version: string;
  /** By column. */
  readonly cells: ReadonlyMap<string, Cell>;
};

export type Totals = { readonly passed: number; readonly failed: number };

export function countCells(rows: readonly Row[]): Totals {
  const results = rows.flatMap((row) => [...row.cells.values()].map((cell) => cell.result));
  return {
    passed: results.filter((result) => result === 'ok').length,
    failed: results.filter((result) => result === 'FAILED').length,
  };
}

/**
 * One Markdown table for all modes: a line per client, a column per operation. A cell has one word when
 * every mode gave the same, else each mode's own. Reasons for what failed follow below the table.
 */
export function renderTable(rows: readonly Row[], columns: readonly string[]): string {
  const modes = [...new Set(rows.map((row) => row.mode))];
  const names = [...new Set(rows.map((row) => row.client))];
  const lines = [`| Client | ${columns.join(' | ')} |`, `|---|${'---|'.repeat(columns.length)}`];
  for (const name of names) {
    const own = rows.filter((row) => row.client === name);
    const version = own[0]?.version ?? '';
    const cells = columns.map((column) => mergeCells(own, column));
    lines.push(`| ${`${name} ${version}`.trim()} | ${cells.join(' | ')} |`);
  }
  lines.push('', `Registries: ${modes.join(', ')}. "–": the client has no such operation.`);
  for (const { mode, client, cells } of rows) {
    for (const [operation, cell] of cells) {
      if (cell.result !== 'FAILED') continue;
      lines.push('', `### ${mode}: ${client}: ${operation}`, '', '```', cell.reason, '```');
    }
  }
  return `${lines.join('\n')}\n`;
}

function mergeCells(rows: readonly Row[], column: string): string {
  const words = rows.map((row) => {
    const result = row.cells.get(column)?.result ?? 'n/a';
    return { mode: row.mode, word: result === 'n/a' ? '–' : result };
  });
  const distinct = new Set(words.map(({ word }) => word));
  if (distinct.size <= 1) return words[0]?.word ?? '–';
  return words.map(({ mode, word }) => `${mode}: ${word}`).join(', ');
}
