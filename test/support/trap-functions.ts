/** A Functions entry whose application misbehaves in every way that could leave a client waiting. See functions.test.ts. */
import { app } from '@azure/functions';
import { watchExchanges } from '../../functions/stream/exchange.ts';
import { registerHttp } from '../../functions/http.ts';
import { openOnce } from '../../functions/opening.ts';

const MEBIBYTE = new Uint8Array(1 << 20);

let opened = 0;
let produced = 0;
let freed = false;

function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      // As a network would: without a turn of the loop nobody else would ever run.
      await new Promise((resolve) => void setImmediate(resolve));
      produced += 1;
      controller.enqueue(MEBIBYTE);
    },
    cancel() {
      freed = true;
    },
  });
}

function broken(): ReadableStream<Uint8Array> {
  let sent = false;
  return new ReadableStream({
    pull(controller) {
      if (sent) throw new Error('storage broke off');
      sent = true;
      controller.enqueue(MEBIBYTE);
    },
  });
}

const answers: Record<string, (request: Request) => Promise<Response> | Response> = {
  '/throw': () => {
    throw new Error('a secret');
  },
  '/nothing': () => Reflect.get({}, 'response'),
  '/no-status': () => Response.error(),
  '/bad-header': () => new Response(null, { headers: { 'x-note': 'bell \u0007' } }),
  '/never': async () => await new Promise<never>(() => undefined),
  '/broken': () => new Response(broken(), { headers: { 'content-length': String(8 << 20) } }),
  '/no-length': () => new Response(new Blob(['abc']).stream()),
  '/endless': () => new Response(endless(), { headers: { 'content-length': String(1 << 40) } }),
  '/unread': () => new Response(null, { status: 401, headers: { 'content-length': '0' } }),
  '/too-large': async (request) => {
    for await (const _ of request.body ?? []) break;
    return new Response(null, { status: 413, headers: { 'content-length': '0' } });
  },
  '/state': () => Response.json({ opened, produced, freed }),
  '/headers': (request) => Response.json(Object.fromEntries(request.headers)),
  '/head': () => new Response('dropped', { headers: { 'content-length': '4242' } }),
};

app.setup({ enableHttpStream: true });
registerHttp<typeof answers>(
  {
    open: openOnce(async () => {
      opened += 1;
      if (opened === 1) throw new Error('a secret setting');
      return await Promise.resolve(answers);
    }),
    respond: async (table, request) => {
      const answer = table[new URL(request.url).pathname];
      return (await answer?.(request)) ?? Reflect.get({}, 'response');
    },
  },
  { exchanges: watchExchanges(300), deadline: 300 },
);
