import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { breaches, strangers } from './support/layers.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

describe('the sources', () => {
  test('keep to the layout: who imports whom, no circles, short files in small folders', () => {
    const files = sources();
    expect([...files.keys()]).toContain('src/store/records.ts');
    expect(breaches(files)).toEqual([]);
  });

  test('have no entry at the top that the layout does not know', () => {
    expect(strangers(topEntries())).toEqual([]);
  });
});

describe('the rules of the layout', () => {
  test.each([
    ['src/model/names.ts', `import { put } from '../store/records.ts';`, 'imports src/store/records.ts'],
    ['src/model/names.ts', `import { randomBytes } from 'node:crypto';`, 'imports node:crypto'],
    ['src/model/digest.ts', `import { readFile } from 'node:fs/promises';`, 'imports node:fs/promises'],
    ['src/store/work.ts', `import { createSHA256 } from 'hash-wasm';`, 'imports hash-wasm'],
    ['src/registry/tags.ts', `import { openDisk } from '../disk/open.ts';`, 'imports src/disk/open.ts'],
    ['src/registry/tags.ts', `import type { X } from '../disk/open.ts';`, 'imports src/disk/open.ts'],
    [
      'src/registry/tags.ts',
      `import {\n  type A,\n  b,\n} from '../distribution/blobs.ts';`,
      'imports src/distribution',
    ],
    ['src/registry/tags.ts', `const x = await import('../app/config.ts');`, 'imports src/app/config.ts'],
    [
      'src/disk/content/blobs.ts',
      `import { a } from '../../registry/blobs.ts';`,
      'imports src/registry/blobs.ts',
    ],
    [
      'src/disk/open.ts',
      `import { BlobServiceClient } from '@azure/storage-blob';`,
      'imports @azure/storage-blob',
    ],
    ['src/app/http.ts', `import { app } from '@azure/functions';`, 'imports @azure/functions'],
    ['src/app/http.ts', `import { TableClient } from '@azure/data-tables';`, 'imports @azure/data-tables'],
    ['src/app/http.ts', `import x from 'azurite/dist/src/blob/BlobServer.js';`, 'imports azurite'],
    ['src/app/http.ts', `import { x } from '../../functions/http.ts';`, 'imports functions/http.ts'],
    ['src/app/http.ts', `import { x } from '../../test/support/app.ts';`, 'imports test/support/app.ts'],
    [
      'src/distribution/tags.ts',
      `import { put } from '../store/records.ts';`,
      'imports src/store/records.ts',
    ],
    ['src/distribution/tags.ts', `import { x } from '../store/context.ts';`, 'imports src/store/context.ts'],
    [
      'src/distribution/tags.ts',
      `import { x } from '../management/arm.ts';`,
      'imports src/management/arm.ts',
    ],
    [
      'src/lifecycle/collect.ts',
      `import { x } from '../replication/apply.ts';`,
      'imports src/replication/apply.ts',
    ],
    ['src/novelty/thing.ts', `import { x } from '../model/names.ts';`, 'has no row'],
    ['functions/http.ts', `import { x } from '../src/registry/tags.ts';`, 'imports src/registry/tags.ts'],
    ['functions/http.ts', `import { x } from 'hash-wasm';`, 'imports hash-wasm'],
    ['src/registry/tags.ts', `export default function tags() {}`, 'default export'],
    ['src/registry/tags.ts', `const x = 1;\nexport { x as default };`, 'default export'],
    ['src/registry/tags.ts', `export * from './blobs.ts';`, 'passes on'],
    ['src/registry/tags.ts', `export { a } from './blobs.ts';`, 'passes on'],
    ['src/registry/tags.ts', `setInterval(() => {}, 1000);`, 'as soon as it is imported'],
    ['src/registry/tags.ts', `await prepare();`, 'as soon as it is imported'],
    ['src/registry/helpers.ts', 'export const x = 1;', 'not named for a thing'],
  ])('%s may not hold %j', (path, text, breach) => {
    const found = breaches(new Map([[path, `${text}\n`]]));
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(path.startsWith('src/novelty') ? 'src/novelty' : path);
    expect(found[0]).toContain(breach);
  });

  test.each([
    ['src/model/digest.ts', `import { createHash } from 'node:crypto';`],
    ['src/azure/blobs.ts', `import { BlobServiceClient } from '@azure/storage-blob';`],
    [
      'src/azure/blobs.ts',
      `import type { Blobs } from '../store/blobs.ts';\nimport { a } from './outcome.ts';`,
    ],
    ['src/uploads/stage.ts', `import { createSHA256 } from 'hash-wasm';`],
    ['src/registry/tags.ts', `import { a } from '../events/event.ts';`],
    ['src/distribution/tags.ts', `import type { Context } from '../store/context.ts';`],
    ['src/distribution/tags.ts', `import { a } from '../uploads/session.ts';`],
    ['src/local/azurite.ts', `import a from 'azurite/dist/src/blob/BlobServer.js';`],
    ['src/local/main.ts', `await main();`],
    ['src/app/compose.ts', `const { openDisk } = await import('../disk/open.ts');`.replace(/^/, '  ')],
    ['functions/http.ts', `import { app } from '@azure/functions';\nimport { a } from '../src/app/http.ts';`],
    ['test/vitest.config.ts', `export default {};`],
  ])('%s may hold %j', (path, text) => {
    expect(breaches(new Map([[path, `${text}\n`]]))).toEqual([]);
  });

  test('files may not import each other in a circle', () => {
    const files = new Map([
      ['src/registry/a.ts', `import { b } from './b.ts';\n`],
      ['src/registry/b.ts', `import type { c } from './c.ts';\n`],
      ['src/registry/c.ts', `import { b } from './b.ts';\n`],
    ]);
    expect(breaches(files)).toEqual([
      'src/registry/b.ts -> src/registry/c.ts -> src/registry/b.ts is a circle',
    ]);
  });

  test('a file may have 350 lines, and not one more', () => {
    const line = 'const x = 1;\n';
    expect(breaches(new Map([['src/registry/tags.ts', line.repeat(350)]]))).toEqual([]);
    expect(breaches(new Map([['src/registry/tags.ts', line.repeat(351)]]))).toEqual([
      'src/registry/tags.ts has 351 lines, more than 350',
    ]);
  });

  test('a folder may not hold more than seven files, tests and the app apart', () => {
    expect(breaches(eight('src/registry'))).toEqual(['src/registry holds 8 files, more than 7']);
    expect(breaches(eight('src/app'))).toEqual([]);
    expect(breaches(eight('test/wire'))).toEqual([]);
  });

  test('the top may not hold other entries', () => {
    expect(strangers(['src', 'README.md', '.github', 'lib', 'vitest.config.ts'])).toEqual([
      'lib',
      'vitest.config.ts',
    ]);
  });
});

function eight(folder: string): Map<string, string> {
  return new Map(Array.from({ length: 8 }, (_, i) => [`${folder}/file${i}.ts`, '']));
}

function sources(): Map<string, string> {
  const files = new Map<string, string>();
  for (const folder of ['src', 'functions', 'infra', 'test']) {
    for (const entry of readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: 'utf8' })) {
      const path = `${folder}/${entry.replaceAll('\\', '/')}`;
      if (path.endsWith('.ts')) files.set(path, readFileSync(`${ROOT}${path}`, 'utf8'));
    }
  }
  return files;
}

/** What git keeps at the top; where there is no git, as in an unpacked archive, what lies there. */
function topEntries(): string[] {
  try {
    const paths = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' });
    return [...new Set(paths.split('\0').map((path) => path.split('/')[0] ?? ''))].filter(
      (entry) => entry !== '',
    );
  } catch {
    return readdirSync(ROOT).filter((entry) => entry !== 'node_modules');
  }
}
