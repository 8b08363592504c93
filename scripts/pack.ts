/** What a packed app holds: the built parts, and of the installed packages only what its engine host imports. */
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { builtinModules } from 'node:module'
import { importsOf } from './imports.ts'
import { packageOf } from './layers.ts'

export const ROOT = resolve(import.meta.dirname, '..')

/** Files that stay outside of the archive, because the system's loader opens them. */
export const UNPACKED = '**/*.{node,so,so.*,dylib,dll}'

/** Dependencies that a package needs to be installed or built and not to run. */
const INSTALL_ONLY: Readonly<Record<string, readonly string[]>> = {
  'onnxruntime-node': ['adm-zip', 'global-agent'],
  'better-sqlite3': ['node-addon-api'],
}

/** Folders of a package, at its top, and files anywhere in it that do not run: sources of native code, types, maps, tests, prose. */
const IDLE_FOLDER = /^(@[^/]+\/)?[^/]+\/(deps|docs?|tests?|__tests__|examples?|benchmarks?)(\/|$)/
const IDLE_FILE = /\.(d\.[cm]?ts|ts|map|gyp|gypi|c|cc|cpp|h|hpp|md|markdown)$/i

export interface Target {
  platform: string
  arch: string
}

type Package = { name: string; dependencies?: Record<string, string>; optionalDependencies?: Record<string, string> }
const readPackage = (folder: string): Package => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Package

/** The folder of a package as seen from another's, or undefined when it is not installed. */
function findPackage(name: string, from: string): string | undefined {
  for (let at = from; at.startsWith(ROOT); at = dirname(at)) {
    const folder = join(at, 'node_modules', name)
    if (existsSync(join(folder, 'package.json'))) return folder
  }
  return undefined
}

/** Packages that the built engine host imports by name. */
export function importedPackages(built: string): string[] {
  const names = globSync('**/*.js', { cwd: built }).flatMap((path) =>
    importsOf(readFileSync(join(built, path), 'utf8'), path).map(({ specifier }) => specifier),
  )
  const bare = names.filter((name) => !name.startsWith('.') && !name.startsWith('node:') && !builtinModules.includes(name))
  return [...new Set(bare.map(packageOf))].sort()
}

/** Folders of packages and of all that they need to run. */
function withDependencies(names: readonly string[]): string[] {
  const found = new Set<string>()
  const visit = (name: string, from: string, optional: boolean): void => {
    const folder = findPackage(name, from)
    if (folder === undefined) {
      if (optional) return
      throw new Error(`the package '${name}', which ${relative(ROOT, from) || 'the engine'} imports, is not installed`)
    }
    if (found.has(folder)) return
    found.add(folder)
    const { dependencies = {}, optionalDependencies = {} } = readPackage(folder)
    for (const next of Object.keys({ ...dependencies, ...optionalDependencies })) {
      if (!INSTALL_ONLY[name]?.includes(next)) visit(next, folder, next in optionalDependencies)
    }
  }
  for (const name of names) visit(name, ROOT, false)
  return [...found].sort()
}

/** Whether a file of a package runs on the target: no sources, and of the native files those of its system alone. */
export function runs(path: string, { platform, arch }: Target): boolean {
  if (/(^|\/)licen[cs]e|(^|\/)notice/i.test(path)) return true
  const ort = /onnxruntime-node\/bin\/napi-v\d+\/([^/]+)(?:\/([^/]+))?/.exec(path)
  if (ort) return ort[1] === platform && (ort[2] === undefined || ort[2] === arch)
  const sqlite = /better-sqlite3\/prebuilds\/([^/]+)\.node$/.exec(path)
  if (sqlite) return sqlite[1] === `${platform}-${arch}` || (platform === 'linux' && sqlite[1] === `linuxmusl-${arch}`)
  const inside = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
  return !IDLE_FOLDER.test(inside) && !IDLE_FILE.test(inside)
}

/** Fill a folder with the app. The parts must be built. Returns the names of the packages that went in. */
export function packApp(folder: string, target: Target): string[] {
  const { name, productName, version, description, license, main } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  ) as Record<string, string>
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name, productName, version, description, license, main, type: 'module' }, null, 2),
  )
  for (const path of ['dist/electron', 'dist/host', 'dist/renderer', 'assets/icon.png', 'LICENSE'])
    cpSync(join(ROOT, path), join(folder, path), { recursive: true })
  // Optional, and built for this machine alone.
  const native = join('native', 'build', 'stillroom_native.node')
  if (existsSync(join(ROOT, native)) && target.platform === process.platform && target.arch === process.arch)
    cpSync(join(ROOT, native), join(folder, native))
  const packages = withDependencies(importedPackages(join(ROOT, 'dist', 'host')))
  for (const from of packages) {
    cpSync(from, join(folder, relative(ROOT, from)), {
      recursive: true,
      // Packages inside of a package are packages of their own, and come only when they are needed.
      filter: (path) => !relative(from, path).split(sep).includes('node_modules') && runs(path.replaceAll(sep, '/'), target),
    })
  }
  return packages.map((from) => relative(join(ROOT, 'node_modules'), from))
}
