const FORM = /^\{"errors":\[\{"code":"([A-Z_]+)","message":"(?:[^"\\]|\\.)+","detail":.+\}\]\}$/s;

/** The JSON of an answer. */
export async function jsonOf(response: Response): Promise<unknown> {
  const value: unknown = JSON.parse(await response.text());
  return value;
}

/**
 * An error answer in short: `404 BLOB_UNKNOWN`. Throws when it lacks the form of distribution-spec "Error Codes" or
 * announces another length than it has.
 */
export async function problemOf(response: Response): Promise<string> {
  const body = await response.text();
  const { status, headers } = response;
  const [, code] = FORM.exec(body) ?? [];
  const formed =
    code !== undefined &&
    isJson(body) &&
    headers.get('content-type') === 'application/json; charset=utf-8' &&
    headers.get('content-length') === String(Buffer.byteLength(body));
  if (!formed)
    throw new Error(`not an OCI error: ${status} ${JSON.stringify([...headers])} ${body.slice(0, 500)}`);
  return `${status} ${code}`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
