/** Names of blobs and blocks, and their files. Nothing that could leave its directory passes. */
const NAME = /^[A-Za-z0-9_-]{1,128}$/;
const BLOCK_FILE = /^([A-Za-z0-9_-]+)\.(\d{15})\.(\d+)$/;

/** A staged block: its id, when it was staged, and its size in bytes, all told by the name of its file. */
export interface BlockFile {
  readonly file: string;
  readonly id: string;
  readonly version: string;
  readonly size: number;
}

/** Throws a RangeError for a name that is no plain file name. */
export function checkName(name: string): string {
  if (!NAME.test(name)) throw new RangeError(`${JSON.stringify(name)} cannot be the name of a blob`);
  return name;
}

/** Throws a RangeError unless `id` is base64, in its one canonical form, of 1 to 64 bytes. */
export function checkBlockId(id: string): void {
  const bytes = Buffer.from(id, 'base64');
  if (bytes.length < 1 || bytes.length > 64 || bytes.toString('base64') !== id)
    throw new RangeError(`${JSON.stringify(id)} cannot be the id of a block`);
}

/** Throws a RangeError for bytes that do not fit. */
export function checkSize(bytes: Uint8Array, least: number, most: number): void {
  if (bytes.length < least || bytes.length > most)
    throw new RangeError(`${bytes.length} bytes are not ${least} to ${most}`);
}

/** `<id in base64url>.<version>.<size>`: later versions of a block sort after earlier ones. */
export function blockFile(id: string, version: number, size: number): string {
  checkBlockId(id);
  const name = Buffer.from(id, 'base64').toString('base64url');
  return `${name}.${String(version).padStart(15, '0')}.${size}`;
}

/** Undefined for a file that is no block. */
export function parseBlockFile(file: string): BlockFile | undefined {
  const [, name, version, size] = BLOCK_FILE.exec(file) ?? [];
  if (name === undefined || version === undefined || size === undefined) return undefined;
  return { file, id: Buffer.from(name, 'base64url').toString('base64'), version, size: Number(size) };
}

/** The blocks of a directory by id, each in its latest version. */
export function latestBlocks(files: readonly string[]): Map<string, BlockFile> {
  const latest = new Map<string, BlockFile>();
  for (const file of files) {
    const block = parseBlockFile(file);
    if (!block) continue;
    const other = latest.get(block.id);
    if (!other || other.version < block.version) latest.set(block.id, block);
  }
  return latest;
}
