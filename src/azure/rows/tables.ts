import type { TableClient } from '@azure/data-tables';
import type { TableName } from '../../model/record.ts';
import type { Credential } from '../credential.ts';
import { isPassing } from '../outcome.ts';
import { type Operation, type Refusal, refusalOf } from './transaction.ts';

export interface Tables {
  readonly clients: Readonly<Record<TableName, TableClient>>;
  /**
   * Sends what the SDK has no method for. A refusal for the state of a row or table is returned, with the error to
   * blame; any other answer than success is thrown as the SDK would.
   */
  readonly send: (
    table: TableName,
    operation: Operation,
    abortSignal: AbortSignal,
  ) => Promise<(Refusal & { cause: Error }) | undefined>;
}

/** The version that the SDK's own calls ask for. */
const VERSION = '2019-02-02';

export async function connectTables(endpoint: string, credential: Credential): Promise<Tables> {
  const [sdk, rest] = await Promise.all([import('@azure/data-tables'), import('@azure/core-rest-pipeline')]);
  const options = { allowInsecureConnection: endpoint.startsWith('http:'), retryOptions: { maxRetries: 0 } };
  const key =
    credential.kind === 'key'
      ? new sdk.AzureNamedKeyCredential(credential.account, credential.key)
      : undefined;
  const token = credential.kind === 'token' ? await credential.token() : undefined;
  const open = (name: TableName): TableClient => {
    if (key) return new sdk.TableClient(endpoint, name, key, options);
    if (token) return new sdk.TableClient(endpoint, name, token, options);
    return new sdk.TableClient(endpoint, name, options);
  };
  const clients = { blobs: open('blobs'), repos: open('repos') };
  const http = rest.createDefaultHttpClient();
  return {
    clients,
    async send(table, { method, url, headers, body }, abortSignal) {
      const request = rest.createPipelineRequest({
        url,
        method,
        headers: rest.createHttpHeaders({ ...headers, 'x-ms-version': VERSION }),
        ...(body !== undefined && { body }),
        abortSignal,
        allowInsecureConnection: options.allowInsecureConnection,
      });
      const response = await clients[table].pipeline.sendRequest(http, request);
      const refusal = refusalOf(response.status, response.bodyAsText ?? '');
      if (refusal === undefined) return undefined;
      const { code, status: statusCode } = refusal;
      const cause = new rest.RestError(refusal.message, { code, statusCode, request, response });
      if (isPassing(cause) || ![404, 409, 412].includes(statusCode)) throw cause;
      return { ...refusal, cause };
    },
  };
}
