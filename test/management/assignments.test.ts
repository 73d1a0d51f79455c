import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isRevoked, readRegistry } from '../../src/access/registry.ts';
import { grantsOfRoles, listAssignments, roles } from '../../src/access/roles.ts';
import { parseCondition } from '../../src/management/access/condition.ts';
import { type Caller, SUBSCRIPTION, openCaller } from './caller.ts';

let arm: Caller;
beforeEach(async () => {
  arm = await openCaller();
});
afterEach(async () => {
  await arm.close();
});

const GUID = 'aaaaaaaa-0000-4000-8000-000000000001';
const OTHER = 'aaaaaaaa-0000-4000-8000-000000000002';
const PRINCIPAL = 'bbbbbbbb-0000-4000-8000-000000000001';
const BELOW = './providers/Microsoft.Authorization/roleAssignments';
const READER = 'Container Registry Repository Reader';
const DATA = 'Microsoft.ContainerRegistry/registries/repositories';

/** A condition in the words of ACR's documentation. */
function condition(names: string, actions: readonly string[] = ['content/read', 'metadata/read']): string {
  const guards = actions.map((action) => `  !(ActionMatches{'${DATA}/${action}'})`).join('\n  AND\n');
  return `(\n (\n${guards}\n )\n OR \n (\n  ${names}\n )\n)`;
}

function named(operator: string, text: string, source = 'Request'): string {
  return `@${source}[${DATA}:name] ${operator} '${text}'`;
}

function put(role: string, more: Record<string, unknown> = {}, guid = GUID) {
  const roleDefinitionId = `/subscriptions/${SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/${roles[role]?.id ?? role}`;
  return arm.call('PUT', `${BELOW}/${guid}`, {
    body: { properties: { roleDefinitionId, principalId: PRINCIPAL, ...more } },
  });
}

function nested(depth: number): string {
  return '('.repeat(depth) + named('StringEqualsIgnoreCase', 'a') + ')'.repeat(depth);
}

