import { expect, test } from 'vitest';
import { openDeferred } from '../src/app/deferred.ts';

test('a host that stops waits for deferred work, and for what that deferred', async () => {
  const { defer, settle } = openDeferred(() => {});
  const done: string[] = [];
  const { promise: gate, resolve: go } = Promise.withResolvers<void>();
  defer(async () => {
    await gate;
    defer(async () => {
      await gate;
      done.push('second');
    });
    done.push('first');
  });
  const settled = settle();
  expect(done).toEqual([]);
  go();
  await settled;
  expect(done).toEqual(['first', 'second']);
});

test('deferred work that fails is logged and stops nobody', async () => {
  const logs: unknown[] = [];
  const { defer, settle } = openDeferred(
    (level, message, fields) => void logs.push([level, message, fields]),
  );
  defer(() => Promise.reject(new Error('no storage')));
  defer(() => {
    throw new Error('at once');
  });
  await settle();
  expect(logs).toHaveLength(2);
  for (const error of ['Error: no storage', 'Error: at once'])
    expect(logs).toContainEqual(['warn', 'deferred work failed', { error }]);
});
