import { randomBytes } from 'node:crypto';
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { KeyStore } from '../store/keys.ts';
import { openVaultKeys } from '../azure/vault.ts';
import type { KeyConfig } from './config.ts';

/** Where the configuration says that signing keys rest. No call yet. */
export function openKeyStore(config: KeyConfig): KeyStore {
  return config.kind === 'file' ? fileKeys(config.file) : openVaultKeys(config.uri, config.clientId);
}

/** A file that its owner alone can read. */
function fileKeys(file: string): KeyStore {
  const load = async () => {
    try {
      return await readFile(file, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    }
  };
  return {
    load,
    async save(text, previous) {
      await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
      // Processes in containers that share a volume may have the same id.
      const fresh = `${file}.${randomUUID()}.new`;
      const handle = await open(fresh, 'w', 0o600);
      try {
        await handle.writeFile(text);
        await handle.sync();
      } finally {
        await handle.close();
      }
      if (previous !== undefined) {
        await rename(fresh, file);
        return;
      }
      try {
        // Unlike a rename, a link never replaces what another process made first.
        await link(fresh, file);
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      } finally {
        await rm(fresh);
      }
    },
  };
}

/** The secret of upload sessions, kept beside the data so that a restart does not end them; readable by its owner alone. */
export async function loadUploadKey(dir: string): Promise<string> {
  const file = path.join(dir, 'keys', 'upload.key');
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  try {
    const created = await open(file, 'wx', 0o600);
    await created.writeFile(randomBytes(32).toString('base64'));
    await created.sync();
    await created.close();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  return await readFile(file, 'utf8');
}
