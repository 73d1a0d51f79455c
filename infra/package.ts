import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { buildApp } from './build.ts';
import { zip } from './zip.ts';
import type { ZipEntry } from './zip.ts';

const root = path.resolve(import.meta.dirname, '..');

export interface Package {
  readonly file: string;
  readonly entries: readonly ZipEntry[];
  readonly bytes: Buffer;
}

/** Bundles the app and packs it, ready to run: no node_modules, no build on the server, no source maps. */
export async function packageApp(options: { app?: string; file?: string } = {}): Promise<Package> {
  const { out } = await buildApp(options.app === undefined ? {} : { out: options.app });
  const entries: ZipEntry[] = [];
  for (const found of await readdir(out, { recursive: true, withFileTypes: true })) {
    if (!found.isFile() || found.name.endsWith('.map')) continue;
    const full = path.join(found.parentPath, found.name);
    entries.push({ name: path.relative(out, full).replaceAll(path.sep, '/'), bytes: await readFile(full) });
  }
  const bytes = zip(entries);
  const file = path.resolve(root, options.file ?? '.build/functionary.zip');
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, bytes);
  return { file, entries, bytes };
}

const HELP = `Builds the Functions app and packs it for deployment.

Usage: npm run package -- [--file <zip>]

  --file <zip>  where to write (.build/functionary.zip)
  --help        this text
`;

if (import.meta.main) {
  const { values } = parseArgs({ options: { file: { type: 'string' }, help: { type: 'boolean' } } });
  if (values.help) {
    process.stdout.write(HELP);
  } else {
    const { file, entries, bytes } = await packageApp(values.file === undefined ? {} : { file: values.file });
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      console.log(`${String(entry.bytes.byteLength).padStart(9)}  ${entry.name}`);
    }
    const digest = createHash('sha256').update(bytes).digest('hex');
    console.log(
      `${path.relative(root, file)}: ${entries.length} files, ${bytes.byteLength} bytes, sha256 ${digest}`,
    );
  }
}
