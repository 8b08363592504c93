/** Preload of a Node process that stands in for Electron's: whoever imports `electron`, by `import` or `require`, gets the double. */
import { registerHooks } from 'node:module'

const url = new URL('./electron.ts', import.meta.url).href

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'electron' || specifier.startsWith('electron/')
      ? { url, format: 'module-typescript', shortCircuit: true }
      : next(specifier, context),
})
