import { Problem } from '../../../model/problem.ts';
import { type Matcher, compileExpression } from './expression.ts';

const FILTERS = 100;
/** Colons of an expression's own: in `(?i:x)` and `[[:alpha:]]`. */
const OWN_COLON = /\(\?[imsU-]{0,5}:|\[:\^?[a-z]+:\]/g;

/** The two expressions of a `--filter`. */
export interface Filter {
  readonly repository: string;
  readonly tag: string;
}

export interface Filters {
  /** Matches tags of a repository; undefined for one that no filter names. */
  readonly tagsOf: (repository: string) => Matcher | undefined;
}

/**
 * Reads `<repository>:<tag>`, regular expressions both; the only colon that does not belong to one of them parts them.
 * Throws REQUEST_INVALID.
 */
export function parseFilter(text: string): Filter {
  const masked = text.replace(OWN_COLON, (own) => own.replaceAll(':', ' '));
  const at = masked.indexOf(':');
  const [repository, tag] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)];
  if (repository !== '' && tag !== '' && at === masked.lastIndexOf(':')) return { repository, tag };
  throw new Problem('REQUEST_INVALID', undefined, {
    message: `The filter '${text.slice(0, 100)}' is not '<repository>:<regular expression of tags>'.`,
  });
}

/**
 * Compiles the filters of a purge. The expression of the repository must match all of a name, that of the tag any part
 * of one, as with `acr purge`; unlike there `a|b` names two repositories, not all that begin with a or end with b.
 * Several filters of one repository add up. Throws REQUEST_INVALID.
 */
export async function compileFilters(texts: readonly string[]): Promise<Filters> {
  if (texts.length > FILTERS) {
    throw new Problem('REQUEST_INVALID', undefined, { message: `More than ${FILTERS} filters.` });
  }
  const compiled = await Promise.all(
    texts.map(parseFilter).map(async ({ repository, tag }) => ({
      // Alone first: brackets around it could make a whole of what is none.
      own: await compileExpression(repository),
      repository: await compileExpression(`^(?:${repository})$`),
      tag: await compileExpression(tag),
    })),
  );
  return {
    tagsOf(name) {
      const matchers = compiled
        .filter(({ repository }) => repository([name])[0] === true)
        .map(({ tag }) => tag);
      if (matchers.length === 0) return undefined;
      return (tags) => {
        const found = matchers.map((matcher) => matcher(tags));
        return tags.map((_, i) => found.some((matches) => matches[i] === true));
      };
    },
  };
}
