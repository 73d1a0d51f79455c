import type { Group } from '../../command.ts';
import { type Column, at } from '../../output.ts';
import { PURGE_OPTIONS, readPurgeOptions } from './options.ts';

const COLUMNS: readonly Column[] = [
  ['Name', 'name'],
  ['Schedule', 'properties.schedule'],
  ['Status', 'properties.status'],
  ['Next run', 'properties.nextRunTime'],
  ['Filters', 'properties.options.filters'],
  ['Ago', 'properties.options.ago'],
  ['Keep', 'properties.options.keep'],
  ['Besides', (schedule) => flagsOf(at(schedule, 'properties.options'))],
];

export const purgeSchedule: Group = {
  name: 'purge-schedule',
  about: 'Purges that run by themselves.',
  commands: [
    {
      name: 'list',
      about: 'List the schedules.',
      examples: ['functionary purge-schedule list'],
      run: async ({ api, print }) => print(await (await api()).list('./purgeSchedules'), COLUMNS),
    },
    {
      name: 'set',
      about: 'Make a schedule, or replace it.',
      operands: ['schedule'],
      options: {
        cron: { type: 'string', value: "'0 1 * * *'", about: 'When, in five cron fields and UTC' },
        disabled: { type: 'boolean', about: 'Do not run for now' },
        ...PURGE_OPTIONS,
      },
      examples: [
        "functionary purge-schedule set nightly --cron '0 1 * * *' --filter 'team/.*:^pr-' --ago 7d --untagged",
      ],
      run: async ({ api, print, arguments: given }) => {
        const properties = {
          ...(given.text('cron') !== undefined && { schedule: given.text('cron') }),
          status: given.flag('disabled') ? 'Disabled' : 'Enabled',
          options: readPurgeOptions(given),
        };
        const path = `./purgeSchedules/${encodeURIComponent(given.operand('schedule'))}`;
        print(await (await api()).call('PUT', path, { properties }), COLUMNS);
      },
    },
    {
      name: 'delete',
      about: 'Delete a schedule.',
      operands: ['schedule'],
      examples: ['functionary purge-schedule delete nightly'],
      run: async ({ api, surroundings, arguments: given }) => {
        const name = given.operand('schedule');
        await (await api()).remove(`./purgeSchedules/${encodeURIComponent(name)}`);
        surroundings.err(`The schedule ${name} is gone.\n`);
      },
    },
  ],
};

/** The options that are on, as they are called here. */
function flagsOf(options: unknown): readonly string[] {
  const flags = { untagged: 'untagged', untaggedOnly: 'untagged-only', includeLocked: 'include-locked' };
  return Object.entries(flags).flatMap(([key, name]) => (at(options, key) === true ? name : []));
}
