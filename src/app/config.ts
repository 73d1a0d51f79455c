import type { AzureOptions } from '../azure/account.ts';
import {
  ENTRA_AUDIENCES,
  ENTRA_AUTHORITY,
  ENTRA_ISSUER,
  type EntraOptions,
} from '../auth/openid/directory.ts';
import { type TrustedProxies, addressRanges, isRange } from '../guard/address.ts';
import { type RegistryName, parseRegistryName } from '../model/names.ts';
import type { Settings } from '../store/context.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where state lies. */
export type StorageConfig =
  | { readonly kind: 'azure'; readonly options: AzureOptions }
  /** No directory: in memory, gone at the end. */
  | { readonly kind: 'disk'; readonly dir?: string };

/** Where the keys of our tokens rest. */
export type KeyConfig =
  | { readonly kind: 'file'; readonly file: string }
  /** Secrets of a Key Vault, by managed identity. */
  | { readonly kind: 'vault'; readonly uri: string; readonly clientId?: string };

/** Who may knock, how often, and what is written down about it; all of it only where sign-in is required. */
export interface GuardConfig {
  readonly proxies: TrustedProxies;
  /** ACR's limits of calls. */
  readonly rateLimits: boolean;
  /** A log line for each sign-in and each event of a repository. */
  readonly audit: boolean;
}

export interface AuthConfig {
  readonly keys: KeyConfig;
  /** Undefined: no directory, so nobody signs in by its tokens. */
  readonly entra?: EntraOptions;
}

export interface Config {
  readonly registries: readonly [RegistryName, ...RegistryName[]];
  /** `<registry>.<domain>` names a registry; without it every host names the first. */
  readonly domain?: string;
  readonly storage: StorageConfig;
  readonly settings: Settings;
  /** Base URL under which clients know the registry; undefined: as each request says, for a host on this machine. */
  readonly publicUrl?: string;
  /** Undefined: everybody may do everything, on a machine that only its owner reaches. */
  readonly auth?: AuthConfig;
  /** Left out: no proxy is trusted, nothing is limited or written down. */
  readonly guard?: GuardConfig;
  /** A request that runs longer is answered 503; undefined: never. In milliseconds. */
  readonly deadlineMs?: number;
  readonly logRequests: boolean;
}

/** What the Functions front end lets pass unless told otherwise (reference "HTTP", body limit). */
const FUNCTIONS_BODY_LIMIT = 104_857_600;
const MIB = 1024 * 1024;

/**
 * Reads settings, all of them named in the README's table. Throws an Error that names the setting and never its
 * value, since some are secrets.
 */
export function readConfig(env: Environment): Config {
  const auth = readAuth(env);
  const [first = 'registry', ...others] = (env['REGISTRIES'] ?? 'registry')
    .split(',')
    .map((name) => name.trim());
  const registries = [first, ...others].map((name) => named('REGISTRIES', () => parseRegistryName(name)));
  const domain = env['REGISTRY_DOMAIN']?.toLowerCase();
  if (domain && env['UPLOAD_ENDPOINT'])
    throw new Error('UPLOAD_ENDPOINT: cannot be combined with REGISTRY_DOMAIN, since it names no registry');
  const deadline = integer(env, 'REQUEST_SECONDS', 0, 0, 230);
  return {
    registries: [registries[0] ?? parseRegistryName(first), ...registries.slice(1)],
    ...(domain && { domain }),
    storage: readStorage(env),
    settings: readSettings(env),
    ...(env['PUBLIC_URL'] && { publicUrl: url(env, 'PUBLIC_URL') }),
    ...(auth && { auth, guard: readGuard(env) }),
    ...(deadline > 0 && { deadlineMs: deadline * 1000 }),
    logRequests: choice(env, 'LOG_REQUESTS', ['false', 'true']) === 'true',
  };
}

/** Sign-in is required unless only this machine can reach the host. */
function readAuth(env: Environment): AuthConfig | undefined {
  const local =
    env['AZURE_FUNCTIONS_ENVIRONMENT'] === 'Development' || env['FUNCTIONARY_LOOPBACK'] === 'true';
  if (choice(env, 'AUTHENTICATION', ['required', 'open']) === 'open') {
    if (!local) throw new Error('AUTHENTICATION: "open" is refused outside a development machine');
    return undefined;
  }
  if (!local && !env['PUBLIC_URL'])
    throw new Error('PUBLIC_URL: needed, since tokens and challenges name it');
  const entra = readEntra(env);
  return { keys: readKeys(env), ...(entra && { entra }) };
}

