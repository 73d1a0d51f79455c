import { type Action, isPattern } from '../../access/permission.ts';
import { ArmProblem } from '../arm.ts';

/** Azure's data actions on repositories → ours. */
const DATA_ACTIONS: Readonly<Record<string, Action>> = {
  'content/read': 'pull',
  'content/write': 'push',
  'content/delete': 'delete',
  'metadata/read': 'metadata_read',
  'metadata/write': 'metadata_write',
};
const TOKEN =
  /\s*(?:(?<mark>[()!]|&&|\|\|)|(?<word>AND\b|OR\b|NOT\b)|ActionMatches\s*\{\s*'(?<action>[^']*)'\s*\}|@(?:Request|Resource)\s*\[\s*(?<attribute>[^\]]*?)\s*\]\s*(?<operator>[A-Za-z:]+)\s*(?:'(?<text>[^']*)'|\{(?<texts>[^}]*)\}))/iy;
const LENGTH_LIMIT = 8 * 1024;
const DEPTH_LIMIT = 50;

/** A condition as it was written, without parentheses. */
type Expression =
  | { readonly kind: 'or' | 'and'; readonly parts: readonly Expression[] }
  | { readonly kind: 'not'; readonly part: Expression }
  | { readonly kind: 'action'; readonly action: string }
  | { readonly kind: 'names'; readonly patterns: readonly string[] };

type Token =
  | { readonly mark: string }
  | { readonly action: string }
  | { readonly attribute: string; readonly operator: string; readonly texts: readonly string[] };

/**
 * Reads a condition of a role assignment into the patterns of the repositories it allows. Understood is the form that
 * ACR documents (ACR features section 4): the actions of the role do not match, or `repositories:name` equals a name or
 * starts with a prefix that ends with `/`. Everything else throws REQUEST_INVALID with the reason: to guess at what
 * an administrator meant would give away repositories.
 */
export function parseCondition(text: string, roleActions: readonly Action[]): readonly string[] {
  if (text.length > LENGTH_LIMIT) throw refused(`it is longer than ${LENGTH_LIMIT} characters`);
  const alternatives = parse(tokenize(text));
  const parts = alternatives.kind === 'or' ? alternatives.parts : [alternatives];
  const guards = parts.filter((part) => part.kind !== 'names');
  const patterns = parts.flatMap((part) => (part.kind === 'names' ? part.patterns : []));
  if (patterns.length === 0) throw refused('it names no repository');
  if (guards.length > 1) throw refused('it has more than one list of actions');
  for (const guard of guards) checkGuard(guard, roleActions);
  return [...new Set(patterns)];
}

/** An action left out of the list would be allowed everywhere, which a role here cannot be for some of its actions. */
function checkGuard(guard: Expression, roleActions: readonly Action[]): void {
  const named = (guard.kind === 'and' ? guard.parts : [guard]).map((part) => {
    if (part.kind === 'not' && part.part.kind === 'action') return part.part.action;
    throw refused('beside repository names it may only hold !(ActionMatches{…}), joined by AND');
  });
  const actions = named.map((action) => {
    const suffix = /^Microsoft\.ContainerRegistry\/registries\/repositories\/(.+)$/i.exec(action)?.[1] ?? '';
    const known = DATA_ACTIONS[suffix.toLowerCase()];
    if (!known) throw refused(`'${action.slice(0, 200)}' is not an action on repositories`);
    return known;
  });
  const missing = Object.keys(DATA_ACTIONS).filter((suffix) => {
    const action = DATA_ACTIONS[suffix];
    return action && roleActions.includes(action) && !actions.includes(action);
  });
  if (missing.length > 0)
    throw refused(`it must cover every action of the role; ${missing.join(', ')} is missing`);
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const scanner = new RegExp(TOKEN);
  for (let at = 0; text.slice(at).trim() !== ''; at = scanner.lastIndex) {
    scanner.lastIndex = at;
    const groups = scanner.exec(text)?.groups;
    if (!groups) throw refused(`it cannot be read at '${text.slice(at).trim().slice(0, 60)}'`);
    tokens.push(toToken(groups));
  }
  return tokens;
}

