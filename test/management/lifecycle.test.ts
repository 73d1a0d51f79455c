import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runJob, runTimer } from '../../src/app/jobs.ts';
import { JOB_QUEUE } from '../../src/store/work.ts';
import { type Document, clientOf, document, publish } from '../support/client.ts';
import { type Caller, armTime, openCaller, refusal } from './caller.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

let arm: Caller;
beforeEach(async () => {
  arm = await openCaller();
});
afterEach(async () => {
  await arm.close();
});

async function push(repository: string, tag: string, manifest: Document): Promise<void> {
  await publish(clientOf(arm.app.app), repository, tag, manifest);
}

async function tags(repository: string): Promise<unknown> {
  const { status, bytes } = await clientOf(arm.app.app)('GET', `/v2/${repository}/tags/list`);
  return status === 200 ? JSON.parse(Buffer.from(bytes).toString()).tags : [];
}

async function runJobs(): Promise<void> {
  const deliveries = await arm.app.stores.work.receive(32, 300);
  for (const { body, done } of deliveries) {
    await runJob(arm.app.app, JOB_QUEUE, body);
    await done();
  }
}

describe('POST purge', () => {
  const [one, two] = [document('one'), document('two')];
  beforeEach(async () => {
    await push('app', 'v1', one);
    await push('app', 'v2', two);
    await push('team/tool', 'v1', one);
    arm.app.clock.advance(2 * DAY_MS);
    await push('app', 'v2', two);
    await push('app', 'v3', one);
    arm.app.clock.advance(HOUR_MS);
  });

  test('tells what it would delete, and deletes nothing', async () => {
    const body = { filters: ['app:.*'], ago: '1d', untagged: true, dryRun: true };
    expect(await arm.call('POST', './purge', { body })).toMatchObject({
      status: 200,
      body: {
        dryRun: true,
        deletedTags: 1,
        deletedManifests: 0,
        repositories: [{ name: 'app', tags: ['v1'], manifests: [] }],
        finished: true,
      },
    });
    expect(await tags('app')).toEqual(['v1', 'v2', 'v3']);
  });

  test('deletes that', async () => {
    const body = { filters: ['app:.*', '.*tool:v'], ago: '1d', untagged: true };
    expect((await arm.call('POST', './purge', { body })).body).toEqual({
      dryRun: false,
      deletedTags: 2,
      deletedManifests: 1,
      repositories: [
        { name: 'app', tags: ['v1'], manifests: [] },
        { name: 'team/tool', tags: ['v1'], manifests: [one.digest] },
      ],
      finished: true,
    });
    expect([await tags('app'), await tags('team/tool')]).toEqual([['v2', 'v3'], []]);
  });

  test('goes on behind a cursor', async () => {
    const body = { filters: ['.*:.*'], ago: '0d', cursor: 'app', dryRun: true };
    expect((await arm.call('POST', './purge', { body })).body).toMatchObject({
      repositories: [{ name: 'team/tool', tags: ['v1'] }],
      finished: true,
    });
  });

  test('takes what acr purge takes besides, of no effect here', async () => {
    const more = { concurrency: 4, filterTimeoutSeconds: 60, repositoryPageSize: 100, keep: 1 };
    const body = { filters: ['app:.*'], ago: '0d', dryRun: true, ...more };
    expect(await arm.call('POST', './purge', { body })).toMatchObject({ status: 200 });
  });

  test('tells which repositories are locked', async () => {
    const lock = { body: Buffer.from('{"writeEnabled":false}') };
    await clientOf(arm.app.app)('PATCH', '/acr/v1/app', lock);
    const body = { filters: ['app:.*'], ago: '0d' };
    expect((await arm.call('POST', './purge', { body })).body).toMatchObject({
      deletedTags: 0,
      repositories: [{ name: 'app', tags: [], manifests: [], left: 'locked' }],
    });
  });

  test.each<[body: unknown, message: string]>([
    [{}, "'filters' are needed"],
    [{ filters: ['app:.*'] }, "'ago' is needed"],
    [{ filters: ['app'], ago: '1d' }, "The filter 'app' is not"],
    [{ filters: ['app:('], ago: '1d' }, "The expression '(' cannot be used"],
    [{ filters: ['app:.*'], ago: '1 day' }, "'1 day' is not a duration"],
    [{ filters: ['app:.*'], ago: 1 }, "'ago' must be a string"],
    [{ filters: 'app:.*', ago: '1d' }, "'filters' must be a list of strings"],
    [{ filters: ['app:.*'], ago: '1d', keep: -1 }, "'keep' must be a whole number"],
    [{ untagged: true, untaggedOnly: true }, 'exclude each other'],
    [{ untaggedOnly: true, cursor: 'No Name' }, "'cursor' must be one"],
    [{ filters: ['app:.*'], older: '1d' }, "'older' is not supported"],
  ])('refuses what makes no sense: %j', async (body, message) => {
    expect(await arm.call('POST', './purge', { body })).toMatchObject(
      refusal(400, 'InvalidRequest', message),
    );
  });

  test('is for those who may change the registry', async () => {
    const call = { body: { untaggedOnly: true }, write: false };
    expect(await arm.call('POST', './purge', call)).toMatchObject({ status: 403 });
  });
});

