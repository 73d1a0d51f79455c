import {
  ContainerRegistryClient,
  ContainerRegistryContentClient,
  KnownContainerRegistryAudience,
} from '@azure/container-registry';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adapters } from '../support/app.ts';
import { pushImage, statusOf } from './content.ts';
import { type SdkLab, openSdkLab } from './lab.ts';

const AUDIENCE = KnownContainerRegistryAudience.AzureResourceManagerPublicCloud;
const FREE = { canDelete: true, canWrite: true, canRead: true, canList: true };

let lab: SdkLab;

/** A client of the registry for somebody with these roles. */
async function clientOf(roles: readonly string[]): Promise<ContainerRegistryClient> {
  return new ContainerRegistryClient(lab.url, await lab.principal(roles), { audience: AUDIENCE });
}

/** Pushes an image under a tag; its digest. */
async function push(repository: string, tag: string): Promise<string> {
  const someone = await lab.principal(['AcrPush']);
  const content = new ContainerRegistryContentClient(lab.url, repository, someone, { audience: AUDIENCE });
  return (await pushImage(content, tag)).digest;
}

/** Status of the answer to a pull. */
async function pull(repository: string, reference: string): Promise<unknown> {
  const someone = await lab.principal(['AcrPull']);
  const content = new ContainerRegistryContentClient(lab.url, repository, someone, { audience: AUDIENCE });
  return await statusOf(content.getManifest(reference));
}

