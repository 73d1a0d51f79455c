declare const brand: unique symbol;

/**
 * A hybrid-logical-clock stamp, `<ms, 13 digits><counter, 4 of base 36>@<region>`: sorts by time, then counter,
 * then region, so that replicas agree on the later of two writes (DESIGN section 9).
 */
export type Stamp = string & { readonly [brand]: 'Stamp' };

const COUNTER_LIMIT = 36 ** 4;

/**
 * Returns a source of strictly rising stamps, even when the clock stands still or steps back; given one that was read,
 * the next is later than that, too, whatever the clock of its writer said.
 */
export function createStamps(now: () => number, region: string): (after?: Stamp) => Stamp {
  let last = 0;
  let counter = 0;
  return (after) => {
    const time = now();
    const seen = after === undefined ? 0 : stampTime(after);
    const seenCounter = after === undefined ? 0 : Number.parseInt(after.slice(13, 17), 36);
    if (seen > last || (seen === last && seenCounter > counter)) {
      last = seen;
      counter = seenCounter;
    }
    if (time > last) {
      last = time;
      counter = 0;
    } else if (++counter === COUNTER_LIMIT) {
      last++;
      counter = 0;
    }
    return parseStamp(`${String(last).padStart(13, '0')}${counter.toString(36).padStart(4, '0')}@${region}`);
  };
}

/** The wall-clock part of a stamp, in milliseconds since 1970. */
export function stampTime(stamp: Stamp): number {
  return Number(stamp.slice(0, 13));
}

/** Throws a plain Error: stamps come from clocks and rows, not from clients. */
export function parseStamp(text: string): Stamp {
  if (!isStamp(text)) throw new Error(`not a stamp: ${JSON.stringify(text)}`);
  return text;
}

export function isStamp(text: string): text is Stamp {
  return /^\d{13}[0-9a-z]{4}@[a-z0-9-]{1,40}$/.test(text);
}