describe('role assignments', () => {
  test('are made, shown, listed and deleted', async () => {
    const made = await put('AcrPull', { principalType: 'User', description: 'CI' });
    const time = new Date(arm.app.clock.now()).toISOString().replace('Z', '0000Z');
    expect(made.status).toBe(201);
    expect(made.body).toEqual({
      id: `${arm.id}/providers/Microsoft.Authorization/roleAssignments/${GUID}`,
      name: GUID,
      type: 'Microsoft.Authorization/roleAssignments',
      properties: {
        roleDefinitionId: `/subscriptions/${SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/7f951dda-4ed3-4680-a7ca-43fe172d538d`,
        principalId: PRINCIPAL,
        principalType: 'User',
        scope: arm.id,
        condition: null,
        conditionVersion: null,
        description: 'CI',
        createdOn: time,
        updatedOn: time,
      },
    });
    expect((await arm.call('GET', `${BELOW}/${GUID.toUpperCase()}`)).body).toEqual(made.body);
    expect((await arm.call('GET', BELOW, { query: { $filter: 'atScope()' } })).body).toEqual({
      value: [made.body],
    });
    for (const $filter of [`principalId eq '${PRINCIPAL}'`, `assignedTo('${PRINCIPAL}')`])
      expect((await arm.call('GET', BELOW, { query: { $filter } })).body).toEqual({ value: [made.body] });
    const $filter = `principalId eq '${OTHER}'`;
    expect((await arm.call('GET', BELOW, { query: { $filter } })).body).toEqual({ value: [] });
    const deleted = await arm.call('DELETE', `${BELOW}/${GUID}`);
    expect([deleted.status, deleted.body]).toEqual([200, made.body]);
    expect(await arm.call('DELETE', `${BELOW}/${GUID}`)).toMatchObject({ status: 204 });
    expect(await arm.call('GET', `${BELOW}/${GUID}`)).toMatchObject({ status: 404 });
  });

  test('give the rights of their role to the principal', async () => {
    await put('AcrPull');
    const found = await listAssignments(arm.ctx, arm.app.registry, PRINCIPAL);
    expect(grantsOfRoles(found, false)).toEqual({
      repositories: [{ pattern: '*', actions: ['pull', 'metadata_read'] }],
      catalog: true,
    });
  });

  test('hold where their condition says, and show it as it was written', async () => {
    const text = condition(
      `${named('StringEqualsIgnoreCase', 'a')} OR ${named('StringStartsWithIgnoreCase', 'b/')}`,
    );
    expect(await put(READER, { condition: text, conditionVersion: '2.0' })).toMatchObject({
      status: 201,
      body: { properties: { condition: text, conditionVersion: '2.0' } },
    });
    const [found] = await listAssignments(arm.ctx, arm.app.registry);
    expect(found?.patterns).toEqual(['a', 'b/*']);
  });

  test('refuse the access tokens of the principal when their condition changes', async () => {
    await put(READER);
    const issued = arm.app.clock.now();
    arm.app.clock.advance(1000);
    const narrower = { condition: condition(named('StringEqualsIgnoreCase', 'a')) };
    expect(await put(READER, narrower)).toMatchObject({ status: 200 });
    const document = await readRegistry(arm.ctx, arm.app.registry);
    expect(isRevoked(document, `entra:${PRINCIPAL}`, issued)).toBe(true);
  });

  test('keep their role and principal, and are not made twice', async () => {
    await put('AcrPull');
    expect(await put('AcrPush')).toMatchObject({
      status: 400,
      body: { error: { code: 'RoleAssignmentUpdateNotPermitted' } },
    });
    expect(await put('AcrPull', { principalId: OTHER })).toMatchObject({
      status: 400,
      body: { error: { code: 'RoleAssignmentUpdateNotPermitted' } },
    });
    expect(await put('AcrPull', {}, OTHER)).toMatchObject({
      status: 409,
      body: { error: { code: 'RoleAssignmentExists' } },
    });
  });

  test.each([
    [
      'an unknown role',
      { roleDefinitionId: '/x/00000000-0000-0000-0000-000000000009' },
      'not one of: AcrPull',
    ],
    ['a principal that is no GUID', { principalId: 'me@example.com' }, 'must be a GUID'],
    ['a scope above the registry', { scope: '/subscriptions/x' }, 'scope must be the registry'],
    [
      'a condition on a role that takes none',
      { condition: condition(named('StringEqualsIgnoreCase', 'a')) },
      'takes no condition',
    ],
    ['properties it does not know', { delegatedManagedIdentityResourceId: 'x' }, 'not supported'],
  ])('of %s are refused', async (_what, more, message) => {
    const refused = await put('AcrPull', more);
    expect(refused.status).toBe(400);
    expect(refused.body).toMatchObject({ error: { message: expect.stringContaining(message) } });
    expect(await listAssignments(arm.ctx, arm.app.registry)).toEqual([]);
  });

  test('need a GUID for a name', async () => {
    expect(await put('AcrPull', {}, 'mine')).toMatchObject({ status: 400 });
  });
});

describe('role definitions', () => {
  test('are found by name and by id', async () => {
    const path = `/subscriptions/${SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions`;
    const push = {
      name: '8311e382-0749-4cb8-b61a-304f252e45ec',
      properties: { roleName: 'AcrPush', type: 'BuiltInRole' },
    };
    const found = await arm.call('GET', path, { query: { $filter: "roleName eq 'AcrPush'" } });
    expect(found.body).toMatchObject({ value: [push] });
    expect(await arm.call('GET', `${path}/${push.name}`)).toMatchObject({ status: 200, body: push });
    expect((await arm.call('GET', `.${path.slice(path.indexOf('/providers'))}`)).body).toMatchObject({
      value: { length: Object.keys(roles).length },
    });
    expect(await arm.call('GET', `${path}/${GUID}`)).toMatchObject({ status: 404 });
  });
});

