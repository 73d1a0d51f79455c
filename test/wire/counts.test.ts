import { expect, test } from 'vitest';
import { parseRepositoryName } from '../../src/model/names.ts';
import { repositoryKey } from '../../src/model/record.ts';
import { type Properties, always, put } from '../../src/store/records.ts';
import { adapters, openTestApp } from '../support/app.ts';
import { clientOf, document, publish } from '../support/client.ts';
import { breaches } from '../support/invariants.ts';

test.each(adapters)(
  'a repository from before its row told how much it holds is counted, not taken for empty, on %s',
  async (adapter) => {
    const opened = await openTestApp({ adapter });
    const { app, stores, registry } = opened;
    try {
      const send = clientOf(app);
      for (const text of ['a', 'b', 'c']) await publish(send, 'old', text, document(text));
      const key = repositoryKey({ registry, name: parseRepositoryName('old') });
      const { created = 0, updated = '' }: Properties = (await stores.records.get(key))?.value ?? {};
      const old = { name: 'old', created, updated };
      await stores.records.batch(key.table, key.partition, [put<Properties>(key, old, always)]);
      expect((await send('DELETE', `/v2/old/manifests/${document('a').digest}`)).status).toBe(202);
      expect(await breaches(stores, registry)).toEqual([]);
      expect((await send('HEAD', '/v2/old/manifests/b')).status).toBe(200);
    } finally {
      await opened.close();
    }
  },
);
