import { svelte } from '@sveltejs/vite-plugin-svelte'
import { resolve } from 'node:path'
import { defineConfig, type Plugin } from 'vite'
import { collectNotices } from './scripts/notices.ts'

const NOTICES = 'virtual:notices'

/** The module of third-party notices, made from what is installed. */
const notices: Plugin = {
  name: 'notices',
  resolveId: (id) => (id === NOTICES ? `\0${NOTICES}` : undefined),
  load: (id) =>
    id === `\0${NOTICES}` ? `export const notices = ${JSON.stringify(collectNotices(import.meta.dirname))}` : undefined,
}

/** The page, the same for the desktop and for the browser: plain files that any origin can serve. */
export default defineConfig({
  root: resolve(import.meta.dirname, 'renderer'),
  base: './',
  plugins: [svelte({ configFile: false, compilerOptions: { runes: true } }), notices],
  build: {
    outDir: resolve(import.meta.dirname, 'dist', 'renderer'),
    emptyOutDir: true,
    target: 'es2023',
    // Inlined fonts and pictures would need exceptions from the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  worker: { format: 'es' },
})
