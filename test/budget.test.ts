import { describe, expect, test } from 'vitest';
import type { RegistryDocument } from '../src/model/access.ts';
import { digestOf } from '../src/model/digest.ts';
import { openTestApp } from './support/app.ts';
import { openAzurite } from './support/azurite.ts';
import { begin, clientOf, document, header, publish, stream } from './support/client.ts';
import { countCalls, intercept } from './support/intercept.ts';
import { noise } from './support/sample.ts';
import { NAME, descriptor, scenes } from './support/scene.ts';

type Row = readonly [
  scene: keyof typeof scenes,
  /** Storage transactions: what is paid for. */
  transactions: number,
  /** Of these, how many wait for one another: what is waited for. */
  sequence: number,
  status: number,
  call: string,
];

/** What each call of the distribution API costs at the ports (DESIGN section 5), and why where it differs from there. */
const budget: readonly Row[] = [
  ['ping', 0, 0, 200, 'GET /v2/'],
  ['postUpload', 0, 0, 202, 'POST upload'],
  ['getUpload', 0, 0, 204, 'GET upload'],
  ['headTag', 1, 1, 200, 'HEAD manifest by tag'],
  ['getTag', 1, 1, 200, 'GET manifest by tag'],
  ['getDigest', 1, 1, 200, 'GET manifest by digest'],
  ['getNone', 1, 1, 404, 'GET manifest that is not there'],
  ['getLarge', 2, 2, 200, 'GET manifest of more than 60 KiB, which lies in a blob'],
  ['headBlob', 1, 1, 200, 'HEAD blob'],
  ['getBlob', 2, 2, 200, 'GET blob streamed through'],
  ['patchByte', 1, 1, 202, 'PATCH of 1 byte'],
  ['patchBlock', 1, 1, 202, 'PATCH of 8 MiB'],
  ['patchBlocks', 3, 2, 202, 'PATCH of 17 MiB, two blocks on their way at once'],
  ['putSmall', 2, 2, 201, 'PUT blob that fits a block'],
  ['putEmpty', 2, 2, 201, 'PUT blob without bytes'],
  ['putBlocks', 4, 3, 201, 'PUT blob of 9 MiB: its two blocks besides'],
  ['putEnd', 2, 2, 201, 'PUT that ends a PATCH'],
  ['putChain', 3, 3, 201, 'PUT that ends more pieces than Location names: it lists the blocks'],
  ['putStreams', 3, 3, 201, 'PUT that ends two streams: the bytes are read back'],
  [
    'putKnown',
    4,
    4,
    201,
    'PUT blob known in another repository: read when the write for new content is refused',
  ],
  ['putAgain', 5, 5, 201, 'PUT blob once more after a lost answer: the taken name is looked at, too'],
  ['postWhole', 2, 2, 201, 'POST of a whole blob'],
  ['mount', 3, 2, 201, 'mount'],
  ['mountNone', 2, 1, 202, 'mount of what the source has not'],
  ['cancel', 1, 1, 204, 'cancel'],
  ['deleteBlob', 1, 1, 202, 'DELETE blob'],
  ['pushImage', 6, 2, 201, 'PUT manifest, tag, subject, 3 layers: 3 + 2 reads at once, 1 write'],
  [
    'pushFirst',
    8,
    4,
    201,
    'the same as first of its repository: 1 write for the catalog before, and 1 after, lest a delete took it out',
  ],
  ['pushDigest', 3, 2, 201, 'PUT manifest by digest: its own row instead of the tag'],
  ['pushAgain', 3, 2, 201, 'PUT manifest again under its tag'],
  ['pushRetag', 8, 5, 201, 'PUT manifest of before under a new tag: refused as new, then read'],
  ['pushMove', 3, 2, 201, 'PUT manifest that moves a tag'],
  ['pushLarge', 5, 3, 201, 'PUT manifest of more than 60 KiB: 1 write for its bytes'],
  ['deleteTag', 3, 2, 202, 'DELETE tag: the repository besides, for its lock and its counts'],
  [
    'deleteManifest',
    7,
    5,
    202,
    'DELETE manifest: the repository, then it, its tags and its referrers; here the last, so the name goes from the catalog',
  ],
  ['deleteMany', 12, 8, 202, 'DELETE the last manifest with 33 tags: 23 at a time, two or three rows each'],
  ['tags', 1, 1, 200, 'GET tags'],
  ['tagsNone', 2, 2, 404, 'GET tags of an unknown repository: is it there?'],
  ['catalog', 1, 1, 200, 'GET catalog'],
  ['referrers', 1, 1, 200, 'GET referrers'],
  [
    'showRepository',
    2,
    1,
    200,
    'GET repository of ACR: its row tells what it holds, another what was measured',
  ],
  [
    'deleteRepository',
    6,
    5,
    202,
    'DELETE repository: it, then its manifests and tags at once, then its name, 1 write, and the name goes from the catalog',
  ],
  ['acrTags', 1, 1, 200, 'GET tags with times, by name: a page'],
  ['acrTagsByTime', 2, 2, 200, 'the same by time with 1,020 tags: all of them, a thousand at a time'],
  ['acrTagsOfOne', 2, 2, 200, 'the same of one manifest: its tags by key, then each row of the page'],
  ['acrTag', 1, 1, 200, 'GET a tag with its times'],
  ['acrTagNone', 2, 2, 404, 'GET a tag that is not there: is the repository?'],
  [
    'acrRetag',
    8,
    4,
    201,
    'PUT a tag on a manifest that is there: 3 reads, 3 of the push, 1 write, then the tag as it is',
  ],
  ['acrRetagAgain', 4, 2, 200, 'the same where it is so already'],
  [
    'acrCopy',
    23,
    8,
    201,
    'PUT a tag on an image of 3 layers in another repository: 4 reads, 4 for each layer, the push, then the tag',
  ],
  ['patchTag', 3, 2, 200, 'PATCH a tag: the repository and it, 1 write'],
  ['patchTagSame', 2, 1, 200, 'the same where it is so already'],
  ['patchManifest', 4, 3, 200, 'PATCH a manifest: the repository and it, 1 write, then its tags to be told'],
  [
    'patchManifestFirst',
    6,
    5,
    200,
    'the same against reading, for the first time in a repository: it is noted in the settings before',
  ],
  ['patchRepository', 3, 3, 200, 'PATCH a repository: it, 1 write, then what was measured of it'],
  [
    'patchHidden',
    8,
    8,
    200,
    'the same out of the catalog: its name and it once more, 1 write, and again until both agree',
  ],
  ['acrUntag', 3, 2, 202, 'DELETE a tag in the way of ACR'],
  ['acrManifests', 8, 3, 200, 'GET 3 manifests: a page, its tags, and once 2 for each config'],
  ['acrManifestsAgain', 2, 2, 200, 'the same again: a page and its tags'],
  ['acrManifestsByTime', 5, 3, 200, 'the same by time: all keys of manifests, 3 rows, all keys of tags'],
  ['acrManifest', 4, 3, 200, 'GET a manifest: it and its tags, and once 2 for its config'],
  ['acrManifestNone', 3, 2, 404, 'GET a manifest that is not there: is the repository?'],
  ['acrIndex', 11, 4, 200, 'GET an index of 3: it and its tags, and once 3 for each child'],
];

