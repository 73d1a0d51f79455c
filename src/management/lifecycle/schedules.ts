import {
  deletePurgeSchedule,
  listPurgeSchedules,
  putPurgeSchedule,
  readPurgeSchedule,
} from '../../access/settings/lifecycle.ts';
import type { Reply } from '../../http/message.ts';
import { CronError, nextTime, parseCron } from '../../model/policy/cron.ts';
import type { PurgeScheduleDocument } from '../../model/policy/lifecycle.ts';
import type { Context } from '../../store/context.ts';
import { type RegistryArmCall, answer, armTime, child, deleted, invalid, list, notFound } from '../arm.ts';
import { needed, readBody } from '../body.ts';
import { readKeptOptions } from './purge.ts';

const COLLECTION = 'purgeSchedules';
const SCHEDULES = 50;
const STATUSES = ['Enabled', 'Disabled'] as const;
/** Ours to say; SDKs send back what they read. */
const SHOWN = ['nextRunTime', 'creationDate', 'provisioningState'];

/** GET purgeSchedules. */
export async function getPurgeSchedules(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  const all = await listPurgeSchedules(ctx, call.registry);
  return list(all.map((one) => resource(call, one)));
}

/** GET purgeSchedules/{name}. */
export async function showPurgeSchedule(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  const found = await readPurgeSchedule(ctx, call.registry, call.name);
  if (!found) throw notFound(COLLECTION, call.name);
  return answer(200, resource(call, found));
}

/** PUT purgeSchedules/{name} `{properties:{schedule,options,status}}`: a purge that runs by itself. */
export async function replacePurgeSchedule(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  const { registry, name } = call;
  if (!/^[A-Za-z0-9][A-Za-z0-9-]{0,49}$/.test(name)) {
    throw invalid(
      `'${name.slice(0, 100)}' is no name of a schedule: it has 1 to 50 letters, digits and '-'.`,
    );
  }
  const body = (await readBody(call.request)).only('id', 'name', 'type', 'systemData', 'properties');
  const properties = needed(body.object('properties'), 'properties');
  properties.only('schedule', 'options', 'status', ...SHOWN);
  const schedule = needed(properties.text('schedule'), 'properties.schedule');
  checkCron(schedule);
  const options = await readKeptOptions(ctx, needed(properties.object('options'), 'properties.options'));
  const enabled = properties.choice('status', STATUSES) !== 'Disabled';
  const others = (await listPurgeSchedules(ctx, registry)).filter(
    (one) => one.name.toLowerCase() !== name.toLowerCase(),
  );
  if (others.length >= SCHEDULES) throw invalid(`A registry has at most ${SCHEDULES} schedules of purges.`);
  const found = await putPurgeSchedule(ctx, registry, name, { enabled, schedule, options });
  return answer(200, resource(call, found));
}

/** DELETE purgeSchedules/{name}. */
export async function removePurgeSchedule(ctx: Context, call: RegistryArmCall): Promise<Reply> {
  return deleted(await deletePurgeSchedule(ctx, call.registry, call.name));
}

function resource(call: RegistryArmCall, document: PurgeScheduleDocument): unknown {
  const { name, enabled, schedule, options, created, checked } = document;
  const next = enabled ? nextTime(parseCron(schedule), checked) : undefined;
  return child(call, COLLECTION, name, created, {
    status: enabled ? 'Enabled' : 'Disabled',
    schedule,
    options,
    ...(next !== undefined && { nextRunTime: armTime(next) }),
  });
}

function checkCron(text: string): void {
  try {
    parseCron(text);
  } catch (error) {
    if (!(error instanceof CronError)) throw error;
    throw invalid(`The schedule '${text.slice(0, 100)}' is not of five cron fields: ${error.message}.`);
  }
}
