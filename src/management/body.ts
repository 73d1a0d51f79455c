import type { RegistryRequest } from '../http/message.ts';
import { readBytes } from '../http/body.ts';
import { Problem } from '../model/problem.ts';
import { ArmProblem, invalid } from './arm.ts';

const LIMIT = 1024 * 1024;

type Json = Readonly<Record<string, unknown>>;

/** The JSON object in a request's body; an empty one for no body. Throws REQUEST_INVALID, TOO_LARGE beyond 1 MiB. */
export async function readBody(request: RegistryRequest): Promise<Fields> {
  const bytes = await readBytes(request, LIMIT, `The request body is larger than ${LIMIT} bytes.`);
  if (bytes.length === 0) return new Fields({}, '');
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new ArmProblem('REQUEST_INVALID', 'InvalidRequestContent', 'The request body is not valid JSON.');
  }
  if (isObject(value)) return new Fields(value, '');
  throw new ArmProblem('REQUEST_INVALID', 'InvalidRequestContent', 'The request body is not a JSON object.');
}

/**
 * An object of a request, read by name and type. `null` is as good as absent, as SDKs send it; a wrong type throws
 * REQUEST_INVALID with the property's path.
 */
export class Fields {
  readonly #json: Json;
  readonly #path: string;

  constructor(json: Json, path: string) {
    this.#json = json;
    this.#path = path;
  }

  /** Names of all properties that have a value. */
  keys(): readonly string[] {
    return Object.keys(this.#json).filter((key) => this.#json[key] !== null);
  }

  /** Refuses properties of other names, so that nothing a caller says is lost in silence. */
  only(...known: readonly string[]): this {
    const stranger = this.keys().find((key) => !known.includes(key));
    if (stranger !== undefined) throw invalid(`The property '${this.#name(stranger)}' is not supported.`);
    return this;
  }

  /** The value as it is. */
  value(key: string): unknown {
    return Object.hasOwn(this.#json, key) ? (this.#json[key] ?? undefined) : undefined;
  }

  text(key: string): string | undefined {
    const value = this.value(key);
    if (value === undefined || typeof value === 'string') return value;
    throw this.#wrong(key, 'a string');
  }

  flag(key: string): boolean | undefined {
    const value = this.value(key);
    if (value === undefined || typeof value === 'boolean') return value;
    throw this.#wrong(key, 'true or false');
  }

  /** A whole number from `least` to `most`. */
  whole(key: string, least: number, most: number): number | undefined {
    const value = this.value(key);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    throw this.#wrong(key, `a whole number from ${least} to ${most}`);
  }

  /** One of a few words, compared without case as ARM does. */
  choice<T extends string>(key: string, words: readonly T[]): T | undefined {
    const value = this.value(key);
    if (value === undefined) return undefined;
    const found = words.find(
      (word) => typeof value === 'string' && word.toLowerCase() === value.toLowerCase(),
    );
    if (found === undefined) throw this.#wrong(key, words.join(' or '));
    return found;
  }

  texts(key: string): readonly string[] | undefined {
    const value = this.value(key);
    if (value === undefined) return undefined;
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
    throw this.#wrong(key, 'a list of strings');
  }

  /** An object of strings, such as tags. */
  map(key: string): Readonly<Record<string, string>> | undefined {
    const fields = this.object(key);
    return fields && Object.fromEntries(fields.keys().map((name) => [name, needed(fields.text(name), name)]));
  }

  object(key: string): Fields | undefined {
    const value = this.value(key);
    if (value === undefined) return undefined;
    if (isObject(value)) return new Fields(value, this.#name(key));
    throw this.#wrong(key, 'an object');
  }

  objects(key: string): readonly Fields[] | undefined {
    const value = this.value(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw this.#wrong(key, 'a list of objects');
    return value.map((item: unknown, i) => {
      if (!isObject(item)) throw this.#wrong(key, 'a list of objects');
      return new Fields(item, `${this.#name(key)}[${i}]`);
    });
  }

  /** Milliseconds since 1970 of an ISO 8601 time. */
  time(key: string): number | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    const time = /^\d{4}-\d\d-\d\d(?:$|T)/.test(text) ? Date.parse(text) : NaN;
    if (Number.isNaN(time)) throw this.#wrong(key, 'a time such as 2030-01-31T00:00:00Z');
    return time;
  }

  #name(key: string): string {
    return this.#path === '' ? key.slice(0, 100) : `${this.#path}.${key.slice(0, 100)}`;
  }

  #wrong(key: string, wanted: string): Problem {
    return invalid(`The property '${this.#name(key)}' must be ${wanted}.`);
  }
}

/** A value that a request must have. Throws REQUEST_INVALID. */
export function needed<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw invalid(`The property '${name}' is required.`);
  return value;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
