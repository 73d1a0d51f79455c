import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

/** Variables of the platform and of our own local host, which nobody sets by hand. */
const GIVEN = new Set(['AZURE_FUNCTIONS_ENVIRONMENT', 'FUNCTIONARY_LOOPBACK', 'WEBSITE_SITE_NAME']);

test('the README explains every setting that the code reads, and no other', () => {
  const code = readFileSync(new URL('../src/app/config.ts', import.meta.url), 'utf8');
  const read = [...code.matchAll(/env(?:\['|, ')([A-Za-z_]+)'/g)].map(([, name]) => name ?? '');
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const [, table = ''] = /\| Setting \|[^\n]*\n\|[-|]+\|\n((?:\|[^\n]*\n)+)/.exec(readme) ?? [];
  const explained = [...table.matchAll(/^\| `([A-Za-z_]+)`/gm)].map(([, name]) => name ?? '');

  expect(explained.length).toBeGreaterThan(20);
  expect(new Set(explained)).toEqual(new Set(read.filter((name) => !GIVEN.has(name))));
});

test('the README names every folder of src', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const { readdir } = await import('node:fs/promises');
  const folders = await readdir(new URL('../src', import.meta.url));
  for (const folder of folders) expect(readme).toContain(`src/${folder}/`);
});
