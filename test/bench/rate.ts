import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { LoadOrder, LoadReport } from './load.ts';

const execute = promisify(execFile);
const generator = fileURLToPath(new URL('load.ts', import.meta.url));

/** Runs the load generator in its own process. Throws when an answer had another status than the one expected. */
export async function measureRate(order: LoadOrder): Promise<LoadReport> {
  const { stdout } = await execute(process.execPath, [generator, JSON.stringify(order)], {
    timeout: (order.seconds + 30) * 1000,
  });
  const report: LoadReport = JSON.parse(stdout);
  if (report.wrong > 0) {
    throw new Error(
      `${report.wrong} of ${report.requests} answers to ${order.path} were not ${order.status}`,
    );
  }
  return report;
}