describe('the lifecycle policy', () => {
  const RULE = { name: 'old builds', repositories: ['app'], tags: ['pr-*'], olderThanDays: 7 };
  const NAMED = { ...RULE, name: 'old-builds' };
  const path = './lifecyclePolicies/default';

  test('has no rules at first, and keeps those that are put', async () => {
    expect((await arm.call('GET', path)).body).toMatchObject({
      id: `${arm.id}/lifecyclePolicies/default`,
      type: 'Microsoft.ContainerRegistry/registries/lifecyclePolicies',
      properties: { rules: [] },
    });
    const rules = [
      NAMED,
      { name: 'rest', repositories: ['*'], state: 'Untagged', notPulledForDays: 30, keep: 3 },
    ];
    const put = await arm.call('PUT', path, { body: { properties: { rules } } });
    const shown = [
      { ...NAMED, state: 'tagged', exceptTags: [] },
      {
        name: 'rest',
        repositories: ['*'],
        state: 'untagged',
        tags: ['*'],
        exceptTags: [],
        notPulledForDays: 30,
        keep: 3,
      },
    ];
    expect(put).toMatchObject({
      status: 200,
      body: { properties: { rules: shown, lastUpdatedTime: armTime(arm.app.clock.now()) } },
    });
    expect((await arm.call('GET', path)).body).toEqual(put.body);
    expect((await arm.call('GET', './lifecyclePolicies')).body).toEqual({ value: [put.body] });
    // As SDKs do: what was read is sent back.
    const again = { rules: shown, lastUpdatedTime: 'x', creationDate: 'y', provisioningState: 'z' };
    expect(await arm.call('PUT', path, { body: { properties: again } })).toMatchObject({ status: 200 });
    expect(await arm.call('GET', './lifecyclePolicies/other')).toMatchObject({ status: 404 });
  });

  test.each<[what: string, rules: unknown, message: string]>([
    ['no list', {}, "'properties.rules' must be a list"],
    ['a name with a blank', [RULE], "'old builds' is no name of a rule"],
    ['a name twice', [NAMED, { ...NAMED, name: 'OLD-BUILDS' }], "Two rules are called 'OLD-BUILDS'"],
    ['no repositories', [{ name: 'a', keep: 1 }], "'repositories' is required"],
    ['no condition', [{ name: 'a', repositories: ['*'] }], "needs 'olderThanDays'"],
    ['tags of the untagged', [{ ...NAMED, state: 'untagged' }], 'cannot name any'],
    ['a regular expression', [{ ...NAMED, tags: ['^v[0-9]'] }], "'^v[0-9]' is no pattern"],
    ['half days', [{ ...NAMED, olderThanDays: 1.5 }], "'properties.rules[0].olderThanDays' must be a whole"],
    ['another state', [{ ...NAMED, state: 'gone' }], 'must be tagged or untagged or any'],
    ['other properties', [{ ...NAMED, tag: 'x' }], "'properties.rules[0].tag' is not supported"],
    ['101 rules', Array.from({ length: 101 }, (_, i) => ({ ...NAMED, name: `r${i}` })), 'at most 100'],
  ])('refuses %s', async (_, rules, message) => {
    expect(await arm.call('PUT', path, { body: { properties: { rules } } })).toMatchObject(
      refusal(400, 'InvalidRequest', message),
    );
  });

  test('is shown before it acts, then acts on demand and every day', async () => {
    const [one, two] = [document('one'), document('two')];
    await push('app', 'pr-1', one);
    await push('app', 'latest', one);
    await push('app', two.digest, two);
    arm.app.clock.advance(8 * DAY_MS);
    await push('app', 'pr-2', one);
    const rules = [NAMED, { name: 'untagged', repositories: ['*'], state: 'untagged', olderThanDays: 1 }];
    const expected = {
      dryRun: true,
      rules: [
        { name: 'old-builds', tags: ['app:pr-1'], manifests: [] },
        { name: 'untagged', tags: [], manifests: [`app@${two.digest}`] },
      ],
      left: [],
      finished: true,
    };
    // Rules may be tried before they are set, and by those who may only read.
    expect(await arm.call('POST', `${path}/preview`, { body: { rules }, write: false })).toMatchObject({
      status: 200,
      body: expected,
    });
    await arm.call('PUT', path, { body: { properties: { rules } } });
    expect((await arm.call('POST', `${path}/preview`)).body).toEqual(expected);
    expect(await tags('app')).toEqual(['latest', 'pr-1', 'pr-2']);
    expect(await arm.call('POST', `${path}/run`, { write: false })).toMatchObject({ status: 403 });
    expect((await arm.call('POST', `${path}/run`)).body).toEqual({ ...expected, dryRun: false });
    expect(await tags('app')).toEqual(['latest', 'pr-2']);

    arm.app.clock.advance(8 * DAY_MS);
    await runTimer(arm.app.app, 'clean');
    await runJobs();
    expect(await tags('app')).toEqual(['latest']);
  });
});

