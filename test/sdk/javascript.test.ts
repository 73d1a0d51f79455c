import {
  ContainerRegistryClient,
  ContainerRegistryContentClient,
  KnownContainerRegistryAudience,
  KnownManifestMediaType,
} from '@azure/container-registry';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { adapters } from '../support/app.ts';
import { noise, sameBytes } from '../support/sample.ts';
import { pushImage, statusOf } from './content.ts';
import { type SdkLab, type Someone, openSdkLab } from './lab.ts';

const MIB = 1024 * 1024;
const AUDIENCE = KnownContainerRegistryAudience.AzureResourceManagerPublicCloud;

let lab: SdkLab;

function content(repository: string, someone: Someone): ContainerRegistryContentClient {
  return new ContainerRegistryContentClient(lab.url, repository, someone, { audience: AUDIENCE });
}

/** A repository as somebody with these roles sees it. */
async function openRepository(name: string, roles: readonly string[]) {
  const client = new ContainerRegistryClient(lab.url, await lab.principal(roles), { audience: AUDIENCE });
  return client.getRepository(name);
}

/** Requests on a repository since `start`, without the parts that differ each time. */
function requestsOn(repository: string, start = 0): string[] {
  return lab
    .requests()
    .slice(start)
    .filter(
      (line) => line.includes(`/${repository}/`) || line.includes(`/${repository.replace('/', '%2F')}/`),
    )
    .map((line) =>
      line
        .replaceAll('%2F', '/')
        .replace(/(uploads\/)\S+/, '$1…')
        .replace(/sha256\S+/, '…'),
    );
}

async function read(stream: NodeJS.ReadableStream): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

