import { readBytes } from '../http/body.ts';
import type { RepositoryCall } from '../http/call.ts';
import { parseDigest } from '../model/digest.ts';
import { type Reference, parseRepositoryName, parseTag } from '../model/names.ts';
import { Problem } from '../model/problem.ts';
import type { Source } from '../registry/copy/retag.ts';
import { parseObject } from './attributes.ts';

const BODY_LIMIT = 4096;

/**
 * Reads what a tag is to name: `{"digest"}` or `{"tag"}`, and `{"repository"}` where it is another one's. Throws
 * REQUEST_INVALID, and what is wrong with a name.
 */
export async function readSource({ request, repository }: RepositoryCall): Promise<Source> {
  const body = parseObject(Buffer.from(await readBytes(request, BODY_LIMIT)).toString());
  const { repository: name, tag, digest, ...rest }: Partial<Record<string, unknown>> = { ...body };
  const to = tag === undefined ? digest : tag;
  const both = tag !== undefined && digest !== undefined;
  if (typeof to !== 'string' || both || !isOptionalText(name) || Object.keys(rest).length > 0) {
    throw new Problem('REQUEST_INVALID', {
      expected: '"digest" or "tag", and "repository" if it is another',
    });
  }
  const reference: Reference =
    tag === undefined ? { kind: 'digest', digest: parseDigest(to) } : { kind: 'tag', tag: parseTag(to) };
  return {
    repository: name === undefined ? repository : { ...repository, name: parseRepositoryName(name) },
    reference,
  };
}

function isOptionalText(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}
