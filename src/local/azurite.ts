import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import type { AzureOptions } from '../azure/account.ts';

export interface AzuriteOptions {
  /** Where data is kept; in memory, and lost at the end, when left out. */
  readonly dir?: string;
  /** Address to listen on; loopback when left out. */
  readonly host?: string;
  /** 0 or nothing for any free port. */
  readonly blobPort?: number;
  readonly queuePort?: number;
  readonly tablePort?: number;
  /** Names of storage accounts to have besides the emulator's own, as a deployment of several regions has. */
  readonly accounts?: readonly string[];
}

export interface Azurite {
  /** The emulator's own account, `devstoreaccount1`. */
  readonly options: AzureOptions;
  /** Throws for an account that was not asked for. */
  account(name: string): AzureOptions;
  /** Ends it; what was acknowledged is then on disk. */
  stop(): Promise<void>;
}

/** What the worker is told. */
export interface AzuriteOrder {
  readonly host: string;
  readonly dir: string | undefined;
  readonly blobPort: number;
  readonly queuePort: number;
  readonly tablePort: number;
}

/** What the worker reports. */
export interface AzuriteStarted {
  readonly blobPort: number;
  readonly queuePort: number;
  readonly tablePort: number;
}

/**
 * Starts Microsoft's storage emulator, in a thread of its own so that its hashing does not hold up requests. No
 * telemetry: only its command line sends any. Rejects when a port is taken or the data cannot be read.
 */
export async function startAzurite(options: AzuriteOptions = {}): Promise<Azurite> {
  const { dir, host = '127.0.0.1' } = options;
  if (dir !== undefined) await mkdir(dir, { recursive: true });
  const emulator = emulatorAccount();
  const keys = new Map([
    [emulator.name, emulator.key],
    ...(options.accounts ?? []).map((name) => [name, randomBytes(64).toString('base64')] as const),
  ]);
  const order: AzuriteOrder = {
    host,
    dir,
    blobPort: options.blobPort ?? 0,
    queuePort: options.queuePort ?? 0,
    tablePort: options.tablePort ?? 0,
  };
  const worker = new Worker(new URL('./azurite-worker.ts', import.meta.url), {
    workerData: order,
    env: { AZURITE_ACCOUNTS: [...keys].map((pair) => pair.join(':')).join(';') },
    execArgv: [],
  });
  const started = await new Promise<AzuriteStarted>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the storage emulator ended with code ${code}`)));
  });
  worker.removeAllListeners();
  const account = (name: string): AzureOptions => {
    const key = keys.get(name);
    if (key === undefined) throw new Error(`the storage emulator has no account ${name}`);
    return {
      blobEndpoint: `http://${host}:${started.blobPort}/${name}`,
      queueEndpoint: `http://${host}:${started.queuePort}/${name}`,
      tableEndpoint: `http://${host}:${started.tablePort}/${name}`,
      credential: { kind: 'key', account: name, key },
    };
  };
  return {
    options: account(emulator.name),
    account,
    async stop() {
      if (worker.threadId === -1) return;
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage('stop');
      await ended;
    },
  };
}

/** The account and key that the emulator publishes for everybody; they guard nothing. */
function emulatorAccount(): { name: string; key: string } {
  const constants: { EMULATOR_ACCOUNT_NAME: string; EMULATOR_ACCOUNT_KEY: Buffer } = createRequire(
    import.meta.url,
  )('azurite/dist/src/common/utils/constants.js');
  return { name: constants.EMULATOR_ACCOUNT_NAME, key: constants.EMULATOR_ACCOUNT_KEY.toString('base64') };
}
