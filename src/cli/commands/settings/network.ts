import { oneOf } from '../../arguments.ts';
import type { Group } from '../../command.ts';
import { type Column, at, listAt, textAt } from '../../output.ts';

const COLUMNS: readonly Column[] = [
  [
    'Public network access',
    (registry) => (textAt(registry, 'properties.publicNetworkAccess') === 'Enabled' ? 'on' : 'off'),
  ],
  [
    'Addresses not named',
    (registry) => textAt(registry, 'properties.networkRuleSet.defaultAction').toLowerCase(),
  ],
  ['Allowed', rangesOf],
];

export const network: Group = {
  name: 'network',
  about: 'Which addresses may reach the registry.',
  commands: [
    {
      name: 'show',
      about: 'Show the rules.',
      examples: ['functionary network show'],
      run: async ({ api, print }) => print(await (await api()).call('GET', '.'), COLUMNS),
    },
    {
      name: 'allow',
      about: 'Add IPv4 or IPv6 addresses or CIDR ranges to those that are allowed.',
      operands: ['range...'],
      examples: ['functionary network allow 203.0.113.0/24 2001:db8::/32'],
      run: async ({ api, print, arguments: given }) => {
        const client = await api();
        const current = rangesOf(await client.call('GET', '.'));
        const ranges = [...new Set([...current, ...given.operands('range')])];
        print(await client.call('PATCH', '.', rules(ranges)), COLUMNS);
      },
    },
    {
      name: 'deny',
      about: 'Take addresses or ranges out of those that are allowed.',
      operands: ['range...'],
      examples: ['functionary network deny 203.0.113.0/24'],
      run: async ({ api, print, arguments: given }) => {
        const client = await api();
        const current = rangesOf(await client.call('GET', '.'));
        const ranges = current.filter((range) => !given.operands('range').includes(range));
        print(await client.call('PATCH', '.', rules(ranges)), COLUMNS);
      },
    },
    {
      name: 'default',
      about: 'Say what happens to addresses that no rule names.',
      operands: ['allow|deny'],
      examples: ['functionary network default deny'],
      run: async ({ api, print, arguments: given }) => {
        const action = oneOf('the default', given.operand('allow|deny'), ['Allow', 'Deny']);
        const body = { properties: { networkRuleSet: { defaultAction: action } } };
        print(await (await api()).call('PATCH', '.', body), COLUMNS);
      },
    },
  ],
};

function rules(ranges: readonly string[]): unknown {
  return { properties: { networkRuleSet: { ipRules: ranges.map((value) => ({ action: 'Allow', value })) } } };
}

function rangesOf(registry: unknown): readonly string[] {
  return listAt(registry, 'properties.networkRuleSet.ipRules').map((rule) => String(at(rule, 'value')));
}
