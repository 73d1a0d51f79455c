import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CommandError } from '../arguments.ts';
import { textAt } from '../output.ts';

/** What `login` remembers. */
export interface Session {
  /** Scheme, host and port. */
  readonly server: string;
  readonly username: string;
  readonly password: string;
  /** ARM id of the registry. */
  readonly registry: string;
}

/** Keeps the session in a file that only its owner can read. */
export interface SessionStore {
  /** Undefined when nobody is signed in. Throws CommandError for a file that is not a session. */
  load(): Promise<Session | undefined>;
  save(session: Session): Promise<void>;
  /** False when there was none. */
  erase(): Promise<boolean>;
}

/** The store in `$XDG_CONFIG_HOME/functionary`, or `~/.config/functionary`. */
export function openSessions(env: Readonly<Record<string, string | undefined>>): SessionStore {
  const folder = join(env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config'), 'functionary');
  const file = join(folder, 'session.json');
  return {
    load: async () => {
      const text = await readIfThere(file);
      return text === undefined ? undefined : parseSession(text, file);
    },
    save: async (session) => {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      // A new file, renamed: the mode of one that exists already would stay as it is.
      const fresh = `${file}.${process.pid}`;
      await rm(fresh, { force: true });
      await writeFile(fresh, `${JSON.stringify({ version: 1, ...session }, undefined, 2)}\n`, {
        mode: 0o600,
        flag: 'wx',
      });
      await rename(fresh, file);
    },
    erase: async () => {
      const found = (await readIfThere(file)) !== undefined;
      await rm(file, { force: true });
      return found;
    },
  };
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new CommandError(`cannot read ${file}: ${String(error)}`, { cause: error });
  }
}

function parseSession(text: string, file: string): Session {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CommandError(`${file} is damaged; run "functionary login" again`, { cause: error });
  }
  const session = {
    server: textAt(value, 'server'),
    username: textAt(value, 'username'),
    password: textAt(value, 'password'),
    registry: textAt(value, 'registry'),
  };
  if (Object.values(session).includes(''))
    throw new CommandError(`${file} is damaged; run "functionary login" again`);
  return session;
}