describe.each(adapters)('changes by the SDK over %s', (adapter) => {
  beforeAll(async () => {
    lab = await openSdkLab({ adapter });
  });
  afterAll(async () => {
    await lab.close();
  });

  test('sets what may be done with a repository, and leaves the rest and the times as they were', async () => {
    await push('sdk/set-repository', 'v1');
    const repository = (await clientOf(['Owner'])).getRepository('sdk/set-repository');
    const before = await repository.getProperties();
    const first = await repository.updateProperties({ canDelete: false, canList: false });
    expect(first).toMatchObject({ ...FREE, canDelete: false, canList: false });
    const second = await repository.updateProperties({ canWrite: false, canList: true });
    expect(second).toMatchObject({ ...FREE, canDelete: false, canWrite: false });
    expect(await repository.getProperties()).toEqual({ ...before, canDelete: false, canWrite: false });
    await repository.updateProperties(FREE);
    expect(await repository.getProperties()).toEqual(before);
  });

  test('sets what may be done with a tag, and not with its manifest', async () => {
    await push('sdk/set-tag', 'v1');
    const artifact = (await clientOf(['Owner'])).getArtifact('sdk/set-tag', 'v1');
    const before = await artifact.getTagProperties('v1');
    const changed = await artifact.updateTagProperties('v1', { canDelete: false, canWrite: false });
    expect(changed).toEqual({ ...before, canDelete: false, canWrite: false });
    expect(await artifact.getTagProperties('v1')).toEqual(changed);
    expect(await artifact.getManifestProperties()).toMatchObject(FREE);
    expect(await artifact.updateTagProperties('v1', FREE)).toEqual(before);
  });

  test('sets what may be done with a manifest, by tag or digest, and not with its tag', async () => {
    const digest = await push('sdk/set-manifest', 'v1');
    const client = await clientOf(['Owner']);
    const byTag = client.getArtifact('sdk/set-manifest', 'v1');
    const byDigest = client.getArtifact('sdk/set-manifest', digest);
    const before = await byDigest.getManifestProperties();
    const changed = await byTag.updateManifestProperties({ canDelete: false, canRead: false });
    expect(changed).toEqual({ ...before, canDelete: false, canRead: false });
    expect(await byDigest.getManifestProperties()).toEqual(changed);
    expect(await byTag.getTagProperties('v1')).toMatchObject(FREE);
    expect(await byDigest.updateManifestProperties(FREE)).toEqual(before);
  });

  test('nothing that is locked is deleted, and all of it is once it is unlocked', async () => {
    const name = 'sdk/locked';
    const digest = await push(name, 'v1');
    const client = await clientOf(['Owner']);
    const repository = client.getRepository(name);
    const artifact = repository.getArtifact('v1');

    await artifact.updateTagProperties('v1', { canDelete: false });
    expect(await statusOf(artifact.deleteTag('v1'))).toBe(405);
    expect(await statusOf(repository.delete())).toBe(405);
    await artifact.updateTagProperties('v1', FREE);

    await artifact.updateManifestProperties({ canWrite: false });
    expect(await statusOf(artifact.delete())).toBe(405);
    expect(await statusOf(repository.delete())).toBe(405);
    await artifact.updateManifestProperties(FREE);

    await repository.updateProperties({ canDelete: false });
    expect(await statusOf(client.deleteRepository(name))).toBe(405);
    await repository.updateProperties(FREE);

    expect(await pull(name, digest)).toBe('no error');
    await client.deleteRepository(name);
    expect(await pull(name, digest)).toBe(404);
  });

  test('what must not be listed is shown to those who know it, and to nobody else', async () => {
    const [seen, hidden] = [await push('sdk/hidden', 'seen'), await push('sdk/hidden', 'hidden')];
    await push('sdk/hidden-whole', 'v1');
    const client = await clientOf(['Owner']);
    const repository = client.getRepository('sdk/hidden');
    const artifact = repository.getArtifact('hidden');
    await artifact.updateTagProperties('hidden', { canList: false });
    await artifact.updateManifestProperties({ canList: false });
    await client.getRepository('sdk/hidden-whole').updateProperties({ canList: false });

    const tags = await Array.fromAsync(artifact.listTagProperties());
    expect(tags.map(({ name }) => name)).toEqual(['seen']);
    const manifests = await Array.fromAsync(repository.listManifestProperties());
    expect(manifests.map(({ digest }) => digest)).toEqual([seen]);
    expect(await Array.fromAsync(client.listRepositoryNames())).not.toContain('sdk/hidden-whole');

    expect((await artifact.getTagProperties('hidden')).canList).toBe(false);
    expect((await repository.getArtifact(hidden).getManifestProperties()).canList).toBe(false);
    expect((await client.getRepository('sdk/hidden-whole').getProperties()).canList).toBe(false);
  });

  test('what must not be read is not pulled, and its properties are still shown', async () => {
    const digest = await push('sdk/unread', 'v1');
    const repository = (await clientOf(['Owner'])).getRepository('sdk/unread');
    await repository.updateProperties({ canRead: false });
    expect(await pull('sdk/unread', digest)).toBe(405);
    expect((await repository.getArtifact('v1').getManifestProperties()).digest).toBe(digest);
    await repository.updateProperties({ canRead: true });
    expect(await pull('sdk/unread', digest)).toBe('no error');
  });

  test('deletes an artifact by tag or digest, with all its tags, by the calls that ACR documents', async () => {
    const name = 'sdk/delete';
    const [first, second] = [await push(name, 'v1'), await push(name, 'v2')];
    const repository = (await clientOf(['Owner'])).getRepository(name);
    const start = lab.requests().length;
    await repository.getArtifact('v1').delete();
    await repository.getArtifact(second).delete();
    expect(
      lab
        .requests()
        .slice(start)
        .map((line) => line.replaceAll('%2F', '/').replaceAll('%3A', ':'))
        .filter((line) => line.endsWith(' 200') || line.endsWith(' 202'))
        .filter((line) => !line.includes('/oauth2/')),
    ).toEqual([
      `GET /acr/v1/${name}/_tags/v1 200`,
      `DELETE /v2/${name}/manifests/${first} 202`,
      `DELETE /v2/${name}/manifests/${second} 202`,
    ]);
    for (const gone of ['v1', 'v2', first, second]) expect(await pull(name, gone)).toBe(404);
  });

  test('deletes a whole repository, and again without an error, and it is listed no more', async () => {
    const client = await clientOf(['Owner']);
    for (const tag of ['v1', 'v2']) await push('sdk/delete-whole', tag);
    await client.deleteRepository('sdk/delete-whole');
    await client.deleteRepository('sdk/delete-whole');
    await push('sdk/delete-other', 'v1');
    const other = client.getRepository('sdk/delete-other');
    await other.delete();
    await other.delete();
    const names = await Array.fromAsync(client.listRepositoryNames());
    expect(names.filter((name) => name.startsWith('sdk/delete-'))).toEqual([]);
    expect(await statusOf(other.getProperties())).toBe(404);
  });

  test('changes nothing for those whose role only reads, pushes or deletes', async () => {
    const name = 'sdk/roles-change';
    await push(name, 'v1');
    for (const role of ['AcrPull', 'AcrPush', 'AcrDelete']) {
      const repository = (await clientOf([role])).getRepository(name);
      const artifact = repository.getArtifact('v1');
      expect(await statusOf(repository.updateProperties({ canDelete: false }))).toBe(401);
      expect(await statusOf(artifact.updateTagProperties('v1', { canDelete: false }))).toBe(401);
      expect(await statusOf(artifact.updateManifestProperties({ canDelete: false }))).toBe(401);
    }
    for (const role of ['AcrPull', 'AcrPush'])
      expect(await statusOf((await clientOf([role])).deleteRepository(name))).toBe(401);
    const owner = (await clientOf(['Owner'])).getRepository(name);
    expect(await owner.getProperties()).toMatchObject(FREE);
    await (await clientOf(['AcrDelete'])).deleteRepository(name);
    expect(await statusOf(owner.getProperties())).toBe(404);
  });
});