/** The same where what is deleted can be restored: what differs, and what is there for that alone. */
const kept: readonly Row[] = [
  [
    'pushImage',
    8,
    2,
    201,
    'PUT manifest: its own row and that of one deleted besides, at once with the others',
  ],
  ['pushRetag', 5, 2, 201, 'PUT manifest of before under a new tag: its row was read'],
  [
    'deleteTag',
    5,
    3,
    202,
    'DELETE tag: what is kept of it is read, and the repository listed as one with deleted',
  ],
  [
    'deleteManifest',
    10,
    6,
    202,
    'DELETE manifest: it and its tag are read whole, and the repository listed, all at once',
  ],
  ['deleteRepository', 9, 6, 202, 'DELETE repository: the same for all that goes in one transaction'],
  ['restore', 8, 3, 200, 'POST restore of 2 layers with its tag: 5 reads, then 2 links, 1 write'],
  ['restoreLarge', 10, 5, 200, 'the same of more than 60 KiB: its bytes are read and stored anew'],
  [
    'restoreLast',
    11,
    6,
    200,
    'the same where the repository is gone: what it was, and its name in the catalog',
  ],
  ['restoreTag', 6, 2, 200, 'POST restore of a tag whose manifest is there'],
  ['restoreForced', 10, 4, 200, 'POST restore by force: the tag of the other manifest is kept'],
  ['deletedManifests', 1, 1, 200, 'GET deleted manifests: a page'],
  ['deletedTags', 1, 1, 200, 'GET deleted tags: a page'],
  [
    'deletedCatalog',
    3,
    3,
    200,
    'GET deleted repositories: a page, and for each: is it gone, is anything kept?',
  ],
];

