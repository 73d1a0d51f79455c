import { app } from '@azure/functions';

/**
 * The prefix of the settings by which queue triggers reach the account that holds the registry's data:
 * `DATA__queueServiceUri`, `DATA__credential` and `DATA__clientId` with a managed identity, or `DATA` alone with a
 * connection string on a developer's machine. `AzureWebJobsStorage` stays the host's own account.
 */
export const DATA_CONNECTION = 'DATA';

/**
 * Registers one function for each queue, and one for what the host gave up on (host.json's `maxDequeueCount`). A job
 * that throws comes back after host.json's `visibilityTimeout`.
 */
export function registerQueues(
  queues: readonly string[],
  run: (queue: string, body: unknown) => Promise<void>,
): void {
  for (const queue of queues) {
    app.storageQueue(queue, {
      queueName: queue,
      connection: DATA_CONNECTION,
      handler: async (body) => await run(queue, body),
    });
    app.storageQueue(`${queue}-poison`, {
      queueName: `${queue}-poison`,
      connection: DATA_CONNECTION,
      // Reading the message removes it: jobs only wake work that the rows know of, so the log is the place to find it.
      handler: (body, context) => {
        context.error(JSON.stringify({ message: 'a job was given up', queue, job: body }));
      },
    });
  }
}
