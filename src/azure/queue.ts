import type { QueueClient } from '@azure/storage-queue';
import { JOB_QUEUE, type Work } from '../store/work.ts';
import { once, type Credential } from './credential.ts';
import { BRIEF, codeOf, insist } from './outcome.ts';

/** The job queue in Azure Queue Storage. Messages are JSON as it stands, without Base64, as host.json says. */
export function openQueue(endpoint: string, credential: Credential): Work & { prepare(): Promise<void> } {
  const queue = once(() => connect(endpoint, credential));
  const prepare = async (): Promise<void> => {
    const client = await queue();
    await insist(BRIEF, (abortSignal) => client.createIfNotExists({ abortSignal }));
  };
  return {
    prepare,
    async send(job, delaySeconds) {
      const client = await queue();
      const send = () =>
        insist(BRIEF, (abortSignal) =>
          client.sendMessage(toText(job), {
            abortSignal,
            visibilityTimeout: delaySeconds ?? 0,
            // The default drops a message after seven days.
            messageTimeToLive: -1,
          }),
        );
      try {
        await send();
      } catch (error) {
        if (codeOf(error) !== 'QueueNotFound') throw error;
        await prepare();
        await send();
      }
    },
    async receive(max, hideSeconds) {
      const client = await queue();
      try {
        const answer = await insist(BRIEF, (abortSignal) =>
          client.receiveMessages({ abortSignal, numberOfMessages: max, visibilityTimeout: hideSeconds }),
        );
        return answer.receivedMessageItems.map((message) => ({
          body: fromText(message.messageText),
          attempt: message.dequeueCount,
          done: () => remove(client, message.messageId, message.popReceipt),
        }));
      } catch (error) {
        if (codeOf(error) === 'QueueNotFound') return [];
        throw error;
      }
    },
  };
}

async function connect(endpoint: string, credential: Credential): Promise<QueueClient> {
  const sdk = await import('@azure/storage-queue');
  const proof =
    credential.kind === 'key'
      ? new sdk.StorageSharedKeyCredential(credential.account, credential.key)
      : await credential.token();
  const service = new sdk.QueueServiceClient(endpoint, proof, { retryOptions: { maxTries: 1 } });
  return service.getQueueClient(JOB_QUEUE);
}

/** The receipt is stale when the job came back to somebody else: then it is theirs to remove. */
const STALE = new Set(['MessageNotFound', 'PopReceiptMismatch', 'QueueNotFound']);

async function remove(client: QueueClient, id: string, receipt: string): Promise<void> {
  try {
    await insist(BRIEF, (abortSignal) => client.deleteMessage(id, receipt, { abortSignal }));
  } catch (error) {
    if (!STALE.has(codeOf(error) ?? '')) throw error;
  }
}

/** JSON in ASCII: messages travel inside XML, which cannot carry every character. */
function toText(job: unknown): string {
  return JSON.stringify(job).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function fromText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
