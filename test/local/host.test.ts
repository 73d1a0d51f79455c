import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/model/digest.ts';
import { readOptions } from '../../src/local/options.ts';

const PROGRAM = fileURLToPath(new URL('../../src/local/main.ts', import.meta.url));
const dirs: string[] = [];
const running: ChildProcess[] = [];

afterEach(async () => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
  for (const dir of dirs.splice(0)) await rm(dir, { recursive: true, force: true });
});

async function freshDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'functionary-host-'));
  dirs.push(dir);
  return dir;
}

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

function start(...args: string[]): { url: Promise<string>; ended: Promise<Ended>; child: ChildProcess } {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  let output = '';
  const url = new Promise<string>((resolve, reject) => {
    const read = (data: Buffer) => {
      output += data.toString();
      const found = /listening on (\S+)/.exec(output)?.[1];
      if (found) resolve(found);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('close', () => reject(new Error(output)));
  });
  url.catch(() => {});
  const ended = once(child, 'close').then(() => ({ code: child.exitCode, output }));
  return { url, ended, child };
}

describe('the local host', () => {
  for (const where of ['--disk', '--data']) {
    test(`keeps what it acknowledged when it is asked to stop at once (${where})`, async () => {
      const dir = await freshDir();
      const first = start('--open', '--port', '0', where, dir);
      const url = await first.url;
      const bytes = Buffer.from(`layer ${where}`);
      const digest = digestOf(bytes);
      const begun = await fetch(`${url}/v2/kept/blobs/uploads/`, { method: 'POST' });
      const location = `${url}${begun.headers.get('location')}&digest=${digest}`;
      expect((await fetch(location, { method: 'PUT', body: bytes })).status).toBe(201);
      first.child.kill('SIGTERM');
      expect((await first.ended).code).toBe(0);

      const second = start('--open', '--port', '0', where, dir);
      const answer = await fetch(`${await second.url}/v2/kept/blobs/${digest}`);
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(bytes);
      second.child.kill('SIGINT');
      expect((await second.ended).code).toBe(0);
    });
  }

  test('says what to do when the port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const { code, output } = await start('--port', String(port), '--disk', await freshDir()).ended;
    taken.close();
    expect(code).toBe(1);
    expect(output).toContain('the port is taken');
  });

  test('is not reachable from elsewhere without the address that tokens name', async () => {
    const { code, output } = await start('--port', '0', '--host', '0.0.0.0', '--disk', await freshDir())
      .ended;
    expect(code).toBe(1);
    expect(output).toContain('PUBLIC_URL');
  });

  test('is never open to everybody on an address that others reach', () => {
    expect(() => readOptions(['--open', '--host', '0.0.0.0'])).toThrow('--open');
    expect(() => readOptions(['--open', '--host', '192.168.1.1'])).toThrow('--open');
    expect(readOptions(['--open', '--host', '127.0.0.2'])).toMatchObject({ open: true, loopback: true });
  });

  test('explains its options', async () => {
    const { code, output } = await start('--help').ended;
    expect(code).toBe(0);
    for (const option of [
      '--port',
      '--disk',
      '--data',
      '--open',
      '--tls',
      '--account',
      '--upload-endpoint',
    ]) {
      expect(output).toContain(option);
    }
  });
});
