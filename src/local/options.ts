import { isIP } from 'node:net';
import { parseArgs } from 'node:util';

/** What the command line of the local host says. */
export interface LocalOptions {
  readonly host: string;
  readonly port: number;
  /** Where everything is kept. */
  readonly data: string;
  /** Which storage: the embedded Azurite, a directory, or the account that settings name. */
  readonly storage: 'azurite' | 'disk' | 'account';
  /** Undefined: plain http. */
  readonly tls?: 'development' | { readonly cert: string; readonly key: string };
  /** Only this machine can reach the host. */
  readonly loopback: boolean;
  /** No sign-in. */
  readonly open: boolean;
  /** Settings that hold unless the environment says otherwise. */
  readonly usual: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, string>>;
}

export const HELP = `functionary: a container registry that speaks Azure Container Registry's wire

Usage: npm start -- [options]

  --port N              port to listen on; 0 picks a free one        (default 5000)
  --host ADDRESS        address to listen on; others than loopback need
                        PUBLIC_URL, and cannot be --open             (default 127.0.0.1)
  --data DIR            where the embedded Azurite keeps everything  (default .data)
  --disk DIR            keep everything in DIR as files and SQLite,
                        without Azurite
  --account             use the storage account that the settings
                        DATA or DATA__blobServiceUri … name
  --downloads HOW       redirect: clients fetch blobs from storage
                        by signed links; proxy: through this host    (default redirect;
                        proxy for https over the embedded Azurite)
  --upload-endpoint URL host that takes upload bytes, running this
                        same program over the same storage
  --max-body BYTES      largest request body; 0 for no limit         (default 0)
  --tls                 https with a development certificate, made
                        once and kept beside the data
  --tls-cert FILE --tls-key FILE
                        https with a certificate of your own (PEM)
  --open                let everybody do everything, without sign-in
  --log                 print a JSON line per request
  --help                print this

Settings in the environment (see the README's table) apply too; options win.

Examples:
  npm start
  npm start -- --disk /var/lib/functionary --port 5001
  npm start -- --tls --port 5443
`;

/** Reads the command line; 'help' when asked for. Throws an Error that a person can act on. */
export function readOptions(args: readonly string[]): LocalOptions | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: 'string', default: '5000' },
      host: { type: 'string', default: '127.0.0.1' },
      data: { type: 'string', default: '.data' },
      disk: { type: 'string' },
      account: { type: 'boolean', default: false },
      downloads: { type: 'string' },
      'upload-endpoint': { type: 'string' },
      'max-body': { type: 'string', default: '0' },
      log: { type: 'boolean', default: false },
      tls: { type: 'boolean', default: false },
      'tls-cert': { type: 'string' },
      'tls-key': { type: 'string' },
      open: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  if (!/^\d{1,5}$/.test(values.port) || Number(values.port) > 65_535)
    throw new Error('--port: a number to 65535 is wanted');
  const loopback = isLoopback(values.host);
  if (values.open && !loopback)
    throw new Error(`--host: ${values.host} is not a loopback address, and --open would let everybody in`);
  if (values.account && values.disk !== undefined) throw new Error('--account and --disk exclude each other');
  const tls = readTls(values.tls, values['tls-cert'], values['tls-key']);
  const storage = values.account ? 'account' : values.disk === undefined ? 'azurite' : 'disk';
  return {
    ...(tls && { tls }),
    // The emulator's links are http, which whoever came by https may refuse to follow, and lead to this machine only.
    usual: storage === 'azurite' && (tls || !loopback) ? { DOWNLOADS: 'proxy' } : {},
    host: values.host,
    loopback,
    port: Number(values.port),
    data: values.disk ?? values.data,
    open: values.open,
    storage,
    settings: {
      MAX_BODY_BYTES: values['max-body'],
      ...(values.downloads !== undefined && { DOWNLOADS: values.downloads }),
      ...(values['upload-endpoint'] !== undefined && { UPLOAD_ENDPOINT: values['upload-endpoint'] }),
      ...(values.log && { LOG_REQUESTS: 'true' }),
    },
  };
}

function readTls(wanted: boolean, cert: string | undefined, key: string | undefined): LocalOptions['tls'] {
  if (cert !== undefined && key !== undefined) return { cert, key };
  if (cert !== undefined || key !== undefined)
    throw new Error('--tls-cert and --tls-key: one needs the other');
  return wanted ? 'development' : undefined;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
