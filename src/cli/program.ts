import { CommandError, UsageError, oneOf, parseArguments } from './arguments.ts';
import { createApi } from './client/api.ts';
import { openSessions } from './client/session.ts';
import type { Command, Group, Surroundings } from './command.ts';
import { login, logout } from './commands/account.ts';
import { admin } from './commands/admin.ts';
import { collect } from './commands/cleaning/collect.ts';
import { lifecycle } from './commands/cleaning/lifecycle.ts';
import { purge } from './commands/cleaning/purge.ts';
import { purgeSchedule } from './commands/cleaning/schedules.ts';
import { image } from './commands/images.ts';
import { role } from './commands/roles.ts';
import { scopeMap } from './commands/scopemaps.ts';
import { network } from './commands/settings/network.ts';
import { policy } from './commands/settings/policy.ts';
import { registry } from './commands/settings/registry.ts';
import { usage } from './commands/settings/usage.ts';
import { token } from './commands/tokens.ts';
import { commandHelp, groupHelp, programHelp } from './help.ts';
import { createPrinter } from './output.ts';

/** All of `functionary`: what it can do, in the order of its help. */
export const program: readonly (Command | Group)[] = [
  login,
  logout,
  registry,
  admin,
  token,
  scopeMap,
  role,
  network,
  policy,
  usage,
  image,
  purge,
  purgeSchedule,
  lifecycle,
  collect,
];

/** Runs the command that `words` name and returns its exit code: 0 done, 1 refused or failed, 2 called wrongly. */
export async function run(words: readonly string[], surroundings: Surroundings): Promise<0 | 1 | 2> {
  try {
    return await dispatch(words, surroundings);
  } catch (error) {
    if (error instanceof UsageError) {
      const help = ['functionary', ...knownPath(words), '--help'].join(' ');
      surroundings.err(`functionary: ${error.message}\nTry "${help}".\n`);
      return 2;
    }
    if (!(error instanceof CommandError)) throw error;
    surroundings.err(`functionary: ${error.message}\n`);
    return 1;
  }
}

async function dispatch(words: readonly string[], surroundings: Surroundings): Promise<0 | 2> {
  const [first, second, ...others] = words;
  if (first === undefined || isHelp(first)) return explain(surroundings, programHelp(program), first);
  const entry = program.find(({ name }) => name === first);
  if (!entry) throw new UsageError(`there is no command "${first}"`);
  if ('run' in entry) return await runCommand(entry, first, words.slice(1), surroundings);
  if (second === undefined || isHelp(second)) return explain(surroundings, groupHelp(entry), second);
  const command = entry.commands.find(({ name }) => name === second);
  if (!command) throw new UsageError(`there is no command "${first} ${second}"`);
  return await runCommand(command, `${first} ${second}`, others, surroundings);
}

async function runCommand(
  command: Command,
  path: string,
  words: readonly string[],
  surroundings: Surroundings,
): Promise<0> {
  const given = parseArguments(command, words);
  if (given.flag('help')) {
    surroundings.out(commandHelp(path, command));
    return 0;
  }
  const sessions = openSessions(surroundings.env);
  const form = oneOf('--output', given.text('output') ?? 'table', ['table', 'json']);
  await command.run({
    surroundings,
    sessions,
    print: createPrinter(form, surroundings.out),
    arguments: given,
    api: async () => {
      const session = await sessions.load();
      if (!session) throw new CommandError('nobody is signed in; run "functionary login" first');
      return createApi(session, surroundings.fetch);
    },
  });
  return 0;
}

/** Help that was asked for goes to standard output; help for want of a command is an error. */
function explain({ out, err }: Surroundings, help: string, asked: string | undefined): 0 | 2 {
  (asked === undefined ? err : out)(help);
  return asked === undefined ? 2 : 0;
}

/** The words that name a command or a group. */
function knownPath([first, second]: readonly string[]): readonly string[] {
  const entry = program.find(({ name }) => name === first);
  if (!entry) return [];
  const command = 'commands' in entry ? entry.commands.find(({ name }) => name === second) : undefined;
  return [entry.name, ...(command ? [command.name] : [])];
}

function isHelp(word: string): boolean {
  return ['--help', '-h', 'help'].includes(word);
}
