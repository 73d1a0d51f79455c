import { expect, test, vi } from 'vitest';
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

test('deferred work comes in its time, or when the host stops', async () => {
  vi.useFakeTimers();
  try {
    const { defer, settle } = openDeferred(() => {});
    const done: string[] = [];
    const work = (name: string) => () => {
      done.push(name);
      return Promise.resolve();
    };
    defer(work('soon'), 1000);
    defer(work('late'), 60_000);
    defer(work('now'));
    expect(done).toEqual(['now']);
    await vi.advanceTimersByTimeAsync(1000);
    expect(done).toEqual(['now', 'soon']);
    await settle();
    expect(done).toEqual(['now', 'soon', 'late']);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(done).toHaveLength(3);
  } finally {
    vi.useRealTimers();
  }
});
