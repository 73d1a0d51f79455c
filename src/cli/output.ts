/** Where a column's text comes from: a path such as `properties.status`, or a function. */
export type Column = readonly [title: string, from: string | ((value: unknown) => unknown)];

/** Prints a result: its JSON as it is, or the columns of it. A list has one line each, a single thing one line per column. */
export type Printer = (value: unknown, columns: readonly Column[]) => void;

/** A printer of one of the two forms. */
export function createPrinter(form: 'table' | 'json', out: (text: string) => void): Printer {
  return (value, columns) => {
    if (form === 'json') out(`${JSON.stringify(value, undefined, 2)}\n`);
    else out(Array.isArray(value) ? table(value, columns) : details(value, columns));
  };
}

/** The value at a path of an answer; undefined where there is none. */
export function at(value: unknown, path: string): unknown {
  let found = value;
  for (const key of path.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined;
    found = Object.getOwnPropertyDescriptor(found, key)?.value;
  }
  return found;
}

/** The text at a path, empty where there is none. */
export function textAt(value: unknown, path: string): string {
  const found = at(value, path);
  return typeof found === 'string' ? found : '';
}

/** The list at a path, empty where there is none. */
export function listAt(value: unknown, path: string): readonly unknown[] {
  const found = at(value, path);
  return Array.isArray(found) ? found : [];
}

/** The last part of an ARM id. */
export function lastPart(id: string): string {
  return id.slice(id.lastIndexOf('/') + 1);
}

function table(rows: readonly unknown[], columns: readonly Column[]): string {
  const lines = [
    columns.map(([title]) => title),
    ...rows.map((row) => columns.map((column) => cell(row, column))),
  ];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  return lines
    .map(
      (line) =>
        `${line
          .map((text, i) => text.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

function details(value: unknown, columns: readonly Column[]): string {
  const width = Math.max(...columns.map(([title]) => title.length));
  return columns
    .map((column) => `${column[0].padEnd(width)}  ${cell(value, column)}`.trimEnd() + '\n')
    .join('');
}

function cell(value: unknown, [, from]: Column): string {
  return plain(typeof from === 'string' ? at(value, from) : from(value));
}

/** One line that cannot steer the terminal, whatever a server says. */
export function plain(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (Array.isArray(value)) return value.map(plain).join(', ');
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.replace(/[\p{Cc}\p{Cf}]/gu, ' ');
}
