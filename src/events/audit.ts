import type { Context } from '../store/context.ts';

/** What ACR's logs call an operation on a repository. `Untag`: a tag goes, its manifest stays. */
export type RepositoryOperation = 'Pull' | 'Push' | 'Delete' | 'Untag';

/** What a request does to a repository. */
export interface RepositoryAct {
  readonly operation: RepositoryOperation;
  readonly repository: string;
  /** One line is written for each; one line without a tag where there is none. */
  readonly tags: readonly string[];
}

/**
 * What a request turns out to be, filled in on its way, so that one that fails half-way is known that far. Never
 * holds a secret: neither passwords nor tokens nor headers.
 */
export interface Trail {
  /** Host and port under which clients know the registry; undefined until it is known, and then nothing is written. */
  loginServer?: string;
  address?: string;
  /** Undefined where the request is nothing that ACR logs. */
  act?: 'login' | RepositoryAct;
  /** The kind of proof that came with the request. */
  proof?: 'none' | 'basic' | 'bearer';
  /** The user name that was given, proven or not. */
  claimed?: string;
  /** The name of the identity that was proven. */
  identity?: string;
  /** The directory that the identity is from. */
  tenant?: string;
  /** The id (`jti`) of the token that was given out. */
  jwtId?: string;
  digest?: string;
  mediaType?: string;
  artifactType?: string;
  /** Bytes of the manifest. */
  size?: number;
}

/** What a call on `reference`, a tag, a digest or '' for the repository, is to the audit; `tags`: those that a push sets besides. */
export function actOn(
  operation: RepositoryOperation,
  repository: string,
  reference: string,
  tags: readonly string[],
): Pick<Trail, 'act' | 'digest'> {
  const byDigest = reference.includes(':');
  const byTag = reference !== '' && !byDigest;
  const act = {
    operation: operation === 'Delete' && byTag ? ('Untag' as const) : operation,
    repository,
    tags: [...(byTag ? [reference] : []), ...(operation === 'Push' ? tags : [])],
  };
  return { act, ...(byDigest && { digest: reference }) };
}

/** How a request ended. Times in milliseconds since 1970. */
export interface Ending {
  readonly id: string;
  readonly started: number;
  readonly ended: number;
  readonly userAgent: string;
  readonly status: number;
}

/** A log line: its message is ACR's name of the table. */
export interface AuditLine {
  readonly message: 'ContainerRegistryLoginEvents' | 'ContainerRegistryRepositoryEvents';
  readonly fields: Readonly<Record<string, string | number>>;
}

/**
 * Longer user names are not shown: people type passwords in their place, and the passwords of tokens, of the admin
 * user and of service principals all have 40 characters or more.
 */
const CLAIM_LIMIT = 39;
const TEXT_LIMIT = 300;
/** A push sets fewer tags; what is refused may name any number. */
const LINES = 20;

/** Writes a line for the sign-in or for each repository event that a request was. */
export function writeAudit(ctx: Pick<Context, 'log' | 'settings'>, trail: Trail, ending: Ending): void {
  for (const { message, fields } of auditLines(ctx.settings.region, trail, ending)) {
    ctx.log('info', message, fields);
  }
}

/** The lines of a request, with the columns of ACR's tables; none for most requests (ACR features section 7, "Logs"). */
export function auditLines(region: string, trail: Trail, ending: Ending): readonly AuditLine[] {
  const { loginServer, act } = trail;
  if (loginServer === undefined) return [];
  const shared = (category: AuditLine['message'], operation: string) => ({
    TimeGenerated: new Date(ending.started).toISOString(),
    OperationName: operation,
    Category: category,
    CorrelationId: ending.id,
    LoginServer: loginServer,
    Region: region,
    Identity: trail.identity ?? shownClaim(trail.claimed ?? ''),
    CallerIpAddress: trail.address ?? '',
    UserAgent: ending.userAgent.slice(0, TEXT_LIMIT),
    DurationMs: String(ending.ended - ending.started),
    // In these two columns ACR's own queries look for the status.
    ResultType: 'HttpStatusCode',
    ResultDescription: String(ending.status),
  });
  if (act === 'login' || isFailedLogin(trail, ending)) {
    const message = 'ContainerRegistryLoginEvents';
    return [{ message, fields: { ...shared(message, 'Login'), JwtId: trail.jwtId ?? '' } }];
  }
  // Clients ask without credentials first, to hear where to get them.
  if (act === undefined || (trail.proof === 'none' && ending.status === 401)) return [];
  const message = 'ContainerRegistryRepositoryEvents';
  const tags = act.tags.length === 0 ? [''] : act.tags.slice(0, LINES);
  return tags.map((tag) => ({
    message,
    fields: {
      ...shared(message, act.operation),
      Repository: act.repository.slice(0, TEXT_LIMIT),
      Tag: tag.slice(0, TEXT_LIMIT),
      Digest: (trail.digest ?? '').slice(0, TEXT_LIMIT),
      MediaType: (trail.mediaType ?? '').slice(0, TEXT_LIMIT),
      ArtifactType: (trail.artifactType ?? '').slice(0, TEXT_LIMIT),
      UserTenantId: trail.tenant ?? '',
      ...(trail.size !== undefined && { Size: trail.size }),
    },
  }));
}

/** A password sent along with the request itself was wrong, or not even looked at. */
function isFailedLogin({ proof, identity }: Trail, { status }: Ending): boolean {
  return proof === 'basic' && identity === undefined && (status === 401 || status === 429);
}

function shownClaim(name: string): string {
  return name.length > CLAIM_LIMIT ? '' : name;
}
