/**
 * `npm run build` makes what runs in the window: the page, the main process, its preload and its engine host, all under `dist/`. `--if-stale`
 * makes only what is older than its sources, which is how `npm start` calls it.
 */
import { globSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build } from 'vite'

const ROOT = resolve(import.meta.dirname, '..')

/** Each part: its configuration, the sources it is made of, and the file that shows when it was made. */
export const PARTS = [
  {
    name: 'renderer',
    sources: ['renderer/**', 'engine/commands/contract/**', 'engine/errors.ts'],
    made: 'dist/renderer/index.html',
  },
  {
    name: 'main',
    sources: ['electron/**', 'engine/commands/**', 'engine/runs/**', 'engine/errors.ts'],
    made: 'dist/electron/main.js',
  },
  { name: 'preload', sources: ['electron/preload/**'], made: 'dist/electron/preload.cjs' },
  { name: 'host', sources: ['electron/engineHost.ts', 'engine/**'], made: 'dist/host/electron/engineHost.js' },
] as const

const timeOf = (path: string): number => statSync(join(ROOT, path), { throwIfNoEntry: false })?.mtimeMs ?? 0

/** Whether a part is missing, or older than one of its sources or its configuration. */
function isStale({ name, sources, made }: (typeof PARTS)[number]): boolean {
  const files = globSync([...sources, `vite.${name}.config.ts`, 'package.json'], {
    cwd: ROOT,
    exclude: (path) => /\.test\.ts$/.test(path),
  })
  const at = timeOf(made)
  return at === 0 || files.some((file) => timeOf(file) > at)
}

/** Build the parts of these names; all of them when none is named. */
export async function buildApp(options: { ifStale?: boolean; only?: readonly string[]; quiet?: boolean } = {}): Promise<string[]> {
  const made: string[] = []
  for (const part of PARTS) {
    if (options.only && !options.only.includes(part.name)) continue
    if (options.ifStale && !isStale(part)) continue
    await buildPart(part, options.quiet ?? false)
    made.push(part.name)
  }
  return made
}

/** Build one part. A part with a folder of its own is built beside it and put in its place at the end: a window that is open loses no file for long. */
async function buildPart({ name }: (typeof PARTS)[number], quiet: boolean): Promise<void> {
  const place = join(ROOT, 'dist', name)
  const draft = join(ROOT, 'dist', `.${name}-${process.pid}`)
  const own = name === 'renderer' || name === 'host'
  await build({
    configFile: join(ROOT, `vite.${name}.config.ts`),
    logLevel: quiet ? 'error' : 'warn',
    ...(own ? { build: { outDir: draft } } : {}),
  })
  if (name === 'host') writeHostPackage(draft)
  if (!own) return
  rmSync(place, { recursive: true, force: true })
  renameSync(draft, place)
}

/** The engine reads its version from the package file at its root, and Node learns there that the files are modules. */
function writeHostPackage(folder: string): void {
  const { name, version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { name: string; version: string }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version, type: 'module', private: true }))
}

if (import.meta.main) {
  const made = await buildApp({ ifStale: process.argv.includes('--if-stale') })
  process.stdout.write(made.length > 0 ? `built ${made.join(', ')}\n` : 'everything is up to date\n')
}
