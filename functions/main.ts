import { app } from '@azure/functions';
import { openApp } from '../src/app/compose.ts';
import { respond } from '../src/app/http.ts';
import { queues, runJob, runTimer, timers } from '../src/app/jobs.ts';
import { watchExchanges } from './stream/exchange.ts';
import { registerHttp } from './http.ts';
import { openOnce } from './opening.ts';
import { registerQueues } from './queues.ts';
import { registerTimers } from './timers.ts';

// Without streams a body sent in chunks arrives empty, and that is how layers are pushed.
app.setup({ enableHttpStream: true });

const open = openOnce(async () => await openApp(process.env));
registerHttp({ open, respond }, { exchanges: watchExchanges() });
registerQueues(queues, async (queue, body) => await runJob(await open(), queue, body));
registerTimers(timers, async (name) => await runTimer(await open(), name));
