import { expect, test } from 'vitest';
import { mayManage, roles } from '../../src/access/roles.ts';
import { managementAccess } from '../../src/management/routes.ts';

const REGISTRY =
  '/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/registry';

function rightsOf(role: string): string[] {
  const assignment = { id: 'a', principalId: 'p', role, patterns: ['*'], created: 0 };
  return (['read', 'write', 'assign'] as const).filter((right) => mayManage([assignment], right));
}

test('a Contributor cannot make anybody an Owner, as in Azure', () => {
  const path = `${REGISTRY}/providers/Microsoft.Authorization/roleAssignments/1`;
  expect(managementAccess('PUT', path)).toBe('assign');
  expect(managementAccess('DELETE', path)).toBe('assign');
  expect(managementAccess('GET', path)).toBe('read');
  expect(managementAccess('PATCH', REGISTRY)).toBe('write');
  expect(rightsOf('Contributor')).toEqual(['read', 'write']);
});

test('only Owner, Contributor and Reader manage a registry', () => {
  const managing = Object.keys(roles).filter((role) => rightsOf(role).length > 0);
  expect(managing).toEqual(['Owner', 'Contributor', 'Reader']);
  expect(rightsOf('Owner')).toEqual(['read', 'write', 'assign']);
  expect(rightsOf('Reader')).toEqual(['read']);
});