/** The same where reads and uploads must look for locks: what differs. */
const guarded: readonly Row[] = [
  ['headTag', 3, 2, 200, 'HEAD manifest by tag: the repository besides, then the manifest itself'],
  ['getTag', 3, 2, 200, 'GET manifest by tag: the same'],
  ['getDigest', 2, 1, 200, 'GET manifest by digest: the repository besides'],
  ['getBlob', 3, 3, 200, 'GET blob: the repository before'],
  ['referrers', 2, 2, 200, 'GET referrers: the same'],
  ['postUpload', 1, 1, 202, 'POST upload: the same'],
  ['putSmall', 3, 3, 201, 'PUT blob: the same'],
  ['mount', 5, 4, 201, 'mount: both repositories before'],
  ['deleteBlob', 2, 2, 202, 'DELETE blob: the repository before'],
];

/** The same where new images are quarantined: what differs. */
const quarantined: readonly Row[] = [
  ['headTag', 2, 2, 200, 'HEAD manifest by tag: then the manifest itself'],
  ['getTag', 2, 2, 200, 'GET manifest by tag: the same'],
  ['pushImage', 7, 2, 201, 'PUT manifest: its own row besides, at once with the others'],
  ['pushRetag', 4, 2, 201, 'PUT manifest of before under a new tag: its row was read'],
  [
    'passManifest',
    5,
    4,
    200,
    'PATCH a manifest that passes: its tags before, too, to tell that it was pushed',
  ],
];

const tables: readonly (readonly [string, readonly Row[], Partial<RegistryDocument>])[] = [
  ['', budget, {}],
  [' where there are locks', guarded, { guarded: 'all' }],
  [' where images are quarantined', quarantined, { quarantine: { enabled: true, updated: 0 } }],
  [' where soft delete is on', kept, { softDelete: { enabled: true, days: 7, updated: 0 } }],
];

describe.each(tables)('storage calls stay within the budget%s', (_, rows, policies) => {
  test.each(rows)('%s: %d (%d), %d: %s', async (scene, transactions, sequence, expected) => {
    const count = countCalls();
    const app = await openTestApp({
      settings: { downloads: 'proxy' },
      document: policies,
      wrap: (stores) => intercept(stores, count),
    });
    const act = await scenes[scene](clientOf(app.app));
    count.reset();
    const { status } = await act();
    const { calls, waves } = count;
    expect([calls.length, waves, status]).toEqual([transactions, sequence, expected]);
    await app.close();
  });
});

test('each storage call is one request to Azure, in a push and a pull of an image', async () => {
  const storage = await openAzurite();
  const count = countCalls();
  const app = await openTestApp({ stores: storage, wrap: (stores) => intercept(stores, count) });
  await storage.prepare([app.registry]);
  const send = clientOf(app.app);
  await begin(send, NAME);
  const before = storage.requests();
  count.reset();

  const layers = [noise(1000), noise(2000)];
  for (const bytes of layers) expect((await stream(send, NAME, bytes)).status).toBe(201);
  const manifest = document('image', { layers: layers.map(descriptor) });
  expect((await publish(send, NAME, 'v1', manifest)).status).toBe(201);
  expect((await send('HEAD', `/v2/${NAME}/manifests/v1`)).status).toBe(200);
  expect((await send('GET', `/v2/${NAME}/manifests/${manifest.digest}`)).bytes).toEqual(manifest.bytes);
  for (const bytes of layers) {
    const answer = await send('GET', `/v2/${NAME}/blobs/${digestOf(bytes)}`);
    expect(header(answer, 'location')).toMatch(/^http/);
  }

  // Each layer 3, the manifest 2 + 2 reads and 2 writes, the pull 2 + 2.
  expect(count.calls.length).toBe(17);
  expect(storage.requests() - before).toBe(17);
  await app.close();
  await storage.close();
});
