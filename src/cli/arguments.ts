import { parseArgs } from 'node:util';

/** The command was called wrongly: exit code 2. */
export class UsageError extends Error {}

/** What was asked for could not be done: exit code 1. */
export class CommandError extends Error {}

export interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  /** Stands for the value in help. */
  readonly value?: string;
  readonly about: string;
}

const OUTPUT: Option = {
  type: 'string',
  short: 'o',
  value: 'table|json',
  about: 'How to print; table unless told',
};
const HELP: Option = { type: 'boolean', short: 'h', about: 'Show this help' };
export const COMMON_OPTIONS: Readonly<Record<string, Option>> = { output: OUTPUT, help: HELP };

/** What may follow a command's name. */
export interface Syntax {
  /** Required arguments in order; a last one that ends with `...` takes all that is left, at least one. */
  readonly operands?: readonly string[];
  readonly options?: Readonly<Record<string, Option>>;
}

/** A command's arguments, read by name. */
export class Arguments {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #operands: Readonly<Record<string, readonly string[]>>;

  constructor(
    values: Readonly<Record<string, unknown>>,
    operands: Readonly<Record<string, readonly string[]>>,
  ) {
    this.#values = values;
    this.#operands = operands;
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  /** Values of an option that may be repeated; undefined when it was not given. */
  texts(name: string): readonly string[] | undefined {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map(String) : undefined;
  }

  /** One of a few words. Throws UsageError. */
  choice<T extends string>(name: string, words: readonly T[]): T | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : oneOf(`--${name}`, text, words);
  }

  operand(name: string): string {
    return this.#operands[name]?.[0] ?? '';
  }

  operands(name: string): readonly string[] {
    return this.#operands[name] ?? [];
  }
}

/** `text` as one of `words`. Throws UsageError. */
export function oneOf<T extends string>(what: string, text: string, words: readonly T[]): T {
  const found = words.find((word) => word.toLowerCase() === text.toLowerCase());
  if (found === undefined) throw new UsageError(`${what} must be ${words.join(' or ')}, not "${text}"`);
  return found;
}

/** Reads the words after a command's name. Throws UsageError for what it does not know or misses. */
export function parseArguments(command: Syntax, words: readonly string[]): Arguments {
  const options = { ...command.options, ...COMMON_OPTIONS };
  const parsed = parse(words, options);
  if (parsed.values['help'] === true) return new Arguments(parsed.values, {});
  const names = command.operands ?? [];
  const rest = [...parsed.positionals];
  const operands = names.map((name) => {
    const taken = name.endsWith('...') ? rest.splice(0) : rest.splice(0, 1);
    if (taken.length === 0) throw new UsageError(`${placeholder(name)} is missing`);
    return [name.replace('...', ''), taken] as const;
  });
  if (rest.length > 0) throw new UsageError(`there is no argument "${rest[0]}"`);
  return new Arguments(parsed.values, Object.fromEntries(operands));
}

function parse(words: readonly string[], options: Readonly<Record<string, Option>>) {
  const config = Object.fromEntries(
    Object.entries(options).map(([name, { type, short, multiple = false }]) => [
      name,
      { type, multiple, ...(short !== undefined && { short }) },
    ]),
  );
  try {
    return parseArgs({ args: [...words], options: config, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** How an operand looks in help: `<name>`. */
export function placeholder(operand: string): string {
  return operand.endsWith('...') ? `<${operand.slice(0, -3)}>...` : `<${operand}>`;
}