describe.each(adapters)('over %s', (adapter) => {
  beforeAll(async () => {
    lab = await openSdkLab({ adapter });
  });
  afterAll(async () => {
    await lab.close();
  });

  describe('a client of content', () => {
    test('uploads a large blob in pieces of 4 MiB and gets back the same bytes', async () => {
      const client = content('sdk/blob', await lab.principal(['AcrPush']));
      const bytes = Buffer.from(noise(10 * MIB));
      const { digest, sizeInBytes } = await client.uploadBlob(bytes);
      expect(digest).toBe(digestOf(bytes));
      expect(sizeInBytes).toBe(bytes.length);
      expect(requestsOn('sdk/blob')).toEqual([
        'POST /v2/sdk/blob/blobs/uploads/ 401',
        'POST /v2/sdk/blob/blobs/uploads/ 202',
        ...Array.from({ length: 3 }, () => 'PATCH /v2/sdk/blob/blobs/uploads/… 202'),
        'PUT /v2/sdk/blob/blobs/uploads/… 201',
      ]);
      const { content: stream } = await client.downloadBlob(digest);
      expect(sameBytes(await read(stream), bytes)).toBe(true);
    });

    test('uploads a blob from a stream', async () => {
      const client = content('sdk/stream', await lab.principal(['AcrPush']));
      const pieces = Array.from({ length: 70 }, () => Buffer.from(noise(100_000)));
      const { digest } = await client.uploadBlob(Readable.from(pieces));
      expect(digest).toBe(digestOf(Buffer.concat(pieces)));
    });

    test('sets, gets and deletes manifests and blobs by tag and digest', async () => {
      const client = content('sdk/image', await lab.principal(['AcrPush', 'AcrDelete']));
      const { manifest, digest, layer } = await pushImage(client, 'v1');
      for (const reference of ['v1', digest]) {
        const found = await client.getManifest(reference);
        expect(found).toMatchObject({ digest, manifest, mediaType: KnownManifestMediaType.OciImageManifest });
      }
      await client.deleteManifest(digest);
      await client.deleteManifest(digest);
      expect(await statusOf(client.getManifest('v1'))).toBe(404);
      await client.deleteBlob(layer);
      await client.deleteBlob(layer);
      expect(await statusOf(client.downloadBlob(layer))).toBe(404);
    });

    test('asks the directory once, for the audience it was told, and us once per permission', async () => {
      const someone = await lab.principal(['AcrPush', 'AcrDelete']);
      const client = content('sdk/challenge', someone);
      const start = lab.requests().length;
      const { digest } = await pushImage(client, 'v1');
      await client.getManifest('v1');
      await client.deleteManifest(digest);
      expect(someone.asked).toEqual([`${AUDIENCE}/.default`]);
      const seen = lab.requests().slice(start);
      expect(seen.filter((line) => line === 'POST /oauth2/exchange 200')).toHaveLength(1);
      // The SDK puts its last token on each request: one to push, which is enough to pull, is too narrow to delete.
      expect(requestsOn('sdk/challenge', start).filter((line) => line.endsWith(' 401'))).toEqual([
        'POST /v2/sdk/challenge/blobs/uploads/ 401',
        'DELETE /v2/sdk/challenge/manifests/… 401',
      ]);
      expect(seen.filter((line) => line === 'POST /oauth2/token 200')).toHaveLength(2);
    });

    test('gets a wider token by itself when the last one was for reading', async () => {
      const someone = await lab.principal(['AcrPush']);
      const { layer } = await pushImage(content('sdk/wider', someone), 'v1');
      const start = lab.requests().length;
      const client = content('sdk/wider', someone);
      await client.downloadBlob(layer);
      await client.uploadBlob(Buffer.from('more'));
      expect(requestsOn('sdk/wider', start)).toEqual([
        'GET /v2/sdk/wider/blobs/… 401',
        `GET /v2/sdk/wider/blobs/… ${adapter === 'azure' ? 307 : 200}`,
        'POST /v2/sdk/wider/blobs/uploads/ 401',
        'POST /v2/sdk/wider/blobs/uploads/ 202',
        'PATCH /v2/sdk/wider/blobs/uploads/… 202',
        'PUT /v2/sdk/wider/blobs/uploads/… 201',
      ]);
    });

    test('may do what its role allows, and is told 401 about the rest', async () => {
      const { digest } = await pushImage(content('sdk/roles', await lab.principal(['AcrPush'])), 'v1');
      const reader = content('sdk/roles', await lab.principal(['AcrPull']));
      expect((await reader.getManifest('v1')).digest).toBe(digest);
      expect(await statusOf(reader.uploadBlob(Buffer.from('x')))).toBe(401);
      expect(await statusOf(reader.deleteManifest(digest))).toBe(401);
      const deleter = content('sdk/roles', await lab.principal(['AcrDelete']));
      expect(await statusOf(deleter.getManifest('v1'))).toBe(401);
      await deleter.deleteManifest(digest);
      const nobody = content('sdk/roles', await lab.principal([]));
      expect(await statusOf(nobody.getManifest('v1'))).toBe(401);
    });

    test('takes the audience of the registry itself when told none', async () => {
      const someone = await lab.principal(['AcrPush']);
      const client = new ContainerRegistryContentClient(lab.url, 'sdk/audience', someone);
      await client.uploadBlob(Buffer.from('x'));
      expect(someone.asked).toEqual(['https://containerregistry.azure.net/.default']);
    });

    test('is refused with a token for somebody else', async () => {
      const someone = await lab.principal(['AcrPush']);
      const options = { audience: 'https://graph.example' };
      const client = new ContainerRegistryContentClient(lab.url, 'sdk/audience', someone, options);
      expect(await statusOf(client.uploadBlob(Buffer.from('x')))).toBe(401);
    });
  });

  describe('a client of the registry', () => {
    test('lists repositories, page by page', async () => {
      const someone = await lab.principal(['AcrPush']);
      for (const name of ['sdk/list-a', 'sdk/list-b', 'sdk/list-c']) {
        await pushImage(content(name, someone), 'v1');
      }
      const client = new ContainerRegistryClient(lab.url, someone, { audience: AUDIENCE });
      const names = await Array.fromAsync(client.listRepositoryNames());
      expect(names).toEqual(expect.arrayContaining(['sdk/list-a', 'sdk/list-b', 'sdk/list-c']));
      expect(names).toEqual(names.toSorted());
      const pages = await Array.fromAsync(client.listRepositoryNames().byPage({ maxPageSize: 2 }));
      expect(pages.flat()).toEqual(names);
      expect(pages.slice(0, -1).every((page) => page.length === 2)).toBe(true);
    });

    test('may list repositories only with a role that lists', async () => {
      const someone = await lab.principal(['AcrDelete']);
      const client = new ContainerRegistryClient(lab.url, someone, { audience: AUDIENCE });
      expect(await statusOf(client.listRepositoryNames().next())).toBe(401);
    });
  });

  describe('a client of a repository', () => {
    test('reads the properties of repository, tag and manifest', async () => {
      const name = 'sdk/properties';
      const start = new Date();
      const { digest } = await pushImage(content(name, await lab.principal(['AcrPush'])), 'v1');
      const repository = await openRepository(name, ['AcrPull']);
      const properties = await repository.getProperties();
      expect(properties).toMatchObject({
        registryLoginServer: new URL(lab.url).host,
        name,
        manifestCount: 1,
        tagCount: 1,
        canDelete: true,
        canWrite: true,
        canRead: true,
        canList: true,
      });
      expect(properties.createdOn.getTime()).toBeGreaterThanOrEqual(start.getTime());
      expect(properties.lastUpdatedOn.getTime()).toBeGreaterThanOrEqual(start.getTime());
      const artifact = repository.getArtifact('v1');
      expect(await artifact.getTagProperties('v1')).toMatchObject({
        name: 'v1',
        digest,
        repositoryName: name,
      });
      expect(await artifact.getManifestProperties()).toMatchObject({
        digest,
        repositoryName: name,
        sizeInBytes: 2000,
        tags: ['v1'],
        relatedArtifacts: [],
        canWrite: true,
      });
    });

    test('lists tags and manifests in every order, page by page', async () => {
      const name = 'sdk/ordered';
      const pusher = content(name, await lab.principal(['AcrPush']));
      const pushed = ['c', 'a', 'b', 'e', 'd'];
      const digests: string[] = [];
      for (const tag of pushed) digests.push((await pushImage(pusher, tag)).digest);
      const repository = await openRepository(name, ['AcrPull']);
      for (const [order, tags] of [
        [undefined, pushed.toSorted()],
        ['LastUpdatedOnAscending', pushed],
        ['LastUpdatedOnDescending', pushed.toReversed()],
      ] as const) {
        const options = order === undefined ? {} : { order };
        const artifact = repository.getArtifact('a');
        const pages = await Array.fromAsync(artifact.listTagProperties(options).byPage({ maxPageSize: 2 }));
        expect(pages.map((page) => page.map((tag) => tag.name))).toEqual([
          tags.slice(0, 2),
          tags.slice(2, 4),
          tags.slice(4),
        ]);
        const manifests = await Array.fromAsync(
          repository.listManifestProperties(options).byPage({ maxPageSize: 2 }),
        );
        expect(manifests.map((page) => page.length)).toEqual([2, 2, 1]);
        const expected =
          order === undefined ? digests.toSorted() : tags.map((tag) => digests[pushed.indexOf(tag)]);
        expect(manifests.flat().map(({ digest }) => digest)).toEqual(expected);
      }
    });

    test('is told what an index refers to', async () => {
      const name = 'sdk/index';
      const pusher = content(name, await lab.principal(['AcrPush']));
      const { digest } = await pushImage(pusher, 'child');
      const child = {
        mediaType: KnownManifestMediaType.OciImageManifest,
        digest,
        size: 1,
        platform: { architecture: 'arm64', os: 'linux' },
      };
      const index = { schemaVersion: 2, manifests: [child] };
      const mediaType = 'application/vnd.oci.image.index.v1+json';
      await pusher.setManifest(Buffer.from(JSON.stringify(index)), { tag: 'all', mediaType });
      const repository = await openRepository(name, ['AcrPull']);
      const found = await repository.getArtifact('all').getManifestProperties();
      expect(found.sizeInBytes).toBe(2000);
      expect(found.relatedArtifacts).toEqual([{ digest, architecture: 'arm64', operatingSystem: 'linux' }]);
    });

    test('deletes a tag, once and again, and the manifest stays', async () => {
      const name = 'sdk/untag';
      const { digest } = await pushImage(content(name, await lab.principal(['AcrPush'])), 'v1');
      const deleter = (await openRepository(name, ['AcrDelete'])).getArtifact('v1');
      await deleter.deleteTag('v1');
      await deleter.deleteTag('v1');
      const repository = await openRepository(name, ['AcrPull']);
      expect(await statusOf(repository.getArtifact('v1').getManifestProperties())).toBe(404);
      const left = await repository.getArtifact(digest).getManifestProperties();
      expect([left.digest, left.tags]).toEqual([digest, []]);
      expect((await repository.getProperties()).tagCount).toBe(0);
    });

    test('deletes a repository, once and again, and nothing of it is left', async () => {
      const name = 'sdk/removal';
      await pushImage(content(name, await lab.principal(['AcrPush'])), 'v1');
      const deleter = await openRepository(name, ['AcrDelete']);
      await deleter.delete();
      await deleter.delete();
      const reader = await openRepository(name, ['AcrPull']);
      expect(await statusOf(reader.getProperties())).toBe(404);
      expect(await statusOf(reader.delete())).toBe(401);
    });

    test('may read with a role that reads, delete with one that deletes, and is told 401 or 404 about the rest', async () => {
      const name = 'sdk/rights';
      await pushImage(content(name, await lab.principal(['AcrPush'])), 'v1');
      const reader = await openRepository(name, ['AcrPull']);
      expect(await statusOf(reader.getArtifact('v1').deleteTag('v1'))).toBe(401);
      const deleter = await openRepository(name, ['AcrDelete']);
      expect(await statusOf(deleter.getProperties())).toBe(401);
      expect(await statusOf(deleter.listManifestProperties().next())).toBe(401);
      const nowhere = await openRepository('sdk/nowhere', ['AcrPull']);
      expect(await statusOf(nowhere.getProperties())).toBe(404);
    });
  });

  describe('an anonymous client', () => {
    test('pulls where the registry lets everybody pull, and does nothing else', async () => {
      const { digest, layer } = await pushImage(content('sdk/open', await lab.principal(['AcrPush'])), 'v1');
      // The types want a credential, the code does not: it then sends an empty refresh token.
      const anonymous: ContainerRegistryContentClient = Reflect.construct(ContainerRegistryContentClient, [
        lab.url,
        'sdk/open',
      ]);
      expect(await statusOf(anonymous.getManifest('v1'))).toBe(401);
      await lab.settings({ anonymousPull: true });
      expect((await anonymous.getManifest('v1')).digest).toBe(digest);
      expect((await read((await anonymous.downloadBlob(layer)).content)).length).toBe(2000);
      expect(await statusOf(anonymous.uploadBlob(Buffer.from('x')))).toBe(401);
      expect(await statusOf(anonymous.deleteManifest(digest))).toBe(401);
      await lab.settings({ anonymousPull: false });
    });
  });
});
