import { X509Certificate, createPrivateKey, webcrypto } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { isIP } from 'node:net';
import path from 'node:path';

/** What node:https needs, as PEM. */
export interface Tls {
  readonly key: string;
  /** The certificate, then those above it. */
  readonly cert: string;
  /** File that clients must trust; undefined where the certificate is the owner's own. */
  readonly trust?: string;
}

/** Most verifiers allow a leaf no more than 825 days. */
const LIFE_MS = 820 * 86_400_000;
/** So long before its end a certificate is made anew, so that no server outlives its own. */
const MARGIN_MS = 30 * 86_400_000;
/** Clocks of clients may be behind. */
const BACKDATE_MS = 86_400_000;
const SIGNING = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/**
 * The development certificate in `dir`, for localhost and `host`: made on first use, and again near its end or for
 * another host. Its authority signs this one certificate and is forgotten, so whoever trusts it trusts nothing else.
 */
export async function loadDevelopmentTls(dir: string, host: string, now = Date.now()): Promise<Tls> {
  const files = { key: path.join(dir, 'key.pem'), cert: path.join(dir, 'cert.pem') };
  const trust = path.join(dir, 'ca.pem');
  const kept = await readKept(files.key, files.cert, trust);
  if (kept && isUsable(kept, host, now)) return { key: kept.key, cert: kept.cert, trust };
  const { key, cert, ca } = await issue(host, now);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await write(files.key, key, 0o600);
  await write(trust, ca, 0o644);
  await write(files.cert, cert, 0o644);
  return { key, cert, trust };
}

/** The owner's own certificate. Throws an Error that a person can act on. */
export async function readOwnTls(certFile: string, keyFile: string): Promise<Tls> {
  // One after the other, so that of two that cannot be read always the same is named.
  const cert = await readNamed('--tls-cert', certFile);
  const key = await readNamed('--tls-key', keyFile);
  if (!matches(cert, key)) throw new Error('--tls-cert and --tls-key: not a PEM certificate and its key');
  return { key, cert };
}

/** How clients come to trust the development certificate; `address` is `host:port`. */
export function explainTrust(trust: string, address: string): string {
  const file = path.resolve(trust);
  return (
    `the certificate is our own; for clients to trust it:\n` +
    `  docker, podman:  sudo install -D ${file} /etc/docker/certs.d/${address}/ca.crt\n` +
    `                   (podman: /etc/containers/certs.d/${address}/ca.crt)\n` +
    `  Go tools:        export SSL_CERT_FILE=${file}\n` +
    `  Node.js:         export NODE_EXTRA_CA_CERTS=${file}\n` +
    `  Python, az:      export REQUESTS_CA_BUNDLE=${file}\n\n`
  );
}

interface Kept {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

async function readKept(keyFile: string, certFile: string, caFile: string): Promise<Kept | undefined> {
  try {
    const [key, cert, ca] = await Promise.all(
      [keyFile, certFile, caFile].map(async (file) => await readFile(file, 'utf8')),
    );
    return key === undefined || cert === undefined || ca === undefined ? undefined : { key, cert, ca };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Parts of two different makings do not fit: a stop in the middle of one leaves such. */
function isUsable({ key, cert, ca }: Kept, host: string, now: number): boolean {
  if (!matches(cert, key) || !isCertificate(ca)) return false;
  const leaf = new X509Certificate(cert);
  const names = isIP(host) === 0 ? leaf.checkHost(host) : leaf.checkIP(host);
  return (
    leaf.verify(new X509Certificate(ca).publicKey) &&
    names !== undefined &&
    leaf.validToDate.getTime() - now > MARGIN_MS
  );
}

function matches(cert: string, key: string): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).ca;
  } catch {
    return false;
  }
}

async function readNamed(option: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new Error(`${option}: ${file} cannot be read`, { cause });
  }
}

async function issue(host: string, now: number): Promise<Kept> {
  // Loaded only here, since nobody else makes certificates; the second cannot load without the first.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const dates = { notBefore: new Date(now - BACKDATE_MS), notAfter: new Date(now + LIFE_MS) };
  const [authority, leaf] = await Promise.all([newKeys(), newKeys()]);
  const name = 'Functionary development authority';
  const ca = await x509.X509CertificateGenerator.createSelfSigned(
    {
      ...dates,
      name: `CN=${name}`,
      keys: authority,
      signingAlgorithm: SIGNING,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
        await x509.SubjectKeyIdentifierExtension.create(authority.publicKey),
      ],
    },
    webcrypto,
  );
  const cert = await x509.X509CertificateGenerator.create(
    {
      ...dates,
      subject: 'CN=localhost',
      issuer: ca.subject,
      publicKey: leaf.publicKey,
      signingKey: authority.privateKey,
      signingAlgorithm: SIGNING,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(namesFor(host)),
        await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey),
        await x509.SubjectKeyIdentifierExtension.create(leaf.publicKey),
      ],
    },
    webcrypto,
  );
  const key = await webcrypto.subtle.exportKey('pkcs8', leaf.privateKey);
  return {
    key: x509.PemConverter.encode(key, 'PRIVATE KEY'),
    cert: `${cert.toString('pem')}\n`,
    ca: `${ca.toString('pem')}\n`,
  };
}

async function newKeys() {
  return await webcrypto.subtle.generateKey(SIGNING, true, ['sign', 'verify']);
}

function namesFor(host: string) {
  const names = [...new Set(['localhost', '127.0.0.1', '::1', host])];
  return names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value }));
}

async function write(file: string, text: string, mode: number): Promise<void> {
  const fresh = `${file}.${process.pid}.new`;
  const handle = await open(fresh, 'w', mode);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(fresh, file);
}
