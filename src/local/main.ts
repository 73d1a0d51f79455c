import { enableCompileCache } from 'node:module';

// Before anything is imported: it halves the start (`npm run bench`, row start).
enableCompileCache();

try {
  const { runHost } = await import('./host.ts');
  process.exitCode = await runHost(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`functionary: ${explain(error)}\n`);
  process.exitCode = 1;
}

function explain(error: unknown): string {
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    return 'the port is taken: stop what listens there, or choose another with --port N (0 picks a free one)';
  }
  return error instanceof Error ? error.message : String(error);
}
