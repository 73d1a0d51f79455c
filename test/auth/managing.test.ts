import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DirectoryLab, USER, openDirectoryLab } from './directory.ts';

let lab: DirectoryLab;
beforeAll(async () => {
  lab = await openDirectoryLab();
});
afterAll(() => lab.close());

test('a directory token that any registry is sent does not manage ours, though its owner may', async () => {
  const app = await lab.open();
  await lab.assign(app, USER, 'Owner');
  const path = `/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/${app.registry}`;
  const ask = async (aud: string) => {
    const token = await lab.authority.mint({ ...lab.authority.claims(USER), aud });
    return (await app.fetch('GET', path, { headers: { authorization: `Bearer ${token}` } })).status;
  };
  expect(await ask('https://management.azure.com/')).toBe(200);
  expect(await ask('https://containerregistry.azure.net')).toBe(401);
  expect(await ask('https://containerregistry.azure.net/')).toBe(401);
});
