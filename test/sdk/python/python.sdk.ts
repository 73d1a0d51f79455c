import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { adapters } from '../../support/app.ts';
import { type SdkLab, openSdkLab } from '../lab.ts';

const PYTHON = fileURLToPath(new URL('../../../.cache/venv/bin/python', import.meta.url));
const PROGRAM = fileURLToPath(new URL('client.py', import.meta.url));
const AUDIENCE = 'https://management.azure.com';
const OPEN = 'python/open';

let lab: SdkLab | undefined;
afterEach(async () => {
  await lab?.close();
});

test.each(adapters)(
  'the Python SDK signs in, pushes, pulls, lists, locks and deletes over %s',
  async (adapter) => {
    lab = await openSdkLab({ adapter });
    await lab.settings({ anonymousRepositories: [OPEN] });
    const { code, output } = await run({
      ENDPOINT: lab.url,
      OPEN,
      PRINCIPALS: JSON.stringify(await principals(lab)),
      REQUESTS_CA_BUNDLE: lab.trust,
    });
    expect(output).toMatch(/^Ran 13 tests/m);
    expect(output).toMatch(/^OK$/m);
    expect(code).toBe(0);
    // 10 MiB in pieces of 4 MiB.
    const pieces = lab.requests().filter((line) => line.startsWith('PATCH /v2/python/blob/'));
    expect(pieces).toHaveLength(3);
    // The SDK asks for ranges, and follows links to storage with them.
    const served = lab.requests().flatMap((line) => /^GET \S+\/blobs\/\S+ ([23]\d\d)$/.exec(line)?.[1] ?? []);
    expect(new Set(served)).toEqual(new Set([adapter === 'azure' ? '307' : '206']));
  },
);

async function principals(at: SdkLab): Promise<Record<string, string>> {
  const token = async (roles: readonly string[], audience = AUDIENCE) =>
    await (await at.principal(roles)).token(audience);
  return {
    pusher: await token(['AcrPush']),
    keeper: await token(['AcrPush', 'AcrDelete']),
    reader: await token(['Container Registry Repository Reader', 'AcrPull']),
    nobody: await token([]),
    owner: await token(['Owner']),
    stranger: await token(['Owner'], 'https://graph.example'),
  };
}

async function run(env: Readonly<Record<string, string>>): Promise<{ code: number | null; output: string }> {
  const child = spawn(PYTHON, ['-B', PROGRAM], { env: { ...process.env, ...env } });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => {
      output += bytes.toString();
    });
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}