describe('conditions', () => {
  const READ = ['pull', 'metadata_read'] as const;

  test.each([
    [condition(named('StringEqualsIgnoreCase', 'hello-world')), ['hello-world']],
    [condition(named('StringEqualsIgnoreCase', 'Hello-World', 'Resource')), ['hello-world']],
    [condition(named('StringStartsWithIgnoreCase', 'team/backend/')), ['team/backend/*']],
    [named('StringEqualsIgnoreCase', 'a'), ['a']],
    [`${named('StringEqualsIgnoreCase', 'a')} || (${named('StringEqualsIgnoreCase', 'b')})`, ['a', 'b']],
    [condition(`@Request[${DATA}:name] ForAnyOfAnyValues:StringEqualsIgnoreCase {'a', 'b/c'}`), ['a', 'b/c']],
    [condition(named('stringstartswithignorecase', 'x/')).replaceAll('AND', 'and'), ['x/*']],
  ])('of the documented form are understood: %s', (text, patterns) => {
    expect(parseCondition(text, READ)).toEqual(patterns);
  });

  test.each([
    ['', 'not complete'],
    ['true', 'cannot be read'],
    [condition(named('StringStartsWithIgnoreCase', 'team')), "must end with '/'"],
    [condition(named('StringStartsWithIgnoreCase', '/')), 'not the name'],
    [condition(named('StringStartsWithIgnoreCase', 'a/*/')), 'not the name'],
    [condition(named('StringEqualsIgnoreCase', '*')), 'not the name'],
    [condition(named('StringEqualsIgnoreCase', 'a/*')), 'not the name'],
    [condition(named('StringEqualsIgnoreCase', '')), 'not the name'],
    [condition(named('StringNotEqualsIgnoreCase', 'a')), 'operators'],
    [condition(named('StringLikeIgnoreCase', 'a*')), 'operators'],
    [condition(`@Request[${DATA}:tag] StringEqualsIgnoreCase 'a'`), 'not the name of a repository'],
    [condition(`@Principal[x:y] StringEqualsIgnoreCase 'a'`), 'cannot be read'],
    [condition(named('StringEqualsIgnoreCase', 'a'), ['content/read']), 'metadata/read is missing'],
    [condition(named('StringEqualsIgnoreCase', 'a'), ['content/fly']), 'not an action on repositories'],
    [`!(${named('StringEqualsIgnoreCase', 'a')})`, 'names no repository'],
    [
      `${named('StringEqualsIgnoreCase', 'a')} AND ${named('StringEqualsIgnoreCase', 'b')}`,
      'names no repository',
    ],
    [`(${named('StringEqualsIgnoreCase', 'a')}`, 'not closed'],
    [
      `${named('StringEqualsIgnoreCase', 'a')} ${named('StringEqualsIgnoreCase', 'b')}`,
      'follows after its end',
    ],
    [
      `${condition(named('StringEqualsIgnoreCase', 'a'))} AND ${condition(named('StringEqualsIgnoreCase', 'b'))}`,
      'names no repository',
    ],
    [
      `ActionMatches{'${DATA}/content/read'} OR ${named('StringEqualsIgnoreCase', 'a')}`,
      'beside repository names',
    ],
    ['('.repeat(9000), 'longer than'],
  ])('of another form are refused with the reason: %s', (text, reason) => {
    expect(() => parseCondition(text, READ)).toThrow(reason);
  });

  test('may be nested, but not without end', () => {
    expect(parseCondition(nested(40), READ)).toEqual(['a']);
    expect(() => parseCondition(nested(3000), READ)).toThrow('nested too deeply');
    expect(() => parseCondition(`${'!'.repeat(3000)}${nested(0)}`, READ)).toThrow('nested too deeply');
  });
});
