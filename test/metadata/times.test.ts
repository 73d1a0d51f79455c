import { expect, test } from 'vitest';
import { adapters, openTestApp } from '../support/app.ts';
import { pushImage } from '../support/push.ts';

test.each(adapters)(
  'nothing is shown as updated before it was created, however the clock ticks during a push, on %s',
  async (adapter) => {
    let time = Date.now();
    const clock = { now: () => (time += 1), advance: () => undefined };
    const app = await openTestApp({ adapter, clock });
    try {
      const { manifest } = await pushImage(app, 'app', 'v1');
      for (const path of ['', '/_tags/v1', `/_manifests/${manifest.digest}`]) {
        const answer = await app.fetch('GET', `/acr/v1/app${path}`);
        const text = await answer.text();
        const [, created = 'none'] = /"createdTime":"([^"]+)"/.exec(text) ?? [];
        const [, updated = ''] = /"lastUpdateTime":"([^"]+)"/.exec(text) ?? [];
        expect(created <= updated, `${path}: ${created}, ${updated}`).toBe(true);
      }
    } finally {
      await app.close();
    }
  },
);
