import { expect, test } from 'vitest';
import { type Write, Unavailable } from '../../src/store/records.ts';
import { openTestApp } from '../support/app.ts';
import { type Send, clientOf, document, publish } from '../support/client.ts';
import { type Hook, type PortCall, intercept } from '../support/intercept.ts';
import { breaches } from '../support/invariants.ts';

const NAME = 'team/app';
const [stays, goes] = [document('stays'), document('goes')];

/** Orders so rare that chance does not find them: each call that `hook` knows waits until it is told. */
async function openSteps(hook: Hook) {
  const app = await openTestApp({ wrap: (stores) => intercept(stores, { hook }) });
  return { app, send: clientOf(app.app) };
}

function isBatch({ name, args }: PortCall, catalog: boolean, op: Write['op'], row: string): boolean {
  const [, partition, writes] = args;
  return (
    name === 'records.batch' &&
    String(partition).endsWith('!!catalog') === catalog &&
    Array.isArray(writes) &&
    writes.some((write: Write) => write.op === op && write.row === row)
  );
}

async function hide(send: Send): Promise<void> {
  const answer = await send('PATCH', `/acr/v1/${NAME}`, { body: Buffer.from('{"listEnabled":false}') });
  expect(answer.status).toBe(200);
}

test('a repository pushed first is to be seen, though one before it of this name was hidden and goes', async () => {
  const [pushWaits, pushMay, dropWaits, dropMay] = Array.from({ length: 4 }, () =>
    Promise.withResolvers<void>(),
  );
  let first = true;
  const { app, send } = await openSteps(async (call, run) => {
    if (first && isBatch(call, false, 'put', '!')) {
      first = false;
      pushWaits?.resolve();
      await pushMay?.promise;
    }
    if (isBatch(call, true, 'delete', 'team.app')) {
      dropWaits?.resolve();
      await dropMay?.promise;
    }
    return await run();
  });
  const push = publish(send, NAME, 'v1', stays);
  await pushWaits?.promise;
  await publish(send, NAME, 'v2', goes);
  await hide(send);
  const removal = send('DELETE', `/v2/${NAME}/manifests/${goes.digest}`);
  await dropWaits?.promise;
  pushMay?.resolve();
  expect((await push).status).toBe(201);
  dropMay?.resolve();
  expect((await removal).status).toBe(202);
  expect(await breaches(app.stores, app.registry)).toEqual([]);
  await app.close();
});

test('a repository pushed anew is to be seen, though its name was left hidden when it went', async () => {
  const { app, send } = await openSteps(async (call, run) => {
    if (isBatch(call, true, 'delete', 'team.app')) throw new Unavailable('the name stays');
    return await run();
  });
  await publish(send, NAME, 'v1', goes);
  await hide(send);
  expect((await send('DELETE', `/v2/${NAME}/manifests/${goes.digest}`)).status).toBe(503);
  expect((await publish(send, NAME, 'v1', stays)).status).toBe(201);
  expect(Buffer.from((await send('GET', '/v2/_catalog')).bytes).toString()).toBe(
    `{"repositories":["${NAME}"]}`,
  );
  expect(await breaches(app.stores, app.registry)).toEqual([]);
  await app.close();
});
