import { expect } from 'vitest';
import { updateRegistry } from '../../src/access/registry.ts';
import type { Answer, Document } from '../support/client.ts';
import { LONG_MS, NAME, image, judge, layer, push, settle, statuses } from './images.ts';
import type { Story, World } from './world.ts';

/** Makes deletions restorable. */
async function keepDeletions({ test, pass }: World): Promise<void> {
  const { context } = test.app;
  await updateRegistry(context, test.registry, (registry) => ({
    ...registry,
    softDelete: { enabled: true, days: 30, updated: context.now() },
  }));
  await pass(0);
}

async function restore({ send }: World, { digest }: Document): Promise<Answer> {
  return await send('POST', `/acr/v1/_deleted/${NAME}/_manifests/${digest}`);
}

/** An image is deleted, and restored when collection is through. */
export const deleteAndRestore: Story = async (world) => {
  await keepDeletions(world);
  const kept = image([]);
  await push(world.send, kept, 'kept');
  const old = await settle(world, []);
  const [deleted] = await world.race(
    () => world.send('DELETE', `/v2/${NAME}/manifests/${old.digest}`),
    world.collect,
  );
  expect(deleted?.status).toBe(202);
  await world.pass(LONG_MS);
  await world.collect();
  expect((await restore(world, old)).status).toBe(200);
  await judge(world, [kept, old]);
};

/** An image that was deleted long ago is restored, with bytes outside of its row or in it. */
function restoring(text: string): Story {
  return async (world) => {
    await keepDeletions(world);
    const kept = image([]);
    await push(world.send, kept, 'kept');
    const lost = image([layer('a')], NAME, { annotations: { text } });
    await push(world.send, lost, 'lost');
    expect((await world.send('DELETE', `/v2/${NAME}/manifests/${lost.digest}`)).status).toBe(202);
    await world.pass(LONG_MS);
    const answers = await world.race(() => restore(world, lost), world.collect);
    expect(statuses(answers)).toEqual([200, 200]);
    await judge(world, [kept, lost]);
  };
}
export const restoreSmall = restoring('small');
export const restoreLarge = restoring('x'.repeat(70_000));

/** Deleted, restored, deleted, restored. */
export const toAndFro: Story = async (world) => {
  await keepDeletions(world);
  const kept = image([]);
  await push(world.send, kept, 'kept');
  const old = await settle(world, []);
  const answers = await world.race(
    async () => {
      for (let i = 0; i < 2; i++) {
        await world.send('DELETE', `/v2/${NAME}/manifests/${old.digest}`);
        const answer = await restore(world, old);
        if (answer.status !== 200) return answer;
      }
      return await world.send('GET', `/v2/${NAME}/manifests/${old.digest}`);
    },
    world.collect,
    world.collect,
  );
  expect(statuses(answers)).toEqual([200, 200, 200]);
  await judge(world, [kept, old]);
};
