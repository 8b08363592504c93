import { defineConfig } from 'vitest/config'

// Forks, not threads: native packages keep state per process, and a native crash then costs one file of tests.
export default defineConfig({
  test: {
    include: ['engine/**/*.test.ts', 'cli/**/*.test.ts', 'tests/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
