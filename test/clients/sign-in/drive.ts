import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

import { clear, reasonOf, runStep } from '../drive.ts';
import { CommandFailed } from '../lab/command.ts';
import { Lab } from '../lab/lab.ts';
import type { Cell, Row } from '../table.ts';
import { type People, openPeople } from './people.ts';
import { containerdSignIn, dockerContainerdSignIn, dockerSignIn } from './daemons.ts';
import { cosignSignIn, craneSignIn, helmSignIn, orasSignIn, podmanSignIn, skopeoSignIn } from './programs.ts';
import type { Login, SignInClient, Station } from './station.ts';

/** The columns of the table of sign-ins, in order. */
export const SIGN_INS = [
  'wrong password',
  'admin',
  'token of one repository',
  'elsewhere refused',
  'service principal',
  'refresh token',
  'logout',
] as const;

export const SIGN_IN_CLIENTS: readonly SignInClient[] = [
  dockerSignIn,
  dockerContainerdSignIn,
  containerdSignIn,
  podmanSignIn,
  skopeoSignIn,
  orasSignIn,
  craneSignIn,
  helmSignIn,
  cosignSignIn,
];

export type SignInDrive = {
  /** The root of this checkout. */
  readonly repository: string;
  readonly directory: string;
  readonly tools: string;
  readonly keep: boolean;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
};

/** Starts a registry that asks for sign-in and signs each client in by every kind of credentials. */
export async function driveSignIns(clients: readonly SignInClient[], drive: SignInDrive): Promise<Row[]> {
  let people: People;
  try {
    people = await openPeople({ repository: drive.repository, directory: join(drive.directory, 'sign-in') });
  } catch (error) {
    drive.say(`sign-in: the registry FAILED: ${reasonOf(error)}`);
    return [failedRow('(registry)', '', reasonOf(error))];
  }
  const rows: Row[] = [];
  try {
    for (const client of clients) {
      if (!drive.signal.aborted) rows.push(await driveClient(client, people, drive));
    }
  } finally {
    await people.close().catch((error: unknown) => rows.push(failedRow('(registry)', '', reasonOf(error))));
  }
  return rows;
}

async function driveClient({ client, open }: SignInClient, people: People, drive: SignInDrive): Promise<Row> {
  const directory = join(drive.directory, `sign-in-${client.name}`);
  const { username, password } = people.admin;
  const lab = new Lab({
    ...drive,
    directory,
    registry: people.registry,
    prefix: `t${randomBytes(3).toString('hex')}`,
    limited: true,
    proof: { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` },
  });
  let version = '';
  try {
    await lab.folder();
    version = await client.version(lab);
    const cells = await signInEverybody(await open(lab), lab, people);
    for (const [column, cell] of cells) {
      if (cell.result === 'n/a') continue;
      const detail = cell.result === 'ok' ? `${cell.milliseconds} ms` : cell.reason;
      drive.say(`sign-in: ${client.name}: ${column}: ${cell.result} ${detail}`);
    }
    return { mode: 'sign-in', client: client.name, version, cells };
  } catch (error) {
    drive.say(`sign-in: ${client.name}: FAILED to start: ${reasonOf(error)}`);
    return failedRow(client.name, version, reasonOf(error));
  } finally {
    await lab.close();
    if (!drive.keep) await clear(directory);
  }
}

async function signInEverybody(
  station: Station,
  lab: Lab,
  people: People,
): Promise<ReadonlyMap<string, Cell>> {
  const { logout } = station;
  const roundTrip = async (login: Login, name: string): Promise<void> => {
    await station.login(login);
    await station.push(name);
    await station.pull(name);
  };
  const steps: Readonly<Record<(typeof SIGN_INS)[number], (() => Promise<void>) | undefined>> = {
    'wrong password': async () => {
      const wrong = { ...people.admin, password: 'wrong' };
      if (!station.trusting) return await expectRefused(async () => await station.login(wrong));
      await station.login(wrong);
      await expectRefused(async () => await station.push('wrong'));
    },
    admin: async () => await roundTrip(people.admin, 'admin'),
    'token of one repository': async () => await roundTrip(await people.token(lab.repository('own')), 'own'),
    'elsewhere refused': async () => {
      await station.login(await people.token(lab.repository('own')));
      await expectRefused(async () => await station.push('elsewhere'));
      if (!station.seeds) return await lab.expectGone('elsewhere', 'one');
      await station.login(people.admin);
      await station.pull('elsewhere').then(
        () => Promise.reject(new Error('it was written all the same')),
        () => undefined,
      );
    },
    'service principal': async () => await roundTrip(await people.principal(), 'principal'),
    'refresh token': async () => await roundTrip(await people.refreshToken(), 'refresh'),
    logout:
      logout &&
      (async () => {
        await station.login(people.admin);
        await station.push('left');
        await logout();
        await expectRefused(async () => await station.pull('left'));
      }),
  };
  const cells = new Map<string, Cell>();
  for (const column of SIGN_INS) cells.set(column, await runStep(steps[column]));
  return cells;
}

/** How clients say that they were not let in. */
const REFUSAL =
  /unauthori[sz]ed|authentication required|authorization failed|invalid username\/password|access [^\n]*denied|\b401\b/i;

async function expectRefused(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (error instanceof CommandFailed && REFUSAL.test(error.message)) return;
    throw error;
  }
  throw new Error('it was let in');
}

function failedRow(client: string, version: string, reason: string): Row {
  return { mode: 'sign-in', client, version, cells: new Map([[SIGN_INS[0], { result: 'FAILED', reason }]]) };
}
