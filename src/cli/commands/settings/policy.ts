import { type Arguments, type Option, UsageError } from '../../arguments.ts';
import type { Group, Invocation } from '../../command.ts';
import { type Column, at } from '../../output.ts';

const SWITCH = ['on', 'off'] as const;
const STATUS: Option = { type: 'string', value: 'on|off', about: 'Whether it is on' };

const COLUMNS: readonly Column[] = [
  ['Retention', (policies) => onOff(policies, 'retentionPolicy')],
  ['Retention days', 'retentionPolicy.days'],
  [
    'Retention of',
    (policies) =>
      at(policies, 'retentionPolicy.dockerMediaTypesOnly') === true
        ? "Docker's media types alone"
        : 'all media types',
  ],
  ['Retention changed', 'retentionPolicy.lastUpdatedTime'],
  ['Soft delete', (policies) => onOff(policies, 'softDeletePolicy')],
  ['Soft delete days', 'softDeletePolicy.retentionDays'],
  ['Soft delete changed', 'softDeletePolicy.lastUpdatedTime'],
  ['Quarantine', (policies) => onOff(policies, 'quarantinePolicy')],
];

export const policy: Group = {
  name: 'policy',
  about: 'What the registry does about content by itself.',
  commands: [
    {
      name: 'show',
      about: 'Show the policies.',
      examples: ['functionary policy show'],
      run: async ({ api, print }) => print(policiesOf(await (await api()).call('GET', '.')), COLUMNS),
    },
    {
      name: 'retention',
      about: 'Delete manifests some days after they lost their last tag.',
      options: {
        days: { type: 'string', value: '0-365', about: 'How long they are kept' },
        status: STATUS,
        'docker-only': { type: 'boolean', about: "Docker's media types alone, as ACR does" },
        'all-media-types': { type: 'boolean', about: 'All media types' },
      },
      examples: [
        'functionary policy retention --days 30 --status on',
        'functionary policy retention --docker-only',
      ],
      run: async (invocation) =>
        await change(invocation, 'retentionPolicy', {
          ...readDays(invocation.arguments, 'days'),
          ...readMediaTypes(invocation.arguments),
        }),
    },
    {
      name: 'soft-delete',
      about: 'Keep what is deleted for some days, so that it can be restored.',
      options: { days: { type: 'string', value: '1-90', about: 'How long it is kept' }, status: STATUS },
      examples: ['functionary policy soft-delete --days 14 --status on'],
      run: async (invocation) =>
        await change(invocation, 'softDeletePolicy', readDays(invocation.arguments, 'retentionDays')),
    },
    {
      name: 'quarantine',
      about: 'Hide what is pushed until a scanner passes it.',
      options: { status: STATUS },
      examples: ['functionary policy quarantine --status on'],
      run: async (invocation) => await change(invocation, 'quarantinePolicy', {}),
    },
  ],
};

async function change(
  { api, print, arguments: given }: Invocation,
  name: string,
  others: Readonly<Record<string, unknown>>,
): Promise<void> {
  const status = given.choice('status', SWITCH);
  const changed = { ...others, ...(status && { status: status === 'on' ? 'enabled' : 'disabled' }) };
  if (Object.keys(changed).length === 0) throw new UsageError('there is nothing to change');
  const body = { properties: { policies: { [name]: changed } } };
  print(policiesOf(await (await api()).call('PATCH', '.', body)), COLUMNS);
}

function readDays(given: Arguments, property: string): Readonly<Record<string, number>> {
  const text = given.text('days');
  if (text === undefined) return {};
  if (!/^\d{1,4}$/.test(text)) throw new UsageError(`--days must be a whole number, not "${text}"`);
  return { [property]: Number(text) };
}

function readMediaTypes(given: Arguments): { readonly dockerMediaTypesOnly?: boolean } {
  const [docker, all] = [given.flag('docker-only'), given.flag('all-media-types')];
  if (docker && all) throw new UsageError('--docker-only and --all-media-types cannot be together');
  return docker || all ? { dockerMediaTypesOnly: docker } : {};
}

function policiesOf(registry: unknown): unknown {
  return at(registry, 'properties.policies');
}

function onOff(policies: unknown, name: string): string {
  return at(policies, `${name}.status`) === 'enabled' ? 'on' : 'off';
}
