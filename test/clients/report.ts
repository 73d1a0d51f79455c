/** What a JUnit report says, check by check. */
export type Report = {
  readonly passed: number;
  /** Name of each failed check with what was said about it. */
  readonly failures: readonly string[];
  /** Name of each skipped check with the reason. */
  readonly skips: readonly string[];
};

/**
 * Reads the `testcase` elements of a JUnit file by their `status`: `passed`, `skipped`, or anything else,
 * which counts as a failure. A text without any gives a report without any.
 */
export function parseReport(xml: string): Report {
  const failures: string[] = [];
  const skips: string[] = [];
  let passed = 0;
  for (const [element] of xml.matchAll(/<testcase\b[^>]*?(?:\/>|>[\s\S]*?<\/testcase>)/g)) {
    const status = attribute(element, 'status');
    const reason = /<system-out>([\s\S]*?)<\/system-out>/.exec(element)?.[1] ?? '';
    const line = decode(`${attribute(element, 'name')}: ${reason}`)
      .replaceAll(/\s+/g, ' ')
      .slice(0, 400);
    if (status === 'passed') passed += 1;
    else if (status === 'skipped') skips.push(line);
    else failures.push(line);
  }
  return { passed, failures, skips };
}

function attribute(element: string, name: string): string {
  return new RegExp(`^<testcase\\b[^>]*?\\s${name}="([^"]*)"`).exec(element)?.[1] ?? '';
}

function decode(text: string): string {
  return text
    .replaceAll(/&#(x[0-9a-fA-F]+|\d+);/g, (_, code: string) =>
      String.fromCodePoint(Number(code.startsWith('x') ? `0${code}` : code)),
    )
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&');
}
