import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expectIncludes } from '../lab/expect.ts';
import { type Client, type Lab, type Steps } from '../lab/lab.ts';

export const notation: Client = {
  name: 'notation',
  programs: ['notation'],
  sameHost: true,
  version: async (lab) =>
    /Version:\s+v?([^\s+]+)/.exec((await lab.run('notation', ['version'])).stdout)?.[1] ?? '',
  open,
};

async function open(lab: Lab): Promise<Steps> {
  const image = await lab.smallImage('image');
  await lab.seed('notation', 'one', image);
  const subject = `${lab.reference('notation')}@${image.root.digest}`;
  const call = async (...args: string[]): Promise<string> => (await lab.run('notation', args)).stdout;
  await call('cert', 'generate-test', '--default', 'functionary.test');
  const policy = {
    version: '1.0',
    trustPolicies: [
      {
        name: 'test',
        registryScopes: [lab.reference('notation')],
        signatureVerification: { level: 'strict' },
        trustStores: ['ca:functionary.test'],
        trustedIdentities: ['*'],
      },
    ],
  };
  const settings = lab.path('home', '.config', 'notation');
  await mkdir(settings, { recursive: true });
  await writeFile(join(settings, 'trustpolicy.json'), JSON.stringify(policy));
  return {
    referrers: async () => {
      for (const tags of ['false', 'true']) {
        const how = ['--insecure-registry', `--force-referrers-tag=${tags}`];
        await call('sign', ...how, '--signature-format', tags === 'true' ? 'jws' : 'cose', subject);
      }
      expectIncludes(
        'verified',
        await call('verify', '--insecure-registry', subject),
        'Successfully verified',
      );
      const listed = await call('list', '--insecure-registry', subject);
      const signatures = listed.match(/sha256:[0-9a-f]{64}/g) ?? [];
      // The subject and its two signatures: one by the referrers API, one by the fallback tag.
      if (new Set(signatures).size !== 3) throw new Error(`two signatures expected:\n${listed}`);
    },
  };
}
