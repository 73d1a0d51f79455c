import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import type { Delivery, Job, Work } from '../../src/store/work.ts';
import { freshName, freshRegistry, poll } from '../support/sample.ts';

/** What every `Work` must do. The queue may hold jobs of others, whom these tests only delay. */
export function workContract(
  name: string,
  open: () => Promise<{ work: Work; close(): Promise<void> }>,
): void {
  describe(`${name}: work`, () => {
    let work: Work;
    let close: () => Promise<void>;

    beforeAll(async () => {
      const opened = await open();
      work = opened.work;
      close = () => opened.close();
    });

    afterAll(async () => {
      await close();
    });

    test('a job that was sent is handed out with its body, as attempt 1', async () => {
      const job = newJob();
      await work.send(job);
      const delivery = await find(work, job, 30);
      expect(delivery?.body).toEqual(job);
      expect(delivery?.attempt).toBe(1);
      await delivery?.done();
    });

    test('text of any script and control characters arrive as they were sent', async () => {
      const job = newJob('é漢😀 \u0001\n"<&>\\ \u2028');
      await work.send(job);
      const delivery = await find(work, job, 30);
      expect(delivery?.body).toEqual(job);
      await delivery?.done();
    });

    test('a job of nearly 48 KiB arrives whole', async () => {
      const job = newJob('x'.repeat(47 * 1024));
      await work.send(job);
      const delivery = await find(work, job, 30);
      expect(delivery?.body).toEqual(job);
      await delivery?.done();
    });

    test('a job handed out is hidden from others for its hiding time', async () => {
      const job = newJob();
      await work.send(job);
      const delivery = await find(work, job, 60);
      expect(delivery).toBeDefined();
      const others = await work.receive(32, 1);
      expect(others.some((other) => isAbout(other, job))).toBe(false);
      await delivery?.done();
    });

    test('a job that is not done comes back with its attempts counted up', async () => {
      const job = newJob();
      await work.send(job);
      expect((await find(work, job, 1))?.attempt).toBe(1);
      expect((await find(work, job, 1))?.attempt).toBe(2);
      const third = await find(work, job, 30);
      expect(third?.attempt).toBe(3);
      expect(third?.body).toEqual(job);
      await third?.done();
    });

    test('a job that is done does not come back', async () => {
      const finished = newJob();
      const repeated = newJob();
      await work.send(finished);
      await (await find(work, finished, 1))?.done();
      await work.send(repeated);
      expect((await find(work, repeated, 1))?.attempt).toBe(1);

      // The second job was hidden after the first: when it is back, the first would have been back as well.
      let ghost = false;
      const back = await poll(async () => {
        const deliveries = await work.receive(32, 30);
        ghost ||= deliveries.some((delivery) => isAbout(delivery, finished));
        return deliveries.find((delivery) => isAbout(delivery, repeated));
      });
      expect(back?.attempt).toBe(2);
      expect(ghost).toBe(false);
      await back?.done();
    });

    test('a job sent with a delay is handed out when the delay is over, not before', async () => {
      const job = newJob();
      const sent = Date.now();
      await work.send(job, 2);
      const delivery = await find(work, job, 30);
      expect(delivery?.attempt).toBe(1);
      // Storage may count whole seconds.
      expect(Date.now() - sent).toBeGreaterThanOrEqual(1000);
      await delivery?.done();
    });

    test('each of many jobs sent at once is handed out, at most as many at a time as asked for', async () => {
      const jobs = Array.from({ length: 12 }, () => newJob());
      await Promise.all(jobs.map((job) => work.send(job)));
      const missing = new Set(jobs.map((job) => job.name));
      const sizes: number[] = [];
      await poll(async () => {
        const deliveries = await work.receive(5, 30);
        sizes.push(deliveries.length);
        for (const delivery of deliveries) {
          const job = jobs.find((one) => isAbout(delivery, one));
          if (!job) continue;
          missing.delete(job.name);
          await delivery.done();
        }
        return missing.size === 0 ? true : undefined;
      });
      expect([...missing]).toEqual([]);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(5);
    });

    test('a job is handed to one of several that ask at the same time', async () => {
      const job = newJob();
      await work.send(job);
      const takers = await poll(async () => {
        const answers = await Promise.all(Array.from({ length: 8 }, () => work.receive(32, 30)));
        const found = answers.flat().filter((delivery) => isAbout(delivery, job));
        return found.length === 0 ? undefined : found;
      });
      expect(takers).toHaveLength(1);
      await takers?.[0]?.done();
    });
  });
}

type Discard = Extract<Job, { kind: 'discard' }>;

function newJob(suffix = ''): Discard {
  return {
    kind: 'discard',
    registry: freshRegistry(),
    name: freshName() + suffix,
    digest: digestOf(Buffer.from('job')),
  };
}

function isAbout(delivery: Delivery, job: Discard): boolean {
  const { body } = delivery;
  return typeof body === 'object' && body !== null && 'name' in body && body.name === job.name;
}

function find(work: Work, job: Discard, hideSeconds: number): Promise<Delivery | undefined> {
  return poll(async () => {
    const deliveries = await work.receive(32, hideSeconds);
    return deliveries.find((delivery) => isAbout(delivery, job));
  });
}
