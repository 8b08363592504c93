import { resolve } from 'node:path'
import { defineConfig } from 'vite'

/** The desktop's main process: one module with everything it uses but Electron itself, and no native package. */
export default defineConfig({
  publicDir: false,
  ssr: { noExternal: true, external: ['electron'] },
  build: {
    ssr: resolve(import.meta.dirname, 'electron', 'main.ts'),
    outDir: resolve(import.meta.dirname, 'dist', 'electron'),
    emptyOutDir: false,
    target: 'node24',
    minify: false,
    rolldownOptions: {
      // What is imported and not used is left out: the store's SQLite, which engine hosts alone open.
      treeshake: { moduleSideEffects: false },
      external: ['electron', /\.node$/],
      output: { format: 'es', entryFileNames: 'main.js', codeSplitting: false },
    },
  },
})
