import { defineConfig } from 'vitest/config'

/** `npm run test:app`: the built window in a real Chromium, through both front doors. Not part of `npm test`. */
export default defineConfig({
  test: {
    include: ['tests/electron/**/*.test.ts'],
    globalSetup: ['tests/electron/build.ts'],
    pool: 'forks',
    maxWorkers: 1,
    env: { ORT_DISABLE_TELEMETRY: '1' },
    testTimeout: 180_000,
    hookTimeout: 120_000,
  },
})
