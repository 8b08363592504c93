import { resolve } from 'node:path'
import { defineConfig } from 'vite'

const at = (...path: string[]): string => resolve(import.meta.dirname, ...path)

/**
 * The engine host of the desktop: each module of the engine becomes one, in the same folders, since some start others as processes by their
 * place. Packages stay outside: native ones must, and they are packed with the app.
 */
export default defineConfig({
  publicDir: false,
  build: {
    ssr: true,
    outDir: at('dist', 'host'),
    emptyOutDir: true,
    target: 'node24',
    minify: false,
    rolldownOptions: {
      input: [
        at('electron', 'engineHost.ts'),
        // Started as processes of their own, by name.
        at('engine', 'inspect', 'probeHost.ts'),
        at('engine', 'benchmark', 'memoryHost.ts'),
        // A thread of its own.
        at('engine', 'data', 'aheadWorker.ts'),
      ],
      output: { format: 'es', preserveModules: true, preserveModulesRoot: import.meta.dirname, entryFileNames: '[name].js' },
    },
  },
})
