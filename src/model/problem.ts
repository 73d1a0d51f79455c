/**
 * Every error a client can see, in one table. Codes and messages follow the OCI distribution specification
 * ("Error Codes"), then CNCF distribution, then Azure Container Registry where the first two are silent.
 * `code` is the spelling on the wire when it differs from the row's name. `test/errors.test.ts` compares the
 * rows with the specification.
 */
const TABLE = {
  BLOB_UNKNOWN: { status: 404, message: 'blob unknown to registry' },
  BLOB_UPLOAD_INVALID: { status: 400, message: 'blob upload invalid' },
  BLOB_UPLOAD_UNKNOWN: { status: 404, message: 'blob upload unknown to registry' },
  CONFLICT: { status: 409, code: 'UNSUPPORTED', message: 'the request contradicts what exists' },
  DENIED: { status: 403, message: 'requested access to the resource is denied' },
  DIGEST_INVALID: { status: 400, message: 'provided digest did not match uploaded content' },
  DISALLOWED: {
    status: 405,
    code: 'REGISTRY_DISALLOWED_OPERATION',
    message:
      'The operation is disallowed on this registry, repository or image. View troubleshooting steps at https://aka.ms/acr/faq/#why-does-my-pull-or-push-request-fail-with-disallowed-operation',
  },
  MANIFEST_BLOB_UNKNOWN: {
    status: 400,
    message: 'manifest references a manifest or blob unknown to registry',
  },
  MANIFEST_INVALID: { status: 400, message: 'manifest invalid' },
  MANIFEST_UNKNOWN: { status: 404, message: 'manifest unknown to registry' },
  METHOD_NOT_ALLOWED: { status: 405, code: 'UNSUPPORTED', message: 'the method is not supported here' },
  NAME_INVALID: { status: 400, message: 'invalid repository name' },
  NAME_UNKNOWN: { status: 404, message: 'repository name not known to registry' },
  NOT_FOUND: { status: 404, code: 'UNSUPPORTED', message: 'no such route' },
  PAGINATION_NUMBER_INVALID: { status: 400, message: 'invalid number of results requested' },
  RANGE_INVALID: { status: 416, message: 'the range is not satisfiable' },
  REQUEST_INVALID: { status: 400, code: 'UNSUPPORTED', message: 'the request cannot be understood' },
  SIZE_INVALID: { status: 400, message: 'provided length did not match content length' },
  TAG_INVALID: { status: 400, message: 'manifest tag did not match URI' },
  TAG_UNKNOWN: { status: 404, message: 'the specified tag does not exist' },
  TOO_LARGE: { status: 413, code: 'SIZE_INVALID', message: 'the body is larger than this registry accepts' },
  TOO_MANY_TAGS: { status: 414, code: 'TAG_INVALID', message: 'too many tags for one push' },
  TOOMANYREQUESTS: { status: 429, message: 'too many requests' },
  UNAUTHORIZED: { status: 401, message: 'authentication required' },
  UNAVAILABLE: { status: 503, message: 'storage is not answering; try again' },
  UNKNOWN: { status: 500, message: 'unknown error' },
  UNSUPPORTED: { status: 405, message: 'the operation is unsupported' },
  UPLOAD_RANGE: {
    status: 416,
    code: 'BLOB_UPLOAD_INVALID',
    message: 'the chunk does not start where the upload ends',
  },
} as const satisfies Record<string, { status: number; code?: string; message: string }>;

export type ProblemCode = keyof typeof TABLE;

export interface ProblemOptions {
  cause?: unknown;
  /** Response headers that belong to this error, such as `WWW-Authenticate` or `Retry-After`. */
  headers?: Record<string, string>;
  /** Replaces the table's message where a client shows it to a person. */
  message?: string;
}

/** An error that a client is told about. Thrown anywhere, answered by the one catch in `app/http.ts`. */
export class Problem extends Error {
  readonly code: ProblemCode;
  /** Goes to the client as JSON; must hold no secret. */
  readonly detail: unknown;
  readonly headers: Record<string, string>;

  constructor(code: ProblemCode, detail?: unknown, options: ProblemOptions = {}) {
    super(options.message ?? TABLE[code].message, { cause: options.cause });
    this.name = 'Problem';
    this.code = code;
    this.detail = detail;
    this.headers = options.headers ?? {};
  }

  get status(): number {
    return TABLE[this.code].status;
  }

  /** The body of distribution-spec "Error Codes": `{"errors":[{code,message,detail}]}`. */
  toBody(): string {
    const row = problemTable[this.code];
    const error = { code: row.code ?? this.code, message: this.message, detail: this.detail ?? null };
    return JSON.stringify({ errors: [error] });
  }
}

export const problemTable: Readonly<Record<ProblemCode, { status: number; code?: string; message: string }>> =
  TABLE;
