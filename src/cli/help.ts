import { COMMON_OPTIONS, type Option, placeholder } from './arguments.ts';
import type { Command, Group } from './command.ts';

/** Help of the whole program. */
export function programHelp(entries: readonly (Command | Group)[]): string {
  return text(
    'Manage a Functionary registry.',
    ['Usage', ['functionary <command> [arguments] [--output table|json]']],
    ['Commands', columns(entries.map(({ name, about }) => [name, about]))],
    [
      'Examples',
      [
        'functionary login registry.example.com --username myregistry',
        'functionary token create ci --scope-map _repositories_push',
        'functionary scope-map --help',
      ],
    ],
    [
      'Exit codes',
      columns([
        ['0', 'done'],
        ['1', 'refused by the registry, or it could not be reached'],
        ['2', 'called wrongly'],
      ]),
    ],
  );
}

/** Help of a group of commands. */
export function groupHelp({ name, about, commands }: Group): string {
  return text(
    about,
    ['Usage', [`functionary ${name} <command> [arguments]`]],
    ['Commands', columns(commands.map((command) => [signature(command), command.about]))],
    ['Examples', commands.flatMap(({ examples }) => examples.slice(0, 1))],
  );
}

/** Help of one command; `path` is what comes before its arguments. */
export function commandHelp(path: string, command: Command): string {
  const options = Object.entries({ ...command.options, ...COMMON_OPTIONS });
  const operands = (command.operands ?? []).map(placeholder).join(' ');
  return text(
    command.about,
    ['Usage', [`functionary ${path} ${operands}`.trimEnd() + ' [options]']],
    ['Options', columns(options.map(([name, option]) => [optionText(name, option), option.about]))],
    ['Examples', command.examples],
  );
}

function signature({ name, operands = [] }: Command): string {
  return [name, ...operands.map(placeholder)].join(' ');
}

function optionText(name: string, { short, value, type, multiple }: Option): string {
  const first = short === undefined ? '    ' : `-${short}, `;
  const second = type === 'boolean' ? '' : ` <${value ?? 'text'}>`;
  return `${first}--${name}${second}${multiple ? ' ...' : ''}`;
}

function columns(rows: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `${left.padEnd(width)}  ${right}`);
}

function text(about: string, ...sections: readonly (readonly [string, readonly string[]])[]): string {
  const parts = sections.map(([title, lines]) => `${title}:\n${lines.map((line) => `  ${line}\n`).join('')}`);
  return [`${about}\n`, ...parts].join('\n');
}
