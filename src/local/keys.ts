import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import path from 'node:path';

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
