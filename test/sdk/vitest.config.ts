import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// What needs more than npm installs: run `test/sdk/setup` first, as `npm run sdk` does.
export default defineConfig({
  test: {
    root: fileURLToPath(new URL('../..', import.meta.url)),
    include: ['test/sdk/**/*.sdk.ts'],
    pool: 'forks',
    testTimeout: 120_000,
    hookTimeout: 30_000,
  },
});
