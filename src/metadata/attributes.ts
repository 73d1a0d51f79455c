import { readBytes } from '../http/body.ts';
import type { RegistryRequest } from '../http/message.ts';
import type { Attributes } from '../model/policy/locks.ts';
import { QUARANTINE_STATES, type QuarantineState } from '../model/policy/quarantine.ts';
import { Problem } from '../model/problem.ts';

/** Bytes of a body, and characters of what a scanner says: a property of a row holds 32 Ki. */
const BODY_LIMIT = 128 * 1024;
const DETAILS_LIMIT = 30_000;

/** What a body asks for; what is left out stays as it is. */
export interface AttributeChange {
  readonly attributes: Partial<Attributes>;
  readonly state?: QuarantineState;
  readonly details?: string;
  readonly writeOnce?: boolean;
}

type Kind = 'repository' | 'tag' | 'manifest';

const ALL: readonly Kind[] = ['repository', 'tag', 'manifest'];

interface Field {
  readonly of: readonly Kind[];
  /** What the value must be, as a client is told. */
  readonly expected: string;
  /** Undefined for a value that will not do. */
  readonly read: (value: unknown) => AttributeChange | undefined;
}

/** Every field of a body (ACR wire section 2); `writeOnceTags` is our own. */
const FIELDS: Readonly<Record<string, Field>> = {
  deleteEnabled: flag(ALL, (deleteEnabled) => ({ attributes: { deleteEnabled } })),
  writeEnabled: flag(ALL, (writeEnabled) => ({ attributes: { writeEnabled } })),
  readEnabled: flag(ALL, (readEnabled) => ({ attributes: { readEnabled } })),
  listEnabled: flag(ALL, (listEnabled) => ({ attributes: { listEnabled } })),
  writeOnceTags: flag(['repository'], (writeOnce) => ({ attributes: {}, writeOnce })),
  quarantineState: {
    of: ['manifest'],
    expected: QUARANTINE_STATES.join(', '),
    read: (value) => {
      const state = QUARANTINE_STATES.find((one) => one === value);
      return state && { attributes: {}, state };
    },
  },
  quarantineDetails: {
    of: ['manifest'],
    expected: `text of at most ${DETAILS_LIMIT} characters`,
    read: (value) => (isDetails(value) ? { attributes: {}, details: value } : undefined),
  },
};

/** Reads the body of a PATCH. Throws REQUEST_INVALID for what is no object or has a field that we do not know. */
export async function readChange(request: RegistryRequest, kind: Kind): Promise<AttributeChange> {
  const text = Buffer.from(await readBytes(request, BODY_LIMIT)).toString();
  let change: AttributeChange = { attributes: {} };
  for (const [name, value] of Object.entries(parseObject(text))) {
    const field = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
    if (!field?.of.includes(kind)) {
      throw new Problem('REQUEST_INVALID', {
        field: name.slice(0, 100),
        reason: `not an attribute of a ${kind}`,
      });
    }
    const part = field.read(value);
    if (!part) throw new Problem('REQUEST_INVALID', { field: name, expected: field.expected });
    change = { ...change, ...part, attributes: { ...change.attributes, ...part.attributes } };
  }
  return change;
}

/** The fields of a body. Throws REQUEST_INVALID for what is no JSON object. */
export function parseObject(text: string): object {
  const value = parseJson(text);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new Problem('REQUEST_INVALID', { reason: 'the body is not a JSON object' });
}

/** Throws REQUEST_INVALID for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Problem('REQUEST_INVALID', { reason: 'the body is not JSON' }, { cause });
  }
}

function flag(of: readonly Kind[], change: (value: boolean) => AttributeChange): Field {
  const read = (value: unknown) => (typeof value === 'boolean' ? change(value) : undefined);
  return { of, expected: 'true or false', read };
}

/** JSON mostly, but that is between the scanner and its readers. Storage keeps no control characters and no halves. */
function isDetails(value: unknown): value is string {
  // oxlint-disable-next-line no-control-regex -- these are meant
  const forbidden = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;
  return (
    typeof value === 'string' &&
    value.length <= DETAILS_LIMIT &&
    value.isWellFormed() &&
    !forbidden.test(value)
  );
}
