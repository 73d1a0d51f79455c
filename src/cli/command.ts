import type { Arguments, Syntax } from './arguments.ts';
import type { Api } from './client/api.ts';
import type { SessionStore } from './client/session.ts';
import type { Printer } from './output.ts';

/** What the command touches outside of itself; tests pass their own. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** All of standard input. */
  readonly readInput: () => Promise<string>;
  /** Asks a person without showing what is typed; undefined where nobody is there to ask. */
  readonly askSecret: ((question: string) => Promise<string>) | undefined;
  readonly fetch: typeof fetch;
}

/** What a command gets to work with. */
export interface Invocation {
  readonly surroundings: Surroundings;
  readonly sessions: SessionStore;
  readonly print: Printer;
  /** The registry that was signed in to. Throws CommandError when none was. */
  readonly api: () => Promise<Api>;
  readonly arguments: Arguments;
}

export interface Command extends Syntax {
  readonly name: string;
  readonly about: string;
  readonly examples: readonly string[];
  readonly run: (invocation: Invocation) => Promise<void>;
}

/** Commands under a common word. */
export interface Group {
  readonly name: string;
  readonly about: string;
  readonly commands: readonly Command[];
}
