import path from 'node:path';
import { adminPasswords, enableAdmin } from '../access/admin.ts';
import { readRegistry, registryExists } from '../access/registry.ts';
import { type App, openApp } from '../app/compose.ts';
import { loadUploadKey } from '../app/keys.ts';
import type { AzureOptions } from '../azure/account.ts';
import type { Environment } from '../app/config.ts';
import { startAzurite } from './azurite.ts';
import { startClocks } from './clocks.ts';
import { HELP, type LocalOptions, readOptions } from './options.ts';
import { listen } from './server.ts';
import { type Tls, explainTrust, loadDevelopmentTls, readOwnTls } from './tls/certificate.ts';

/** Runs the local host until a signal; resolves to the exit code. */
export async function runHost(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  const stopAsked = signalled();
  const storage = await openStorage(options);
  try {
    const app = await openApp({
      ...options.usual,
      ...process.env,
      ...storage.settings,
      ...options.settings,
      ...(options.open
        ? { AUTHENTICATION: 'open' }
        : { AUTHENTICATION: 'required', KEY_FILE: path.join(options.data, 'keys', 'signing.json') }),
      FUNCTIONARY_LOOPBACK: String(options.loopback),
      UPLOAD_KEY: process.env['UPLOAD_KEY'] ?? (await loadUploadKey(options.data)),
    });
    try {
      await serveUntil(app, options, stopAsked);
    } finally {
      await app.close();
    }
  } finally {
    await storage.stop();
  }
  return 0;
}

async function serveUntil(app: App, options: LocalOptions, stopAsked: Promise<string>) {
  const tls = await loadTls(options);
  const listening = await listen(app, options.host, options.port, tls);
  const stopClocks = startClocks(app);
  const address = new URL(app.config.publicUrl ?? listening.url).host;
  const login = await firstLogin(app, address);
  process.stdout.write(
    `listening on ${listening.url}\n` +
      `data in ${path.resolve(options.data)}\n\n` +
      (tls?.trust === undefined ? login : `${explainTrust(tls.trust, address)}${login}`) +
      `  docker tag hello-world ${address}/hello:1 && docker push ${address}/hello:1\n\n`,
  );
  process.stdout.write(`${await stopAsked}: stopping\n`);
  await listening.stop();
  await stopClocks();
}

async function loadTls({ tls, data, host }: LocalOptions): Promise<Tls | undefined> {
  if (tls === 'development') return await loadDevelopmentTls(path.join(data, 'tls'), host);
  return tls && (await readOwnTls(tls.cert, tls.key));
}

/**
 * The line to sign in with. The admin user is turned on once, when the registry is new, so that somebody can sign in
 * at all; whoever turned it off later meant it.
 */
async function firstLogin({ config, context, auth }: App, address: string): Promise<string> {
  if (!auth) return '';
  const [registry] = config.registries;
  const { admin } = (await registryExists(context, registry))
    ? await readRegistry(context, registry)
    : await enableAdmin(context, registry, true);
  if (!admin.enabled) return '  (the admin user is off: sign in with a token)\n\n';
  const [password] = adminPasswords(context, registry, { admin });
  return `  docker login ${address} --username ${registry} --password ${password?.value}\n`;
}

async function openStorage({
  storage,
  data,
}: LocalOptions): Promise<{ settings: Environment; stop: () => Promise<void> }> {
  if (storage === 'account') return { settings: { STORAGE: 'azure' }, stop: () => Promise.resolve() };
  if (storage === 'disk')
    return { settings: { STORAGE: 'disk', DISK_DIR: data }, stop: () => Promise.resolve() };
  const azurite = await startAzurite({
    dir: path.join(data, 'azurite'),
    blobPort: 0,
    tablePort: 0,
    queuePort: 0,
  });
  return {
    settings: { STORAGE: 'azure', DATA: connectionString(azurite.options) },
    stop: () => azurite.stop(),
  };
}

function connectionString({ blobEndpoint, tableEndpoint, queueEndpoint, credential }: AzureOptions): string {
  const key =
    credential.kind === 'key' ? `AccountName=${credential.account};AccountKey=${credential.key};` : '';
  return `${key}BlobEndpoint=${blobEndpoint};TableEndpoint=${tableEndpoint};QueueEndpoint=${queueEndpoint}`;
}

/** The first signal asks to stop in order; a second one ends at once, as impatient people expect. */
function signalled(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        resolve(signal);
        process.once(signal, () => process.exit(130));
      });
    }
  });
}
