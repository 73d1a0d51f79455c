import { type Arguments, type Option, CommandError, UsageError } from '../../arguments.ts';
import type { Group, Invocation } from '../../command.ts';
import { type Column, at, listAt, plain, textAt } from '../../output.ts';
import { inParts, readNumber, reasonOf } from './options.ts';

const PATH = './lifecyclePolicies/default';
const STATES = ['tagged', 'untagged', 'any'] as const;
const PATTERN: Omit<Option, 'about'> = { type: 'string', multiple: true, value: 'pattern' };

const RULE_COLUMNS: readonly Column[] = [
  ['Rule', 'name'],
  ['Repositories', 'repositories'],
  ['State', 'state'],
  ['Tags', (rule) => (at(rule, 'state') === 'untagged' ? '' : at(rule, 'tags'))],
  ['Except', 'exceptTags'],
  ['Older than days', 'olderThanDays'],
  ['Not pulled for days', 'notPulledForDays'],
  ['Keep', 'keep'],
];
const DELETED_COLUMNS: readonly Column[] = [
  ['Rule', 'rule'],
  ['What', 'what'],
];

export const lifecycle: Group = {
  name: 'lifecycle',
  about: 'Rules by which tags and manifests are deleted every day.',
  commands: [
    {
      name: 'show',
      about: 'Show the rules.',
      examples: ['functionary lifecycle show'],
      run: async (invocation) => printRules(invocation, await readRules(invocation)),
    },
    {
      name: 'set',
      about: 'Add a rule, or replace the one of its name.',
      operands: ['rule'],
      options: {
        repository: { ...PATTERN, about: "Repositories; '*' stands for any text, '?' for one character" },
        state: { type: 'string', value: 'tagged|untagged|any', about: 'What it matches; tagged unless told' },
        tag: { ...PATTERN, about: 'Tags; all unless told' },
        'except-tag': { ...PATTERN, about: 'Tags that it leaves alone' },
        'older-than': {
          type: 'string',
          value: 'days',
          about: 'Only what was pushed or untagged so long ago',
        },
        'not-pulled-for': {
          type: 'string',
          value: 'days',
          about: 'Only what nobody pulled or pushed for so long',
        },
        keep: { type: 'string', value: 'number', about: 'Newest matches to keep in each repository' },
      },
      examples: [
        "functionary lifecycle set builds --repository 'team/*' --tag 'pr-*' --older-than 30 --keep 3",
        "functionary lifecycle set dangling --repository '*' --state untagged --older-than 7",
        "functionary lifecycle set unused --repository '*' --except-tag latest --not-pulled-for 180",
      ],
      run: async (invocation) => {
        const rule = readRule(invocation.arguments);
        const others = (await readRules(invocation)).filter((other) => !isCalled(other, rule.name));
        await writeRules(invocation, [...others, rule]);
      },
    },
    {
      name: 'remove',
      about: 'Remove a rule.',
      operands: ['rule'],
      examples: ['functionary lifecycle remove builds'],
      run: async (invocation) => {
        const name = invocation.arguments.operand('rule');
        const rules = await readRules(invocation);
        const others = rules.filter((rule) => !isCalled(rule, name));
        if (others.length === rules.length) throw new CommandError(`there is no rule ${name}`);
        await writeRules(invocation, others);
      },
    },
    {
      name: 'preview',
      about: 'Show what the rules would delete now.',
      examples: ['functionary lifecycle preview', 'functionary lifecycle preview --output json'],
      run: async (invocation) => await act(invocation, 'preview'),
    },
    {
      name: 'run',
      about: 'Delete now what the rules would delete tonight.',
      examples: ['functionary lifecycle run'],
      run: async (invocation) => await act(invocation, 'run'),
    },
  ],
};

function readRule(given: Arguments) {
  const repositories = given.texts('repository');
  if (!repositories) throw new UsageError('--repository is missing');
  const [tags, exceptTags] = [given.texts('tag'), given.texts('except-tag')];
  const olderThanDays = readNumber(given, 'older-than');
  const notPulledForDays = readNumber(given, 'not-pulled-for');
  const keep = readNumber(given, 'keep');
  return {
    name: given.operand('rule'),
    repositories,
    state: given.choice('state', STATES) ?? 'tagged',
    ...(tags && { tags }),
    ...(exceptTags && { exceptTags }),
    ...(olderThanDays !== undefined && { olderThanDays }),
    ...(notPulledForDays !== undefined && { notPulledForDays }),
    ...(keep !== undefined && { keep }),
  };
}

async function readRules({ api }: Invocation): Promise<readonly unknown[]> {
  return listAt(await (await api()).call('GET', PATH), 'properties.rules');
}

async function writeRules(invocation: Invocation, rules: readonly unknown[]): Promise<void> {
  const written = await (await invocation.api()).call('PUT', PATH, { properties: { rules } });
  printRules(invocation, listAt(written, 'properties.rules'));
}

function printRules({ print }: Invocation, rules: readonly unknown[]): void {
  print(rules, RULE_COLUMNS);
}

async function act({ api, print, surroundings }: Invocation, what: 'preview' | 'run'): Promise<void> {
  const deleted: unknown[] = [];
  for await (const part of inParts(await api(), `${PATH}/${what}`, {})) {
    for (const rule of listAt(part, 'rules')) {
      const items = [...listAt(rule, 'tags'), ...listAt(rule, 'manifests')];
      deleted.push(...items.map((item) => ({ rule: textAt(rule, 'name'), what: item })));
    }
    for (const left of listAt(part, 'left')) {
      const why = reasonOf(textAt(left, 'reason'));
      surroundings.err(`Skipped ${plain(textAt(left, 'repository'))}: ${why}.\n`);
    }
  }
  print(deleted, DELETED_COLUMNS);
}

/** Names of rules compare without case. */
function isCalled(rule: unknown, name: string): boolean {
  return textAt(rule, 'name').toLowerCase() === name.toLowerCase();
}
