/**
 * The few errors that are answered before or after the application itself could. The rows repeat those of the
 * application's table, which a test compares: an entry that imported more could fail to load, and answer nothing.
 */
export const faults = {
  REQUEST_INVALID: { status: 400, code: 'UNSUPPORTED', message: 'the request cannot be understood' },
  UNAVAILABLE: { status: 503, code: 'UNAVAILABLE', message: 'storage is not answering; try again' },
  UNKNOWN: { status: 500, code: 'UNKNOWN', message: 'unknown error' },
} as const;

export type FaultCode = keyof typeof faults;

export interface Fault {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** A whole answer in the error form of distribution-spec "Error Codes"; it tells nothing of the cause. */
export function fault(name: FaultCode): Fault {
  const { status, code, message } = faults[name];
  const body = JSON.stringify({ errors: [{ code, message, detail: null }] });
  const headers: Record<string, string> = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    'docker-distribution-api-version': 'registry/2.0',
  };
  if (status === 503) headers['retry-after'] = '5';
  return { status, headers, body };
}