function readKeys(env: Environment): KeyConfig {
  const file = env['KEY_FILE'];
  if (file) return { kind: 'file', file };
  const clientId = env['DATA__clientId'];
  return { kind: 'vault', uri: url(env, 'KEY_VAULT_URI'), ...(clientId && { clientId }) };
}

/** A directory is trusted only when its tenants are named. */
function readEntra(env: Environment): EntraOptions | undefined {
  const tenants = list(env, 'ENTRA_TENANTS');
  if (tenants.length === 0) return undefined;
  if (!tenants.every((tenant) => /^[0-9A-Za-z._-]{1,100}$/.test(tenant)))
    throw new Error('ENTRA_TENANTS: ids of tenants are wanted, parted by commas');
  const authority = env['ENTRA_AUTHORITY'] ? secureUrl(env, 'ENTRA_AUTHORITY') : ENTRA_AUTHORITY;
  const audiences = list(env, 'ENTRA_AUDIENCES');
  const issuers = list(env, 'ENTRA_ISSUERS');
  const known = authority === ENTRA_AUTHORITY ? [ENTRA_ISSUER] : [];
  return {
    authority,
    tenants,
    audiences: audiences.length > 0 ? audiences : ENTRA_AUDIENCES,
    issuers: issuers.length > 0 ? issuers : known,
  };
}

function readGuard(env: Environment): GuardConfig {
  // On App Service and Functions the connection is the platform's own, which this variable tells.
  const usual = env['WEBSITE_SITE_NAME'] ? 'platform' : '';
  const entries = (env['TRUSTED_PROXIES'] ?? usual).split(',').map((entry) => entry.trim());
  const ranges = entries.filter((entry) => entry !== '' && entry !== 'platform');
  if (!ranges.every(isRange))
    throw new Error('TRUSTED_PROXIES: "platform", addresses and CIDR ranges are wanted');
  return {
    proxies: { platform: entries.includes('platform'), ranges: addressRanges(ranges) },
    rateLimits: choice(env, 'RATE_LIMITS', ['tier', 'off']) === 'tier',
    audit: choice(env, 'AUDIT', ['true', 'false']) === 'true',
  };
}

function readStorage(env: Environment): StorageConfig {
  const dir = env['DISK_DIR'];
  if (choice(env, 'STORAGE', ['azure', 'disk']) === 'disk') return { kind: 'disk', ...(dir && { dir }) };
  const publicBlobEndpoint = env['PUBLIC_BLOB_ENDPOINT'];
  const shared = publicBlobEndpoint ? { publicBlobEndpoint: url(env, 'PUBLIC_BLOB_ENDPOINT') } : {};
  if (env['DATA']) return { kind: 'azure', options: { ...readConnection(env['DATA']), ...shared } };
  const clientId = env['DATA__clientId'];
  return {
    kind: 'azure',
    options: {
      blobEndpoint: url(env, 'DATA__blobServiceUri'),
      tableEndpoint: url(env, 'DATA__tableServiceUri'),
      queueEndpoint: url(env, 'DATA__queueServiceUri'),
      credential: { kind: 'identity', ...(clientId && { clientId }) },
      ...shared,
    },
  };
}

/** A storage connection string, as Azure's tools print it. */
function readConnection(text: string): AzureOptions {
  if (text === 'UseDevelopmentStorage=true') return emulator();
  const parts = new Map(
    text
      .split(';')
      .map((part): [string, string] => [part.split('=', 1)[0] ?? '', part.slice(part.indexOf('=') + 1)]),
  );
  const account = parts.get('AccountName');
  const key = parts.get('AccountKey');
  if (!account || !key) throw new Error('DATA: not a connection string with AccountName and AccountKey');
  const endpoint = (service: string) =>
    parts.get(`${service[0]?.toUpperCase()}${service.slice(1)}Endpoint`) ??
    `${parts.get('DefaultEndpointsProtocol') ?? 'https'}://${account}.${service}.${parts.get('EndpointSuffix') ?? 'core.windows.net'}`;
  return {
    blobEndpoint: endpoint('blob'),
    tableEndpoint: endpoint('table'),
    queueEndpoint: endpoint('queue'),
    credential: { kind: 'key', account, key },
  };
}

