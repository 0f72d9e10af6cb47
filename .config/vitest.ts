import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['{protocol,gateway,node,sim,bench,.config}/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // All cores: without it one is left to the runner, which has little to do.
    maxWorkers: '100%',
  },
})
