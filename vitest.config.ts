import { defineConfig } from 'vitest/config'

/** Where .ci/run wants a JSON report besides the usual output. */
const report = process.env.STILLROOM_TEST_REPORT

export default defineConfig({
  test: {
    include: ['{engine,cli,electron,renderer,tests}/**/*.test.ts'],
    // Those need a browser: `npm run test:app`.
    exclude: ['tests/electron/**'],
    // Forks, not threads: native packages keep state per process, and a native crash then costs one file of tests.
    pool: 'forks',
    // Tests that use ONNX Runtime as a reference load it without the engine, which turns its counting off: see engine/session/telemetry.ts.
    env: { ORT_DISABLE_TELEMETRY: '1' },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
  },
})