function toToken(groups: Readonly<Record<string, string | undefined>>): Token {
  const { mark, word, action, attribute = '', operator = '', text, texts = '' } = groups;
  if (mark !== undefined) return { mark: mark === '&&' ? 'AND' : mark === '||' ? 'OR' : mark };
  if (word !== undefined) return { mark: word.toUpperCase() === 'NOT' ? '!' : word.toUpperCase() };
  if (action !== undefined) return { action };
  const list = text === undefined ? Array.from(texts.matchAll(/'([^']*)'/g), ([, one = '']) => one) : [text];
  return { attribute, operator, texts: list };
}

/** Recursive descent; AND binds tighter than OR. */
function parse(tokens: readonly Token[]): Expression {
  let next = 0;
  let depth = 0;
  const take = (mark: string): boolean => {
    const token = tokens[next];
    const found = token !== undefined && 'mark' in token && token.mark === mark;
    if (found) next += 1;
    return found;
  };
  const joined = (kind: 'or' | 'and', mark: string, operand: () => Expression): Expression => {
    const parts = [operand()];
    while (take(mark)) parts.push(operand());
    const flat = parts.flatMap((part) => (part.kind === kind ? part.parts : [part]));
    const [only] = flat;
    return only && flat.length === 1 ? only : { kind, parts: flat };
  };
  const disjunction = (): Expression => joined('or', 'OR', () => joined('and', 'AND', unary));
  const unary = (): Expression => {
    if (take('!')) return { kind: 'not', part: nested(unary) };
    if (take('(')) {
      const inner = nested(disjunction);
      if (!take(')')) throw refused('a parenthesis is not closed');
      return inner;
    }
    const token = tokens[next];
    next += 1;
    if (token && 'action' in token) return { kind: 'action', action: token.action };
    if (token && 'attribute' in token) return { kind: 'names', patterns: patternsOf(token) };
    throw refused('it is not complete');
  };
  const nested = (inner: () => Expression): Expression => {
    depth += 1;
    if (depth > DEPTH_LIMIT) throw refused('it is nested too deeply');
    const expression = inner();
    depth -= 1;
    return expression;
  };
  const whole = disjunction();
  if (next < tokens.length) throw refused('something follows after its end');
  return whole;
}

function patternsOf({
  attribute,
  operator,
  texts,
}: Extract<Token, { attribute: string }>): readonly string[] {
  if (attribute.toLowerCase() !== 'microsoft.containerregistry/registries/repositories:name')
    throw refused(`'${attribute.slice(0, 200)}' is not the name of a repository`);
  const [, comparison = ''] = /^(?:ForAnyOfAnyValues:)?(\w+)$/i.exec(operator) ?? [];
  // Repository names are lower-case, so that ignoring case means to compare in lower case.
  const names = texts.map((text) => text.toLowerCase());
  if (comparison.toLowerCase() === 'stringequalsignorecase')
    return names.map((name) => checkPattern(name, name));
  if (comparison.toLowerCase() !== 'stringstartswithignorecase')
    throw refused(`of operators only StringEqualsIgnoreCase and StringStartsWithIgnoreCase are known`);
  return names.map((prefix) => {
    if (!prefix.endsWith('/')) throw refused(`the prefix '${prefix.slice(0, 300)}' must end with '/'`);
    return checkPattern(`${prefix}*`, prefix);
  });
}

function checkPattern(pattern: string, given: string): string {
  if (pattern !== '*' && isPattern(pattern) && pattern.endsWith('/*') === given.endsWith('/')) return pattern;
  throw refused(`'${given.slice(0, 300)}' is not the name of a repository`);
}

function refused(reason: string): ArmProblem {
  return new ArmProblem(
    'REQUEST_INVALID',
    'InvalidRoleAssignmentCondition',
    `The condition is not supported: ${reason}.`,
  );
}
