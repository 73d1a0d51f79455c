/** The five fields of a cron expression (POSIX crontab): values allowed, from 0. */
const FIELDS = [
  { name: 'minute', first: 0, last: 59 },
  { name: 'hour', first: 0, last: 23 },
  { name: 'day of month', first: 1, last: 31 },
  { name: 'month', first: 1, last: 12 },
  { name: 'day of week', first: 0, last: 7 },
] as const;

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** Days looked ahead: 29 February may be eight years away. */
const HORIZON_DAYS = 9 * 366;

/** When something happens again and again, to the minute, in UTC. */
export interface Cron {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly isDay: (dayOfMonth: number, dayOfWeek: number) => boolean;
}

/** Why a cron expression cannot be read. */
export class CronError extends Error {}

/**
 * Reads five fields: `*`, numbers, ranges and lists of these, each with a step behind `/`. Sunday is 0 or 7. Where days
 * of the month and of the week are both restricted, either will do, as POSIX has it. Throws CronError, for an
 * expression that never comes true as well.
 */
export function parseCron(text: string): Cron {
  const parts = text.trim().split(/\s+/);
  if (parts.length !== FIELDS.length) throw new CronError(`it has ${parts.length} fields, not five`);
  const [minutes, hours, days, months, weekdays] = FIELDS.map((field, i) =>
    parseField(parts[i] ?? '', field),
  );
  if (!minutes || !hours || !days || !months || !weekdays) throw new CronError('it has not five fields');
  const everyDay = parts[2]?.startsWith('*') ?? false;
  const everyWeekday = parts[4]?.startsWith('*') ?? false;
  const isDay = (day: number, weekday: number): boolean => {
    const [inMonth, inWeek] = [days.has(day), weekdays.has(weekday) || (weekday === 0 && weekdays.has(7))];
    return everyDay || everyWeekday ? inMonth && inWeek : inMonth || inWeek;
  };
  const cron = { minutes, hours, months, isDay };
  if (nextTime(cron, 0) === undefined) throw new CronError('there is no such day');
  return cron;
}

/** The first time after `after`, in milliseconds since 1970; undefined when there is none within nine years. */
export function nextTime({ minutes, hours, months, isDay }: Cron, after: number): number | undefined {
  const start = (Math.floor(after / MINUTE_MS) + 1) * MINUTE_MS;
  for (let day = 0; day <= HORIZON_DAYS; day++) {
    const midnight = (Math.floor(start / DAY_MS) + day) * DAY_MS;
    const date = new Date(midnight);
    if (!months.has(date.getUTCMonth() + 1) || !isDay(date.getUTCDate(), date.getUTCDay())) continue;
    for (const hour of [...hours].toSorted((a, b) => a - b)) {
      for (const minute of [...minutes].toSorted((a, b) => a - b)) {
        const time = midnight + (hour * 60 + minute) * MINUTE_MS;
        if (time >= start) return time;
      }
    }
  }
  return undefined;
}

function parseField(text: string, field: (typeof FIELDS)[number]): ReadonlySet<number> {
  return new Set(text.split(',').flatMap((part) => parsePart(part, field)));
}

function parsePart(text: string, { name, first, last }: (typeof FIELDS)[number]): number[] {
  const match = /^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:\/(\d{1,2}))?$/.exec(text);
  const [, from, to, step] = match ?? [];
  const low = from === undefined ? first : Number(from);
  const high = to === undefined ? (from === undefined ? last : step === undefined ? low : last) : Number(to);
  const by = step === undefined ? 1 : Number(step);
  if (!match || low < first || high > last || low > high || by === 0) {
    throw new CronError(`"${text.slice(0, 20)}" is no ${name}`);
  }
  const values: number[] = [];
  for (let value = low; value <= high; value += by) values.push(value);
  return values;
}
