import type { ManagementCall } from '../http/call.ts';
import { jsonReply } from '../http/json.ts';
import type { Reply } from '../http/message.ts';
import type { RegistryName } from '../model/names.ts';
import { Problem, type ProblemCode } from '../model/problem.ts';

export const PROVIDER = 'Microsoft.ContainerRegistry';
export const REGISTRY_TYPE = `${PROVIDER}/registries`;
/** There is one tenant: whatever subscription and group a path names are echoed; lists name these. */
export const DEFAULT_SUBSCRIPTION = '00000000-0000-0000-0000-000000000000';
export const DEFAULT_GROUP = 'functionary';

/** A management call and what its path names; empty where it names none. */
export interface ArmCall extends ManagementCall {
  readonly subscription: string;
  readonly group: string;
  /** The path's last variable part below the collection. */
  readonly name: string;
}

/** A call on a registry or on one of its resources. */
export interface RegistryArmCall extends ArmCall {
  readonly registry: RegistryName;
  /** ARM id of the registry, in the caller's subscription and group. */
  readonly id: string;
}

/** ARM's error codes (ACR wire section 4); the rest are InvalidRequest by their 400. */
const ARM_CODES: Partial<Record<ProblemCode, string>> = {
  UNAUTHORIZED: 'AuthenticationFailed',
  DENIED: 'AuthorizationFailed',
  NOT_FOUND: 'ResourceNotFound',
  NAME_UNKNOWN: 'ResourceNotFound',
  METHOD_NOT_ALLOWED: 'MethodNotAllowed',
  UNSUPPORTED: 'MethodNotAllowed',
  CONFLICT: 'Conflict',
  TOO_LARGE: 'RequestEntityTooLarge',
  TOOMANYREQUESTS: 'TooManyRequests',
  UNAVAILABLE: 'ServiceUnavailable',
  UNKNOWN: 'InternalServerError',
};

/** A problem that ARM has a code of its own for. */
export class ArmProblem extends Problem {
  readonly armCode: string;

  constructor(code: ProblemCode, armCode: string, message: string) {
    super(code, undefined, { message });
    this.armCode = armCode;
  }
}

/** A request that says something it may not: 400 with a message for a person. */
export function invalid(message: string): Problem {
  return new Problem('REQUEST_INVALID', undefined, { message });
}

/** A problem as ARM's clients read it: `{"error":{"code","message"}}`. */
export function armError(problem: Problem): Reply {
  const code =
    problem instanceof ArmProblem ? problem.armCode : (ARM_CODES[problem.code] ?? 'InvalidRequest');
  const message = typeof problem.detail === 'string' ? problem.detail : problem.message;
  const { headers, ...reply } = answer(problem.status, { error: { code, message } });
  return { ...reply, headers: { ...problem.headers, ...headers } };
}

/** An answer with a JSON body. */
export function answer(status: number, body: unknown): Reply {
  // Passwords are among the answers.
  return jsonReply(status, body, { 'cache-control': 'no-store' });
}

/** What a DELETE answers: 204 when there was nothing. */
export function deleted(found: boolean): Reply {
  return { status: found ? 200 : 204, headers: { 'content-length': '0' } };
}

/** ARM has no page limit that clients rely on: a list is answered whole. */
export function list(value: readonly unknown[]): Reply {
  return answer(200, { value });
}

/** The 404 of a resource that a registry does not have. */
export function notFound(type: string, name: string): Problem {
  const message = `The resource '${type}/${name.slice(0, 200)}' was not found.`;
  return new ArmProblem('NOT_FOUND', 'ResourceNotFound', message);
}

export function registryId(subscription: string, group: string, registry: string): string {
  return `/subscriptions/${subscription}/resourceGroups/${group}/providers/${REGISTRY_TYPE}/${registry}`;
}

/** Envelope of a registry's child resource. */
export function child(
  { id }: RegistryArmCall,
  collection: string,
  name: string,
  created: number,
  properties: Readonly<Record<string, unknown>>,
): unknown {
  return {
    id: `${id}/${collection}/${name}`,
    name,
    type: `${REGISTRY_TYPE}/${collection}`,
    systemData: { createdAt: armTime(created) },
    properties: { ...properties, creationDate: armTime(created), provisioningState: 'Succeeded' },
  };
}

/** The name of a registry's child that an ARM id means; undefined for an id of something else. */
export function childName({ registry }: RegistryArmCall, collection: string, id: string): string | undefined {
  const match = /\/registries\/([^/]+)\/([^/]+)\/([^/]+)$/i.exec(id);
  if (match?.[1]?.toLowerCase() !== registry || match[2]?.toLowerCase() !== collection.toLowerCase()) {
    return undefined;
  }
  return match[3];
}

/** UTC with the seven fraction digits of ARM. */
export function armTime(time: number): string {
  return new Date(time).toISOString().replace('Z', '0000Z');
}
