import { expect } from 'vitest';

/** The JSON of an answer. */
export async function jsonOf(response: Response): Promise<unknown> {
  return JSON.parse(await response.text()) as unknown;
}

/** The answer is this error, in the form of distribution-spec "Error Codes", with its true length announced. */
export async function expectProblem(response: Response, status: number, code: string): Promise<void> {
  const body = await response.text();
  expect({ status: response.status, body }).toEqual({
    status,
    body: expect.stringContaining(`"code":"${code}"`),
  });
  expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
  expect(response.headers.get('content-length')).toBe(String(Buffer.byteLength(body)));
  expect(JSON.parse(body)).toEqual({
    errors: [{ code, message: expect.any(String), detail: expect.anything() as unknown }],
  });
}
