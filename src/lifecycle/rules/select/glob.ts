/** Whether a text is one that a pattern stands for: `*` for any text, `/` included, `?` for one character. */
export function matchesGlob(pattern: string, text: string): boolean {
  let at = 0;
  let star = -1;
  let from = 0;
  for (let i = 0; i < text.length;) {
    // A star takes nothing at first, and one character more each time that the rest does not fit: never worse than
    // the product of both lengths.
    if (pattern[at] === '*') {
      star = at++;
      from = i;
    } else if (pattern[at] === text[i] || pattern[at] === '?') {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1;
      i = ++from;
    } else {
      return false;
    }
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}

export function matchesAny(patterns: readonly string[], text: string): boolean {
  return patterns.some((pattern) => matchesGlob(pattern, text));
}
