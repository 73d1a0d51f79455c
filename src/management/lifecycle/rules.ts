import type { LifecycleRule } from '../../model/policy/lifecycle.ts';
import { invalid } from '../arm.ts';
import { type Fields, needed } from '../body.ts';

const RULES = 100;
const PATTERNS = 100;
const DAYS = 36_500;
const KEEP = 1_000_000;
const STATES = ['tagged', 'untagged', 'any'] as const;
const PROPERTIES = [
  'name',
  'repositories',
  'state',
  'tags',
  'exceptTags',
  'olderThanDays',
  'notPulledForDays',
  'keep',
] as const;

/** Reads the rules of a lifecycle policy. Throws REQUEST_INVALID. */
export function readRules(fields: Fields): readonly LifecycleRule[] {
  const rules = needed(fields.objects('rules'), 'properties.rules').map(readRule);
  if (rules.length > RULES) throw invalid(`A lifecycle policy has at most ${RULES} rules.`);
  const names = rules.map(({ name }) => name.toLowerCase());
  const twice = rules.find(({ name }, i) => names.indexOf(name.toLowerCase()) < i);
  if (twice) throw invalid(`Two rules are called '${twice.name}'.`);
  return rules;
}

function readRule(fields: Fields): LifecycleRule {
  const name = needed(fields.only(...PROPERTIES).text('name'), 'name');
  if (!/^[A-Za-z0-9][\w.-]{0,49}$/.test(name)) {
    throw invalid(
      `'${name.slice(0, 100)}' is no name of a rule: it has 1 to 50 letters, digits, '-', '_' and '.'.`,
    );
  }
  const state = fields.choice('state', STATES) ?? 'tagged';
  const [tags, exceptTags] = [fields.texts('tags') ?? ['*'], fields.texts('exceptTags') ?? []];
  if (state === 'untagged' && (tags.join(' ') !== '*' || exceptTags.length > 0)) {
    throw invalid(`The rule '${name}' is of manifests without tags, and cannot name any.`);
  }
  const olderThanDays = fields.whole('olderThanDays', 0, DAYS);
  const notPulledForDays = fields.whole('notPulledForDays', 1, DAYS);
  const keep = fields.whole('keep', 0, KEEP);
  if ((olderThanDays ?? notPulledForDays ?? keep) === undefined) {
    throw invalid(`The rule '${name}' needs 'olderThanDays', 'notPulledForDays' or 'keep'.`);
  }
  return {
    name,
    repositories: checkPatterns(needed(fields.texts('repositories'), 'repositories'), name),
    state,
    tags: checkPatterns(tags, name),
    exceptTags: checkPatterns(exceptTags, name),
    ...(olderThanDays !== undefined && { olderThanDays }),
    ...(notPulledForDays !== undefined && { notPulledForDays }),
    ...(keep !== undefined && { keep }),
  };
}

function checkPatterns(patterns: readonly string[], rule: string): readonly string[] {
  if (patterns.length > PATTERNS) throw invalid(`The rule '${rule}' has more than ${PATTERNS} patterns.`);
  const wrong = patterns.find((pattern) => !/^[\w./*?-]{1,255}$/.test(pattern));
  if (wrong === undefined) return patterns;
  throw invalid(
    `'${wrong.slice(0, 100)}' is no pattern: it is made of the characters of names, '*' for any text and '?' for one character.`,
  );
}
