import { expect } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { type Answer, begin, end, patch, upload } from '../support/client.ts';
import { noise } from '../support/sample.ts';
import type { Story, World } from './world.ts';

/**
 * One session used by several at once, which its state, travelling with the client, cannot prevent. Whatever they do:
 * a PUT that answers 201 is served with its bytes, and no digest ever has other bytes.
 */
const REPOSITORY = 'forked/session';

interface Put {
  readonly bytes: Uint8Array;
  readonly digest: string;
  readonly run: () => Promise<Answer>;
}

/** Each PUT is refused as a client's mistake, or accepted and served. Returns how many were accepted. */
async function judge(world: World, puts: readonly Put[], others: readonly (() => Promise<Answer>)[] = []) {
  const answers = await world.race(...puts.map(({ run }) => run), ...others);
  let accepted = 0;
  for (const [i, { bytes, digest }] of puts.entries()) {
    const status = answers[i]?.status;
    expect([201, 400, 404]).toContain(status);
    const mustServe = status === 201;
    if (mustServe) accepted++;
    if (mustServe) expect(await world.serves(REPOSITORY, digest, bytes)).toBe(true);
  }
  expect(await world.breaches()).toEqual([]);
  expect(await world.swept()).toEqual([]);
  return { accepted, others: answers.slice(puts.length) };
}

function putOf(
  world: World,
  location: string,
  bytes: Uint8Array,
  algorithm: 'sha256' | 'sha512' = 'sha256',
): Put {
  const digest = digestOf(bytes, algorithm);
  return { bytes, digest, run: () => end(world.send, location, digest, bytes) };
}

/** The trap of storage-design section 6: different bytes sent to one old Location, the hash of one claimed for both. */
export const patchedTwice: Story = async (world) => {
  const location = await begin(world.send, REPOSITORY);
  const good = noise(150);
  const evil = noise(150);
  const fork = (sent: Uint8Array, claimed: Uint8Array): Put => ({
    bytes: claimed,
    digest: digestOf(claimed),
    run: async () => await end(world.send, await patch(world.send, location, sent), digestOf(claimed)),
  });
  const honest = await judge(world, [fork(good, good), fork(evil, evil), fork(evil, good)]);
  // Who commits first has the session; the liar never does.
  expect(honest.accepted).toBe(1);
};

/** The same, when the first piece was sent before: the second Location is old too. */
export const patchedTwiceLater: Story = async (world) => {
  const start = noise(70);
  const location = await patch(world.send, await begin(world.send, REPOSITORY), start, { chunked: false });
  const fork = (rest: Uint8Array): Put => {
    const bytes = Buffer.concat([start, rest]);
    return {
      bytes,
      digest: digestOf(bytes),
      run: async () => await end(world.send, await patch(world.send, location, rest), digestOf(bytes)),
    };
  };
  const { accepted } = await judge(world, [fork(noise(80)), fork(noise(80)), fork(noise(10))]);
  expect(accepted).toBe(1);
};

/** Whole bodies with different digests. */
export const putTwice: Story = async (world) => {
  const location = await begin(world.send, REPOSITORY);
  const puts = [noise(20), noise(30), noise(150)].map((bytes) => putOf(world, location, bytes));
  expect((await judge(world, puts)).accepted).toBe(1);
};

/** Two of them, for searches of every order. */
export const putPair: Story = async (world) => {
  const location = await begin(world.send, REPOSITORY);
  const puts = [noise(20), noise(30)].map((bytes) => putOf(world, location, bytes));
  expect((await judge(world, puts)).accepted).toBe(1);
};

/** One PUT and its repetition, for searches of every order. */
export const repeatedPair: Story = async (world) => {
  const bytes = noise(20);
  const location = await begin(world.send, REPOSITORY);
  const puts = [putOf(world, location, bytes), putOf(world, location, bytes)];
  expect((await judge(world, puts)).accepted).toBe(2);
};

/** The registry has one of the contents: its second copy must not be deleted from under the other content. */
export const putKnownAndNew: Story = async (world) => {
  const known = noise(20);
  await upload(world.send, 'elsewhere', known);
  const location = await begin(world.send, REPOSITORY);
  const puts = [known, known, noise(20)].map((bytes) => putOf(world, location, bytes));
  const { accepted } = await judge(world, puts);
  expect([1, 2]).toContain(accepted);
};

/** The same content by two algorithms. */
export const putTwoAlgorithms: Story = async (world) => {
  const bytes = noise(100);
  const location = await begin(world.send, REPOSITORY);
  const { accepted } = await judge(world, [
    putOf(world, location, bytes),
    putOf(world, location, bytes, 'sha512'),
  ]);
  expect(accepted).toBe(1);
};

/** Bytes whose hash nobody kept, named by two algorithms and by a lie. */
export const putUnverified: Story = async (world) => {
  const parts = [noise(100), noise(20)] as const;
  const bytes = Buffer.concat(parts);
  let location = await begin(world.send, REPOSITORY);
  for (const part of parts) location = await patch(world.send, location, part);
  const claim = (digest: string): Put => ({ bytes, digest, run: () => end(world.send, location, digest) });
  const claims = [digestOf(bytes), digestOf(bytes), digestOf(bytes, 'sha512'), digestOf(parts[0])].map(claim);
  const { accepted } = await judge(world, claims);
  expect([1, 2]).toContain(accepted);
};

/** Nothing is left of a cancelled session, and a finished one cannot be cancelled. */
export const cancelled: Story = async (world) => {
  const bytes = noise(100);
  const location = await begin(world.send, REPOSITORY);
  const { accepted, others } = await judge(
    world,
    [putOf(world, location, bytes)],
    [() => world.send('DELETE', location)],
  );
  expect(others.map(({ status }) => [204, 404].includes(status))).toEqual([true]);
  expect(await world.serves(REPOSITORY, digestOf(bytes), bytes)).toBe(accepted === 1);
};

/** A PATCH that comes while the session is closed neither harms it nor gets in. */
export const patchedWhileClosing: Story = async (world) => {
  const bytes = noise(100);
  const location = await patch(world.send, await begin(world.send, REPOSITORY), bytes);
  const { accepted } = await judge(
    world,
    [{ bytes, digest: digestOf(bytes), run: () => end(world.send, location, digestOf(bytes)) }],
    [() => world.send('PATCH', location, { body: noise(100), chunked: true })],
  );
  expect(accepted).toBe(1);
};

/** A client that heard nothing sends its closing request again while the first is still under way. */
export const repeated: Story = async (world) => {
  const bytes = noise(100);
  const location = await begin(world.send, REPOSITORY);
  const puts = Array.from({ length: 3 }, () => putOf(world, location, bytes));
  expect((await judge(world, puts)).accepted).toBe(3);
};

/** More pieces than the state can name, then a fork of it. */
export const longChain: Story = async (world) => {
  let location = await begin(world.send, REPOSITORY);
  const parts = Array.from({ length: 42 }, () => noise(3));
  for (const part of parts) location = await patch(world.send, location, part, { chunked: false });
  const fork = (last: Uint8Array): Put => {
    const bytes = Buffer.concat([...parts, last]);
    return {
      bytes,
      digest: digestOf(bytes),
      run: async () =>
        await end(world.send, await patch(world.send, location, last, { chunked: false }), digestOf(bytes)),
    };
  };
  expect((await judge(world, [fork(noise(5)), fork(noise(5))])).accepted).toBe(1);
};