/** The storage emulator where Azure's tools expect it; its account and key are public, the same everywhere. */
function emulator(): AzureOptions {
  const account = 'devstoreaccount1';
  return {
    blobEndpoint: `http://127.0.0.1:10000/${account}`,
    queueEndpoint: `http://127.0.0.1:10001/${account}`,
    tableEndpoint: `http://127.0.0.1:10002/${account}`,
    credential: {
      kind: 'key',
      account,
      key: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
    },
  };
}

function readSettings(env: Environment): Settings {
  const uploadKey = Buffer.from(env['UPLOAD_KEY'] ?? '', 'base64');
  if (uploadKey.length < 32) throw new Error('UPLOAD_KEY: at least 32 bytes in base64 are needed');
  const region = env['REGION'] ?? 'local';
  if (!/^[a-z0-9-]{1,40}$/.test(region)) throw new Error('REGION: 1-40 lower-case letters, digits or dashes');
  const bodyLimit = integer(env, 'FUNCTIONS_REQUEST_BODY_SIZE_LIMIT', FUNCTIONS_BODY_LIMIT, 1, 2 ** 53 - 1);
  const maxBodyBytes = integer(env, 'MAX_BODY_BYTES', bodyLimit, 0, 2 ** 53 - 1);
  const storageCapBytes = integer(env, 'STORAGE_CAP_BYTES', 0, 0, 2 ** 53 - 1);
  return {
    region,
    uploadKey,
    downloads: choice(env, 'DOWNLOADS', ['redirect', 'proxy']),
    linkSeconds: integer(env, 'LINK_SECONDS', 1200, 60, 86_400),
    ...(env['UPLOAD_ENDPOINT'] && { uploadEndpoint: url(env, 'UPLOAD_ENDPOINT') }),
    ...(maxBodyBytes > 0 && { maxBodyBytes }),
    maxManifestBytes: integer(env, 'MAX_MANIFEST_BYTES', 4 * MIB, 4 * MIB, 8 * MIB),
    uploadSeconds: integer(env, 'UPLOAD_SECONDS', 86_400, 600, 6 * 86_400),
    ...(storageCapBytes > 0 && { storageCapBytes }),
    sparseIndexes: choice(env, 'INDEX_CHILDREN', ['required', 'optional']) === 'optional',
  };
}

/** One of `allowed`, the first by default. */
function choice<const T extends string>(env: Environment, name: string, allowed: readonly [T, ...T[]]): T {
  const value = env[name];
  if (value === undefined || value === '') return allowed[0];
  const found = allowed.find((option) => option === value);
  if (found === undefined) throw new Error(`${name}: one of ${allowed.join(', ')} is wanted`);
  return found;
}

function integer(env: Environment, name: string, usual: number, least: number, most: number): number {
  const text = env[name];
  if (text === undefined || text === '') return usual;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most))
    throw new Error(`${name}: a whole number from ${least} to ${most} is wanted`);
  return value;
}

/** The entries of a list parted by commas. */
function list(env: Environment, name: string): string[] {
  return (env[name] ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

/** Who could change what lies there could sign in as anybody, so only this machine may be spoken to in the clear. */
function secureUrl(env: Environment, name: string): string {
  const text = url(env, name);
  const { protocol, hostname } = new URL(text);
  if (protocol === 'http:' && !/^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname))
    throw new Error(`${name}: https is wanted`);
  // A URL writes braces as codes.
  return text.replaceAll('%7Btenant%7D', '{tenant}');
}

function url(env: Environment, name: string): string {
  return named(name, () => {
    const { protocol, href } = new URL(env[name] ?? '');
    if (protocol !== 'http:' && protocol !== 'https:') throw new Error('not http');
    return href.replace(/\/+$/, '');
  });
}

function named<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch {
    throw new Error(`${name}: missing or not valid`);
  }
}
