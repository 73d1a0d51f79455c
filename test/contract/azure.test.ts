import { afterAll } from 'vitest';
import { openAzurite } from '../support/azurite.ts';
import { blobsContract } from './blobs.ts';
import { recordsContract } from './records.ts';
import { workContract } from './work.ts';

const storage = openAzurite();
const open = async () => ({ ...(await storage), close: () => Promise.resolve() });

afterAll(async () => {
  await (await storage).close();
});

recordsContract('records in Azure tables', open);
blobsContract('blobs in Azure', open);
workContract('work in Azure queues', open);
