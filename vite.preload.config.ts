import { resolve } from 'node:path'
import { defineConfig } from 'vite'

/** The preload: one CommonJS file, since a sandboxed preload is no module and can require `electron` alone. */
export default defineConfig({
  publicDir: false,
  build: {
    lib: {
      entry: resolve(import.meta.dirname, 'electron', 'preload', 'preload.ts'),
      formats: ['cjs'],
      fileName: () => 'preload.cjs',
    },
    outDir: resolve(import.meta.dirname, 'dist', 'electron'),
    emptyOutDir: false,
    target: 'chrome140',
    minify: false,
    rolldownOptions: { external: ['electron'], output: { codeSplitting: false } },
  },
})
