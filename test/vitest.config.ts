import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Lives here, not at the top, where the layout allows no further file: `vitest run --config test/vitest.config.ts`.
export default defineConfig({
  test: {
    root: fileURLToPath(new URL('..', import.meta.url)),
    include: ['test/**/*.test.ts'],
    exclude: ['test/clients/**', 'test/bench/**', 'node_modules/**'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
