import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { ContainerRegistryClient } from '@azure/container-registry';
import { ClientSecretCredential } from '@azure/identity';

import { runCommand } from '../clients/lab/command.ts';
import { expectLayout } from '../clients/lab/expect.ts';
import { SMALL_SIZES, writeImage } from '../clients/lab/image.ts';
import { OWNER_ROLE, TENANT, openPeople } from '../clients/sign-in/people.ts';

// What one does with a registry, by clients as one has them: oras, crane, curl, and Azure's SDK for JavaScript.
// `npm run seeds` runs it and prints each command as it could be typed; each `check` counts.

const HELP = `Shows what one does with a registry, by real clients over https, and checks each result.

  --tools DIR     where oras and crane lie, or are put when they are missing (.cache/bin)
  --storage NAME  azure, on the emulator, or disk, in a directory (azure)
`;

const repository = resolve(import.meta.dirname, '..', '..');
const { values } = parseArgs({
  options: {
    tools: { type: 'string', default: join(repository, '.cache', 'bin') },
    storage: { type: 'string', default: 'azure' },
    help: { type: 'boolean', default: false },
  },
});

const results = { passed: 0, failed: 0 };
if (values.help) process.stdout.write(HELP);
else process.exitCode = await main();

async function main(): Promise<number> {
  const tools = resolve(values.tools);
  const install = ['test/clients/tools.ts', '--only', 'oras,crane', '--bin', tools];
  await runCommand(process.execPath, install, { cwd: repository, env: process.env, timeoutMs: 900_000 });
  const directory = await mkdtemp(join(tmpdir(), 'seeds-'));
  const storage = values.storage === 'disk' ? 'disk' : 'azure';
  try {
    const people = await openPeople({ repository, directory, storage }, true);
    try {
      await show(directory, tools, people);
    } finally {
      await people.close();
    }
  } catch (error) {
    results.failed += 1;
    say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
  say(`\nseeds: ${results.passed} passed, ${results.failed} failed`);
  return results.failed > 0 || results.passed === 0 ? 1 : 0;
}

async function show(directory: string, tools: string, people: Awaited<ReturnType<typeof openPeople>>) {
  const { registry: host, admin, trust = '' } = people;

  // -- The clients: all of them trust the registry's certificate, and are signed in. --

  const work = join(directory, 'work');
  await mkdir(work);
  const env = {
    PATH: `${tools}:${process.env['PATH'] ?? ''}`,
    HOME: work,
    DOCKER_CONFIG: join(work, '.docker'),
    SSL_CERT_FILE: trust,
    CURL_CA_BUNDLE: trust,
  };
  /** Runs a program, and gives what it prints. */
  const run = async (program: string, ...args: string[]): Promise<string> => {
    say(`$ ${[program, ...args].join(' ').replaceAll(admin.password, '$PASSWORD')}`);
    return (await runCommand(program, args, { cwd: work, env })).stdout;
  };
  /** What curl gets from the registry by ACR's own API, as JSON. */
  const curl = async (path: string): Promise<unknown> => {
    const user = `${admin.username}:${admin.password}`;
    const found: unknown = JSON.parse(
      await run('curl', '--silent', '--fail', '--user', user, `https://${host}${path}`),
    );
    return found;
  };
  await run('oras', 'login', '--username', admin.username, '--password', admin.password, host);

  const owner = await people.principal(OWNER_ROLE);
  const credential = new ClientSecretCredential(TENANT, owner.username, owner.password, {
    authorityHost: people.directory,
    disableInstanceDiscovery: true,
  });
  const sdk = new ContainerRegistryClient(`https://${host}`, credential);

  // -- 1. Push by tag, list with tags and times, pull by digest. --

  title('An image by tag, and by digest');
  const started = Date.now();
  const first = await writeImage(join(work, 'first'), SMALL_SIZES);
  await run('crane', 'push', 'first', `${host}/seeds/hello:1.0`);
  await run('crane', 'tag', `${host}/seeds/hello:1.0`, 'latest');

  await check('the SDK lists the manifest with its tags and times', async () => {
    const [only, ...others] = await Array.fromAsync(
      sdk.getRepository('seeds/hello').listManifestProperties({ order: 'LastUpdatedOnDescending' }),
    );
    assert(only);
    assert.deepEqual(others, []);
    assert.equal(only.digest, first.root.digest);
    assert.deepEqual(only.tags, ['1.0', 'latest']);
    assert.deepEqual([only.operatingSystem, only.architecture], ['linux', 'amd64']);
    for (const time of [only.createdOn, only.lastUpdatedOn])
      assert(
        time.getTime() >= started && time.getTime() <= Date.now(),
        `not a time of now: ${time.toISOString()}`,
      );
    say(`  ${only.digest} ${only.tags.join(' ')} ${only.lastUpdatedOn.toISOString()}`);
  });
  await check('so does the wire', async () => {
    const list = await curl('/acr/v1/seeds/hello/_manifests?orderby=timedesc');
    assert.partialDeepStrictEqual(list, {
      imageName: 'seeds/hello',
      manifests: [{ digest: first.root.digest, tags: ['1.0', 'latest'] }],
    });
    const tags = await curl('/acr/v1/seeds/hello/_tags');
    const { digest } = first.root;
    assert.partialDeepStrictEqual(tags, {
      tags: [
        { name: '1.0', digest },
        { name: 'latest', digest },
      ],
    });
  });
  await check('by its digest the same bytes come back', async () => {
    await run('crane', 'pull', '--format=oci', `${host}/seeds/hello@${first.root.digest}`, 'first-again');
    await expectLayout(join(work, 'first-again'), first);
  });

  // -- 2. What a tag named before: an orphan. --

  title('A manifest that lost its tags');
  const second = await writeImage(join(work, 'second'), SMALL_SIZES);
  for (const tag of ['1.0', 'latest']) await run('crane', 'push', 'second', `${host}/seeds/hello:${tag}`);
  const hello = sdk.getRepository('seeds/hello');
  const untagged = async (): Promise<string[]> => {
    const found = await Array.fromAsync(hello.listManifestProperties());
    return found.filter(({ tags }) => tags.length === 0).map(({ digest }) => digest);
  };

  await check(
    'pushed again, the tags name the new image, and the old one is listed without tags',
    async () => {
      assert.equal((await hello.getArtifact('1.0').getTagProperties('1.0')).digest, second.root.digest);
      assert.deepEqual(await untagged(), [first.root.digest]);
      assert.equal((await hello.getProperties()).manifestCount, 2);
    },
  );
  await check('it is still pulled by its digest', async () => {
    await run('crane', 'pull', '--format=oci', `${host}/seeds/hello@${first.root.digest}`, 'orphan');
    await expectLayout(join(work, 'orphan'), first);
  });
  await check('it is deleted by its digest, and nothing else with it', async () => {
    for (const digest of await untagged()) await run('crane', 'delete', `${host}/seeds/hello@${digest}`);
    assert.deepEqual(await untagged(), []);
    await assert.rejects(run('crane', 'manifest', `${host}/seeds/hello@${first.root.digest}`), /404|UNKNOWN/);
    assert.equal((await run('crane', 'digest', `${host}/seeds/hello:1.0`)).trim(), second.root.digest);
  });

  // -- 3. An artifact that is no image. --

  title('An artifact by oras');
  const kind = 'application/vnd.example.report';
  await writeFile(join(work, 'report.json'), '{"findings":0}\n');
  await writeFile(join(work, 'notes.txt'), 'nothing to see\n');
  const reference = `${host}/seeds/report:2026-01`;
  const files = ['report.json:application/json', 'notes.txt:text/plain'];
  await run('oras', 'push', '--artifact-type', kind, '--annotation', 'team=red', reference, ...files);
  const digest = (await run('oras', 'resolve', reference)).trim();

  await check('oras shows its manifest', async () => {
    const manifest: unknown = JSON.parse(await run('oras', 'manifest', 'fetch', reference));
    assert.partialDeepStrictEqual(manifest, { artifactType: kind, annotations: { team: 'red' } });
  });
  await check('the wire shows its size, times and what may be done with it', async () => {
    const shown = await curl(`/acr/v1/seeds/report/_manifests/${digest}`);
    assert.partialDeepStrictEqual(shown, {
      registry: host,
      imageName: 'seeds/report',
      manifest: {
        digest,
        imageSize: 30,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        tags: ['2026-01'],
        changeableAttributes: {
          deleteEnabled: true,
          writeEnabled: true,
          readEnabled: true,
          listEnabled: true,
        },
      },
    });
  });
  await check('the SDK locks it, and then nobody deletes it until it is unlocked', async () => {
    const artifact = sdk.getArtifact('seeds/report', digest);
    assert.equal((await artifact.updateManifestProperties({ canDelete: false })).canDelete, false);
    const remove = ['manifest', 'delete', '--force', `${host}/seeds/report@${digest}`];
    await assert.rejects(run('oras', ...remove), /disallowed/);
    assert.equal((await artifact.updateManifestProperties({ canDelete: true })).canDelete, true);
  });
  await check('oras pulls its files', async () => {
    await run('oras', 'pull', '--output', 'pulled', reference);
    for (const name of ['report.json', 'notes.txt'])
      assert.deepEqual(await readFile(join(work, 'pulled', name)), await readFile(join(work, name)));
  });
  await check('oras deletes it, and the repository goes with its last manifest', async () => {
    await run('oras', 'manifest', 'delete', '--force', reference);
    await assert.rejects(run('oras', 'pull', reference), /not found/);
    const names = await Array.fromAsync(sdk.listRepositoryNames());
    assert.deepEqual(names, ['seeds/hello']);
  });

  // -- 4. One name for several platforms. --

  title('An image for two architectures');
  const architectures = ['amd64', 'arm64'] as const;
  const images = await Promise.all(
    architectures.map(async (name) => await writeImage(join(work, name), SMALL_SIZES, name)),
  );
  for (const name of architectures) await run('crane', 'push', name, `${host}/seeds/multi:1.0-${name}`);
  const parts = architectures.map((name) => `1.0-${name}`);
  await run('oras', 'manifest', 'index', 'create', `${host}/seeds/multi:1.0`, ...parts);

  await check('the SDK shows what the index is made of', async () => {
    const found = await sdk.getArtifact('seeds/multi', '1.0').getManifestProperties();
    const wanted = images.map(({ root }, at) => ({
      digest: root.digest,
      architecture: architectures[at],
      operatingSystem: 'linux',
    }));
    assert.deepEqual(found.relatedArtifacts, wanted);
    assert.equal((await sdk.getRepository('seeds/multi').getProperties()).manifestCount, 3);
  });
  for (const [at, name] of architectures.entries()) {
    await check(`whoever runs on ${name} gets the image for it`, async () => {
      const image = images[at];
      assert(image);
      const platform = ['--platform', `linux/${name}`];
      const resolved = await run('crane', 'digest', ...platform, `${host}/seeds/multi:1.0`);
      assert.equal(resolved.trim(), image.root.digest);
      await run('oras', 'copy', '--to-oci-layout', ...platform, `${host}/seeds/multi:1.0`, `${name}-again`);
      await expectLayout(join(work, `${name}-again`), image);
    });
  }
}

/** Counts one thing that must be so; what goes wrong is said, and the next one is tried. */
async function check(what: string, prove: () => Promise<void>): Promise<void> {
  try {
    await prove();
    results.passed += 1;
    say(`ok: ${what}`);
  } catch (error) {
    results.failed += 1;
    say(`FAILED: ${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function title(text: string): void {
  say(`\n== ${text}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
