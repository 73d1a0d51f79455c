import { posix } from 'node:path';

/**
 * The rules of the layout: which folder may import which, so that storage, wire and the registry itself stay apart.
 * Each row names the folders of `src` that a folder may import besides itself.
 */
const FEATURES = [
  'access',
  'catalog',
  'uploads',
  'lifecycle',
  'replication',
  'transfer',
  'tasks',
  'connected',
];
const CORE = ['registry', 'events', 'store', 'model'];
const WIRE = ['http', 'registry', 'auth', 'guard', ...FEATURES, 'model'];

const MAY_IMPORT: Readonly<Record<string, readonly string[] | 'everything'>> = {
  model: [],
  store: ['model'],
  azure: ['store', 'model'],
  disk: ['store', 'model'],
  http: ['events', 'model'],
  events: ['store', 'model'],
  auth: ['access', 'guard', 'http', 'store', 'model'],
  guard: ['access', 'http', 'events', 'store', 'model'],
  registry: ['events', 'store', 'model'],
  access: CORE,
  catalog: CORE,
  uploads: CORE,
  lifecycle: CORE,
  replication: CORE,
  transfer: CORE,
  tasks: CORE,
  connected: CORE,
  distribution: WIRE,
  metadata: WIRE,
  management: WIRE,
  portal: WIRE,
  app: 'everything',
  cli: [],
  local: 'everything',
};

/** Wire folders hand the context on, and may name its type; they never call storage. */
const CONTEXT = 'src/store/context.ts';

/** Packages that one folder alone may import; others are free outside `model` and `store`. */
const OWNED: readonly (readonly [name: RegExp, folder: string])[] = [
  [/^@azure\/functions(-core)?$/, 'functions'],
  [/^@azure\//, 'src/azure'],
  [/^azurite(\/|$)/, 'src/local'],
];

/** The one import that `model` may make: it computes, and has no input or output. */
const HASHING: Import = { from: 'src/model/digest.ts', to: 'node:crypto', typeOnly: false };

const MAX_LINES = 350;
const MAX_FILES = 7;

/** Entries at the top that the layout knows; those that start with a dot are free. */
const TOP = new Set([
  'CHANGELOG.md',
  'CODE_OF_CONDUCT.md',
  'CONTRIBUTING.md',
  'LICENSE',
  'README.md',
  'SECURITY.md',
  'functions',
  'host.json',
  'infra',
  'package-lock.json',
  'package.json',
  'src',
  'test',
  'tsconfig.json',
]);

const VAGUE = /^(utils?|helpers?|common|managers?|services?|impl|index|misc|shared)\.ts$/;
/** Files that are started, not imported. */
const ENTRIES = new Set(['src/local/main.ts', 'src/local/azurite-worker.ts', 'src/cli/main.ts']);
/** A statement at the left margin that calls, awaits or decides; the formatter indents all that is within another. */
const EFFECT =
  /^(?:await|void|new|if|for|while|try|throw|delete)\b|^(?!import\(|function\b)[A-Za-z_$][\w$.]*\(/m;
const STATIC_IMPORT = /^(?:import|export)\s(type\s)?(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]/gm;
const DYNAMIC_IMPORT = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

interface Import {
  readonly from: string;
  /** A path from the top for a file, else the name as it is written. */
  readonly to: string;
  readonly typeOnly: boolean;
}

/** Every breach of the layout, one line each, by paths from the top and the text of each TypeScript file. */
export function breaches(files: ReadonlyMap<string, string>): string[] {
  const imports = [...files].flatMap(([path, text]) => importsOf(path, text));
  const found = [
    ...imports.filter(({ from }) => /^(src|functions)\//.test(from)).flatMap(wrongImport),
    ...[...files].flatMap(([path, text]) => wrongFile(path, text)),
    ...crowded([...files.keys()]),
    ...cycles(imports.filter(({ from }) => !from.startsWith('test/'))),
  ];
  return [...new Set(found)];
}

/** Entries at the top that the layout does not know. */
export function strangers(entries: readonly string[]): string[] {
  return entries.filter((entry) => !entry.startsWith('.') && !TOP.has(entry));
}

function importsOf(path: string, text: string): Import[] {
  const found = [
    ...Array.from(text.matchAll(STATIC_IMPORT), ([, type, to]) => ({ to, typeOnly: type !== undefined })),
    ...Array.from(text.matchAll(DYNAMIC_IMPORT), ([, to]) => ({ to, typeOnly: false })),
  ];
  return found.map(({ to = '', typeOnly }) => ({
    from: path,
    to: to.startsWith('.') ? posix.join(posix.dirname(path), to) : to,
    typeOnly,
  }));
}

function wrongImport(one: Import): string[] {
  const { from, to } = one;
  const [top = '', folder = ''] = from.split('/');
  const allowed = top === 'functions' ? [] : MAY_IMPORT[folder];
  if (allowed === undefined) return [`src/${folder} has no row in the table of layers`];
  return mayImport(one, top === 'functions' ? 'functions' : folder, allowed) ? [] : [`${from} imports ${to}`];
}

function mayImport(
  { from, to, typeOnly }: Import,
  folder: string,
  allowed: readonly string[] | 'everything',
): boolean {
  const [top, target = ''] = to.split('/');
  if (top === 'functions') return folder === 'functions';
  if (top === 'src') {
    if (folder === 'functions') return target === 'app';
    if (allowed === 'everything' || target === folder || allowed.includes(target)) return true;
    return to === CONTEXT && typeOnly && allowed === WIRE;
  }
  if (folder === 'model') return from === HASHING.from && to === HASHING.to;
  if (to.startsWith('node:')) return true;
  const owner = OWNED.find(([name]) => name.test(to));
  if (owner) return from.startsWith(`${owner[1]}/`);
  return folder !== 'store' && folder !== 'functions' && top !== 'test' && top !== 'infra';
}

function wrongFile(path: string, text: string): string[] {
  const found: string[] = [];
  const lines = text.split('\n').length - 1;
  if (lines > MAX_LINES) found.push(`${path} has ${lines} lines, more than ${MAX_LINES}`);
  if (VAGUE.test(posix.basename(path))) found.push(`${path} is not named for a thing`);
  if (!path.endsWith('.config.ts') && /^export (default\b|\{[^}]*\bas default\b)/m.test(text))
    found.push(`${path} has a default export`);
  if (/^export (type )?(\*|\{[^}]*\}) from /m.test(text))
    found.push(`${path} passes on what another file exports`);
  const isProgram = ENTRIES.has(path) || !path.startsWith('src/');
  if (!isProgram && EFFECT.test(text)) found.push(`${path} does something as soon as it is imported`);
  return found;
}

function crowded(paths: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const path of paths) {
    const folder = posix.dirname(path);
    if (folder !== 'src/app' && !folder.startsWith('test')) counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return [...counts].flatMap(([folder, count]) =>
    count > MAX_FILES ? [`${folder} holds ${count} files, more than ${MAX_FILES}`] : [],
  );
}

/** One line for each import that closes a circle. */
function cycles(imports: readonly Import[]): string[] {
  const targets = Map.groupBy(imports, ({ from }) => from);
  const found: string[] = [];
  const finished = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    if (finished.has(path)) return;
    const start = trail.indexOf(path);
    if (start >= 0) {
      found.push(`${[...trail.slice(start), path].join(' -> ')} is a circle`);
      return;
    }
    for (const { to } of targets.get(path) ?? []) visit(to, [...trail, path]);
    finished.add(path);
  };
  for (const path of targets.keys()) visit(path, []);
  return found;
}
