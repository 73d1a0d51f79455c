import { writeFile } from 'node:fs/promises';

import { expectIncludes } from '../lab/expect.ts';
import { type Client, type Lab, type Steps } from '../lab/lab.ts';

export const cosign: Client = {
  name: 'cosign',
  programs: ['cosign'],
  version: async (lab) =>
    /GitVersion:\s+v?(\S+)/.exec((await lab.run('cosign', ['version'])).stdout)?.[1] ?? '',
  open,
};

async function open(lab: Lab): Promise<Steps> {
  const image = await lab.smallImage('image');
  await lab.seed('cosign', 'one', image);
  const subject = `${lab.reference('cosign')}@${image.root.digest}`;
  const call = async (...args: string[]): Promise<string> => {
    const { stdout, stderr } = await lab.run('cosign', args);
    return stdout + stderr;
  };
  const plain = ['--allow-http-registry', '--allow-insecure-registry'];
  await call('generate-key-pair');
  // No transparency log, no timestamps: a signing configuration without any server.
  await call('signing-config', 'create', '--out', 'signing.json');
  const sign = ['--key', 'cosign.key', '--signing-config', 'signing.json', '--yes', ...plain];
  const verify = ['--key', 'cosign.pub', '--insecure-ignore-tlog', ...plain];
  return {
    referrers: async () => {
      await call('sign', ...sign, subject);
      expectIncludes('verified', await call('verify', ...verify, subject), image.root.digest);
      await writeFile(lab.path('predicate.json'), '{"checked":true}');
      await call('attest', ...sign, '--predicate', 'predicate.json', '--type', 'custom', subject);
      await call('verify-attestation', ...verify, '--type', 'custom', subject);
      expectIncludes('tree', await call('tree', ...plain, subject), 'sha256:');
    },
    copy: async () => {
      await call('copy', ...plain, `${lab.reference('cosign')}:one`, `${lab.reference('cosign-copy')}:two`);
      await lab.expectServed('cosign-copy', 'two', image);
    },
    delete: async () => {
      await call('verify', ...verify, subject);
      await call('clean', ...plain, '--type', 'all', '--force', subject);
      await call('verify', ...verify, subject).then(
        () => Promise.reject(new Error('a signature outlived cosign clean')),
        () => undefined,
      );
    },
  };
}