describe('a schedule of purges', () => {
  const options = { filters: ['app:.*'], ago: '1d', untagged: true };
  const path = './purgeSchedules/nightly';
  const body = { properties: { schedule: '0 1 * * *', options } };

  test('is made, shown, changed and deleted', async () => {
    const put = await arm.call('PUT', path, { body });
    expect(put).toMatchObject({
      status: 200,
      body: {
        name: 'nightly',
        type: 'Microsoft.ContainerRegistry/registries/purgeSchedules',
        properties: {
          status: 'Enabled',
          schedule: '0 1 * * *',
          options: { ...options, keep: 0, untaggedOnly: false, includeLocked: false },
          nextRunTime: expect.stringMatching(/T01:00:00\.0000000Z$/),
        },
      },
    });
    expect((await arm.call('GET', './purgeSchedules/NIGHTLY')).body).toEqual(put.body);
    expect((await arm.call('GET', './purgeSchedules')).body).toEqual({ value: [put.body] });
    const off = { properties: { ...body.properties, status: 'disabled' } };
    expect((await arm.call('PUT', path, { body: off })).body).toMatchObject({
      properties: { status: 'Disabled' },
    });
    expect(await arm.call('DELETE', path)).toMatchObject({ status: 200 });
    expect(await arm.call('DELETE', path)).toMatchObject({ status: 204 });
    expect(await arm.call('GET', path)).toMatchObject({ status: 404 });
  });

  test.each<[properties: unknown, message: string]>([
    [{ options }, "'properties.schedule' is required"],
    [{ schedule: '0 1 * * *' }, "'properties.options' is required"],
    [{ schedule: '0 1 * *', options }, 'it has 4 fields, not five'],
    [{ schedule: '0 25 * * *', options }, '"25" is no hour'],
    [{ schedule: '0 1 * * *', options: { ...options, ago: 'x' } }, "'x' is not a duration"],
    [{ schedule: '0 1 * * *', options: { ...options, dryRun: true } }, 'dryRun'],
  ])('is refused: %j', async (properties, message) => {
    expect(await arm.call('PUT', path, { body: { properties } })).toMatchObject(
      refusal(400, 'InvalidRequest', message),
    );
  });

  test('runs when it is due, once, and no more when it was deleted', async () => {
    const image = document('image');
    await push('app', 'v1', image);
    await arm.call('PUT', path, { body });
    await runTimer(arm.app.app, 'purge');
    await runJobs();
    expect(await tags('app')).toEqual(['v1']);
    arm.app.clock.advance(3 * DAY_MS);
    await runTimer(arm.app.app, 'purge');
    await runTimer(arm.app.app, 'purge');
    await runJobs();
    expect(await tags('app')).toEqual([]);
    const runs = arm.app.logs.filter(({ message }) => message === 'cleaned');
    expect(runs.map(({ fields }) => fields)).toEqual([
      { registry: arm.registry, what: 'purge nightly', repositories: 1, tags: 1, manifests: 1 },
    ]);

    await push('app', 'v1', image);
    arm.app.clock.advance(3 * DAY_MS);
    await runTimer(arm.app.app, 'purge');
    await arm.call('DELETE', path);
    await runJobs();
    expect(await tags('app')).toEqual(['v1']);
  });

  test('rests while it is disabled, and is not made up for afterwards', async () => {
    await push('app', 'v1', document('image'));
    await arm.call('PUT', path, { body: { properties: { ...body.properties, status: 'Disabled' } } });
    arm.app.clock.advance(3 * DAY_MS);
    await runTimer(arm.app.app, 'purge');
    await arm.call('PUT', path, { body });
    await runTimer(arm.app.app, 'purge');
    await runJobs();
    expect(await tags('app')).toEqual(['v1']);
  });
});

describe('POST collect', () => {
  test('tells what it would free, then frees it', async () => {
    const send = clientOf(arm.app.app);
    const { digest, bytes } = document('blob');
    const started = await send('POST', `/v2/app/blobs/uploads/?digest=${digest}`, { body: bytes });
    expect(started.status).toBe(201);
    await push('app', 'v1', document('image'));
    arm.app.clock.advance(3 * DAY_MS);
    expect((await arm.call('POST', './collect', { body: { dryRun: true } })).body).toMatchObject({
      dryRun: true,
      finished: true,
      links: 1,
      bytes: bytes.length,
      examples: [{ digest, repositories: ['app'], bytes: bytes.length }],
    });
    expect((await arm.call('POST', './collect')).body).toMatchObject({
      dryRun: false,
      finished: true,
      links: 1,
    });
    expect(await send('HEAD', `/v2/app/blobs/${digest}`)).toMatchObject({ status: 404 });
  });

  test('takes nothing else', async () => {
    expect(await arm.call('POST', './collect', { body: { force: true } })).toMatchObject(
      refusal(400, 'InvalidRequest', "'force' is not supported"),
    );
  });
});
