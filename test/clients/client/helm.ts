import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';

import { expectEqual, expectIncludes } from '../lab/expect.ts';
import { sha256 } from '../lab/image.ts';
import { type Client, type Lab, type Steps } from '../lab/lab.ts';

export const helm: Client = {
  name: 'helm',
  programs: ['helm'],
  sameHost: true,
  version: async (lab) =>
    (await lab.run('helm', ['version', '--template', '{{.Version}}'])).stdout.replace(/^v/, ''),
  open,
};

async function open(lab: Lab): Promise<Steps> {
  await lab.folder('chart', 'templates');
  await writeFile(
    lab.path('chart', 'Chart.yaml'),
    'apiVersion: v2\nname: probe\ndescription: A chart for tests\ntype: application\nversion: 1.2.3+build.4\n',
  );
  await writeFile(lab.path('chart', 'values.yaml'), `word: ${randomBytes(30_000).toString('hex')}\n`);
  await writeFile(
    lab.path('chart', 'templates', 'map.yaml'),
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: probe}\n',
  );
  await lab.run('helm', ['package', 'chart', '--destination', lab.path()]);
  // A version's `+` is no character of a tag; helm writes `_` in its place.
  const archive = lab.path('probe-1.2.3+build.4.tgz');
  const tag = '1.2.3_build.4';
  const packed = sha256(await readFile(archive));
  const remote = `oci://${lab.reference('helm')}`;
  const pull = async (folder: string, version: string): Promise<void> => {
    await mkdir(lab.path(folder));
    const where = ['--version', version, '--destination', lab.path(folder)];
    await lab.run('helm', ['pull', '--plain-http', `${remote}/probe`, ...where]);
    expectEqual('chart', sha256(await readFile(lab.path(folder, 'probe-1.2.3+build.4.tgz'))), packed);
  };
  const push = async (): Promise<void> => {
    await lab.run('helm', ['push', '--plain-http', archive, remote]);
    const { digests } = await lab.served('helm/probe', tag);
    expectIncludes('content', digests.join(' '), packed);
  };
  return {
    push,
    'push again': push,
    pull: async () => await pull('pulled', '1.2.3+build.4'),
    // helm finds the highest version of a range in the list of tags.
    list: async () => await pull('ranged', '^1.0'),
    artifact: async () => {
      const { stdout } = await lab.run('helm', ['show', 'chart', '--plain-http', `${remote}/probe`]);
      expectIncludes('chart', stdout, 'version: 1.2.3+build.4');
    },
  };
}
