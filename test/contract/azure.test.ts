import { openAzurite } from '../support/azurite.ts';
import { blobsContract } from './blobs.ts';
import { recordsContract } from './records.ts';
import { workContract } from './work.ts';

recordsContract('records in Azure tables', openAzurite);
blobsContract('blobs in Azure', openAzurite);
workContract('work in Azure queues', openAzurite);
