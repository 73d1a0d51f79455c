import type { Column } from './contenders.ts';

/** One row of figures. A text instead of a number says why there is none. */
export interface Figure {
  readonly title: string;
  readonly unit: string;
  /** Whether more or less is better; decides how the ratio is taken. */
  readonly better: 'more' | 'less';
  readonly values: Readonly<Partial<Record<Column, number | string>>>;
}

const none = '–';

/** The figures as a Markdown table. A ratio above 1 always means that ours is ahead. */
export function toTable(figures: readonly Figure[]): string {
  const lines = [
    '| | unit | ours, Azurite | distribution, Azurite | ratio | ours, disk | distribution, disk | ratio | zot, disk | ratio |',
    '|---|---|--:|--:|--:|--:|--:|--:|--:|--:|',
  ];
  for (const figure of figures) {
    const { title, unit } = figure;
    const cell = (column: Column): string => toCell(figure.values[column]);
    const ratio = (ours: Column, peer: Column): string =>
      toRatio(figure.better, figure.values[ours], figure.values[peer]);
    const cells = [
      title,
      unit,
      cell('ours-azurite'),
      cell('distribution-azurite'),
      ratio('ours-azurite', 'distribution-azurite'),
      cell('ours-disk'),
      cell('distribution-disk'),
      ratio('ours-disk', 'distribution-disk'),
      cell('zot-disk'),
      ratio('ours-disk', 'zot-disk'),
    ];
    lines.push(`| ${cells.join(' | ')} |`);
  }
  return lines.join('\n');
}

function toCell(value: number | string | undefined): string {
  if (value === undefined) return none;
  if (typeof value === 'string') return value;
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en');
  return value.toPrecision(value >= 10 ? 3 : 2);
}

function toRatio(
  better: Figure['better'],
  ours: number | string | undefined,
  peer: number | string | undefined,
): string {
  if (typeof ours !== 'number' || typeof peer !== 'number') return none;
  const ratio = better === 'more' ? ours / peer : peer / ours;
  return Number.isFinite(ratio) ? `**${ratio.toPrecision(ratio >= 100 ? 3 : 2)}**` : none;
}

/** The middle of the values, the mean of the two middle ones for an even count. Throws when there is none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)];
  const high = sorted[Math.ceil((sorted.length - 1) / 2)];
  if (low === undefined || high === undefined) throw new Error('no values');
  return (low + high) / 2;
}
