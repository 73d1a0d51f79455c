import { describe, expect, test } from 'vitest';
import { runTimer } from '../../src/app/jobs.ts';
import { type TestApp, openTestApp } from '../support/app.ts';
import { type Answer, clientOf } from '../support/client.ts';
import { type Hook, type Mishap, intercept, mishaps } from '../support/intercept.ts';
import { breaches, strayBlobs } from '../support/invariants.ts';
import { attributeOperations } from './attributes.ts';
import { type Operation, operations } from './operations.ts';
import { repositoryOperations } from './repositories.ts';

/** Longer than collection spares anything. */
const LONG_MS = 25 * 3_600_000;
const MISHAPS: readonly Mishap[] = ['fails', 'loses its answer', 'happens twice'];
const cases = [...operations, ...repositoryOperations, ...attributeOperations].flatMap((operation) =>
  MISHAPS.map((mishap) => ({ ...operation, mishap })),
);

describe('one storage call of an operation fails, and its client tries again', () => {
  test.each(cases)('$name, while any one call $mishap', async ({ mishap, ...operation }) => {
    const complaints: string[] = [];
    let calls = 0;
    for (let met = true; met; calls++) {
      const suffered = await suffer(operation, mishap, calls);
      met = suffered.met;
      complaints.push(...suffered.complaints);
    }
    expect(calls).toBeGreaterThan(1);
    expect(complaints).toEqual([]);
  });
});

/** Lets the operation meet a mishap at its call `at`: whether there was such a call, and what went wrong. */
async function suffer(
  operation: Operation,
  mishap: Mishap,
  at: number,
): Promise<{ met: boolean; complaints: string[] }> {
  let hook: Hook | undefined;
  const app = await openTestApp({
    blockSize: operation.name.includes('large') ? 100_000 : 64,
    settings: { downloads: 'proxy' },
    ...(operation.document && { document: operation.document }),
    wrap: (stores) =>
      intercept(stores, { hook: async (call, run) => await (hook ? hook(call, run) : run()) }),
  });
  const attempt = await operation.prepare(clientOf(app.app));
  const trouble = mishaps(mishap, at);
  hook = trouble.hook;
  const first = await attempt.run();
  hook = undefined;

  const complaints: string[] = [];
  if (!attempt.done.includes(first.status)) {
    if (!isCallToRetry(first)) complaints.push(`the first attempt was answered ${first.status}`);
    const second = await attempt.run();
    if (!attempt.done.includes(second.status)) complaints.push(`the second was answered ${second.status}`);
  }
  if (!(await attempt.holds())) complaints.push('the registry does not serve what it should');
  complaints.push(...(await breaches(app.stores, app.registry)));
  complaints.push(...(await leftovers(app)).map((name) => `${name} is left`));
  await app.close();
  const where = `call ${at}, ${trouble.calls[at]?.name}`;
  return { met: trouble.calls.length > at, complaints: complaints.map((text) => `${where}: ${text}`) };
}

/** 503 with Retry-After, in the form of distribution-spec "Error Codes". */
function isCallToRetry({ status, headers, bytes }: Answer): boolean {
  const text = Buffer.from(bytes).toString();
  return (
    status === 503 &&
    Number(headers['retry-after']) > 0 &&
    text.startsWith('{"errors":[{"code":"UNAVAILABLE"')
  );
}

/** Bytes that are left over when all that nobody relied on has been collected. */
async function leftovers(app: TestApp): Promise<string[]> {
  app.clock.advance(LONG_MS);
  await runTimer(app.app, 'sweep');
  return await strayBlobs(app.stores, app.registry);
}
