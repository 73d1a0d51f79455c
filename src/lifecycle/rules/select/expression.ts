import { createContext, Script } from 'node:vm';
import { Problem } from '../../../model/problem.ts';

/** Tells of each text whether an expression is found in it. Throws REQUEST_INVALID when that takes too long. */
export type Matcher = (texts: readonly string[]) => readonly boolean[];

const LENGTH_LIMIT = 1000;
/** What RE2 does without, since it cannot be done in linear time: looking around, and referring back. */
const BACKTRACKS = /\(\?(?:[=!]|<[=!])|\\(?:[1-9]|k<)/;
/** How long all texts of one call may take an expression that RE2 does without. */
const TIMEOUT_MS = 1000;
const SEARCH = new Script('texts.map((text) => expression.test(text))');

/**
 * A matcher for a regular expression in RE2's syntax, which is Go's, in time linear in the text, whatever the
 * expression; so nobody can make the registry think for ever. What looks around or refers back, which `acr purge` takes
 * as well, is JavaScript's, and given up after a second, as `acr purge` does after a minute. Throws REQUEST_INVALID.
 * The engine is loaded when it is first used: few instances ever need it.
 */
export async function compileExpression(source: string): Promise<Matcher> {
  if (source.length > LENGTH_LIMIT) throw wrong(source, `it is longer than ${LENGTH_LIMIT} characters`);
  const { RE2JS, RE2JSException } = await import('re2js');
  try {
    const expression = RE2JS.compile(source);
    return (texts) => texts.map((text) => expression.test(text));
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    if (!BACKTRACKS.test(source)) throw wrong(source, error.message);
  }
  return backtracking(source);
}

function backtracking(source: string): Matcher {
  const [, flags = '', rest = ''] = /^(?:\(\?([ims]+)\))?(.*)$/s.exec(source) ?? [];
  let expression: RegExp;
  try {
    expression = new RegExp(rest, [...new Set(flags)].join(''));
  } catch (error) {
    throw wrong(source, String(error));
  }
  return (texts) => {
    try {
      // The one way to stop an expression from without; nothing that a client sent is run as a program.
      const found: unknown = SEARCH.runInContext(createContext({ expression, texts }), {
        timeout: TIMEOUT_MS,
      });
      return Array.isArray(found) ? found.map(Boolean) : [];
    } catch (error) {
      throw wrong(source, error instanceof Error ? error.message : String(error));
    }
  };
}

function wrong(source: string, why: string): Problem {
  const shown = source.length > 100 ? `${source.slice(0, 100)}…` : source;
  return new Problem('REQUEST_INVALID', undefined, {
    message: `The expression '${shown}' cannot be used: ${why}.`,
  });
}
