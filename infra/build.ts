import { build } from 'esbuild';
import type { Metafile } from 'esbuild';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { parseArgs } from 'node:util';

const root = path.resolve(import.meta.dirname, '..');

/** The worker's own module. */
const CORE = '@azure/functions-core';

export interface Chunk {
  /** File name inside the app folder. */
  readonly file: string;
  readonly bytes: number;
  /** npm packages and folders of `src` whose code it holds, sorted. */
  readonly holds: readonly string[];
  /** Modules that it expects to be there, sorted: Node's own, and the one that the Functions worker supplies. */
  readonly expects: readonly string[];
}

export interface Build {
  /** The folder: a complete Functions app, with source maps beside the code. */
  readonly out: string;
  readonly entry: string;
  /** The entry and what it imports statically: the code that every cold start reads. */
  readonly eager: readonly Chunk[];
  readonly lazy: readonly Chunk[];
}

/**
 * Bundles `functions/main.ts` into a folder that is a complete Functions app without node_modules: `main.mjs`, chunks
 * for what is imported lazily, host.json and a package.json that names the entry. Throws when code of the local host
 * or of the storage emulator got in, when an SDK would be read at every cold start, or when a module is left outside.
 */
export async function buildApp(options: { out?: string } = {}): Promise<Build> {
  const out = path.resolve(root, options.out ?? '.build/app');
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { main: 'functions/main.ts' },
    outdir: out,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunks/[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node22',
    bundle: true,
    splitting: true,
    // Names stay whole: stack traces are read without the maps.
    minifySyntax: true,
    minifyWhitespace: true,
    // ES modules where a package has both: Node finds the named exports of a CommonJS module, a bundle does not.
    mainFields: ['module', 'main'],
    legalComments: 'linked',
    sourcemap: 'external',
    metafile: true,
    // The worker supplies it, and only to `require`.
    external: [CORE],
    // CommonJS inside the SDKs calls `require`, which an ES module does not have: without this the app loads with no functions.
    banner: {
      js: "import{createRequire as createRequireOfBundle}from'node:module';const require=createRequireOfBundle(import.meta.url);",
    },
    logLevel: 'warning',
  });
  checkInputs(metafile);
  const result = sortChunks(metafile, out);
  check(result);
  await cp(path.join(root, 'host.json'), path.join(out, 'host.json'));
  await writeFile(path.join(out, 'package.json'), await manifest(result.entry));
  return result;
}

/** A CommonJS module that is imported lazily has, in a bundle, a default export alone: calls to it fail at run time. */
function checkInputs({ inputs }: Metafile): void {
  for (const [file, { imports }] of Object.entries(inputs)) {
    if (file.includes('node_modules/')) continue;
    for (const { kind, path: target } of imports) {
      if (kind !== 'dynamic-import' || inputs[target]?.format !== 'cjs') continue;
      throw new Error(
        `${file} lazily imports ${target}, a CommonJS module: its named exports would be missing`,
      );
    }
  }
}

function sortChunks(metafile: Metafile, out: string): Build {
  const nameOf = (file: string): string => path.relative(out, path.resolve(root, file));
  const outputs = new Map(
    Object.entries(metafile.outputs)
      .filter(([file]) => file.endsWith('.mjs'))
      .map(([file, output]) => [nameOf(file), output]),
  );
  const entry = [...outputs].find(([, output]) => output.entryPoint === 'functions/main.ts')?.[0];
  if (entry === undefined) throw new Error('esbuild wrote no entry');
  const eager = new Set([entry]);
  for (const file of eager) {
    for (const imported of outputs.get(file)?.imports ?? []) {
      if (imported.kind === 'import-statement' && !imported.external) eager.add(nameOf(imported.path));
    }
  }
  const chunks = [...outputs]
    .map(([file, { bytes, inputs, imports }]) => ({
      file,
      bytes,
      holds: [...new Set(Object.keys(inputs).map(owner))].toSorted(),
      expects: [...new Set(imports.filter(({ external }) => external).map((each) => each.path))].toSorted(),
    }))
    .toSorted((a, b) => b.bytes - a.bytes);
  return {
    out,
    entry,
    eager: chunks.filter(({ file }) => eager.has(file)),
    lazy: chunks.filter(({ file }) => !eager.has(file)),
  };
}

/** The npm package, or the folder of ours, that a source file belongs to. */
function owner(input: string): string {
  const inPackage = /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input);
  return inPackage?.[1] ?? input.split('/').slice(0, -1).join('/');
}

/** What the entry may hold of npm: the programming model and what it brings; and what needs a newer Node must be lazy. */
const EAGER_AZURE = new Set(['@azure/functions', '@azure/functions-extensions-base']);

function check({ eager, lazy }: Build): void {
  for (const { file, holds, expects } of [...eager, ...lazy]) {
    const missing = expects.find((name) => name !== CORE && !isBuiltin(name));
    if (missing !== undefined) throw new Error(`${file} needs ${missing}, which the package will not have`);
    const stray = holds.find((name) => name === 'azurite' || name.startsWith('src/local'));
    if (stray !== undefined) throw new Error(`${file} holds ${stray}, which has no place on Azure`);
  }
  for (const { file, holds } of eager) {
    const heavy = holds.find(
      (name) => (name.startsWith('@azure/') && !EAGER_AZURE.has(name)) || name.startsWith('src/disk'),
    );
    if (heavy !== undefined)
      throw new Error(`${file} is read at every cold start and holds ${heavy}: import it lazily`);
  }
}

async function manifest(entry: string): Promise<string> {
  const { name, version }: { name?: unknown; version?: unknown } = JSON.parse(
    await readFile(path.join(root, 'package.json'), 'utf8'),
  );
  return `${JSON.stringify({ name, version, type: 'module', main: entry }, null, 2)}\n`;
}

const HELP = `Bundles the Functions app.

Usage: npm run build -- [--out <folder>]

  --out <folder>  where to write, emptied first (.build/app)
  --help          this text
`;

function describe({ out, entry, eager, lazy }: Build): string {
  return [
    path.relative(root, path.join(out, entry)),
    `read at every cold start, ${kibibytes(eager)}:`,
    ...eager.map(describeChunk),
    `read when needed, ${kibibytes(lazy)}:`,
    ...lazy.map(describeChunk),
  ].join('\n');
}

function describeChunk(chunk: Chunk): string {
  return `  ${kibibytes([chunk]).padStart(12)}  ${chunk.file}  ${chunk.holds.join(' ')}`;
}

function kibibytes(chunks: readonly Chunk[]): string {
  return `${(chunks.reduce((total, { bytes }) => total + bytes, 0) / 1024).toFixed(1)} KiB`;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { out: { type: 'string' }, help: { type: 'boolean' } } });
  if (values.help) process.stdout.write(HELP);
  else console.log(describe(await buildApp(values.out === undefined ? {} : { out: values.out })));
}
