/**
 * Who may import whom: the table is `engine/layers.json`, and this is its one reader. The linter, `tests/rules/layers.test.ts` and the
 * documentation all come here, so they cannot disagree. Functions are pure: paths are relative to the repository's root, with slashes.
 */
import { readFileSync } from 'node:fs'
import { posix, resolve } from 'node:path'
import { importsOf, type Import } from './imports.ts'

export interface Layers {
  /** Folders of engine/ in reading order; those of one row do not import each other. */
  engine: { folder: string; holds: string }[][]
  /** Root files that everything may import. */
  shared: string[]
  /** Folders that import none of ours but `shared`. */
  alone: string[]
  never: { from: string; to: string }[]
  /** What each folder beside engine/ may import. */
  outside: Record<string, string[]>
  /** The folders that may import a package. */
  packages: Record<string, string[]>
}

export interface Violation {
  line: number
  column: number
  message: string
}

export const LAYERS = JSON.parse(readFileSync(resolve(import.meta.dirname, '..', 'engine', 'layers.json'), 'utf8')) as Layers

const within = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`)
const longest = (folders: string[], path: string): string | undefined =>
  folders.filter((folder) => within(path, folder)).sort((a, b) => b.length - a.length)[0]

/** Tests and benchmarks may import anything. */
export const isFree = (path: string): boolean => within(path, 'tests') || /\.(test|bench)\.ts$/.test(path)

/** The table's folder that holds a file, or undefined (a root file of engine/ or of the repository). */
export function folderOf(path: string, layers: Layers = LAYERS): string | undefined {
  return longest([...layers.engine.flat().map(({ folder }) => `engine/${folder}`), ...Object.keys(layers.outside)], path)
}

const rowOf = (folder: string, layers: Layers): number =>
  layers.engine.findIndex((row) => row.some((at) => `engine/${at.folder}` === folder))

/** Why a folder may not import a file of ours, or undefined when it may. */
function refusal(from: string, target: string, layers: Layers): string | undefined {
  if (layers.shared.includes(target)) return undefined
  const to = folderOf(target, layers)
  if (to === from) return undefined
  const row = rowOf(from, layers)
  if (row < 0) {
    const allowed = layers.outside[from] ?? []
    return allowed.some((folder) => within(target, folder)) ? undefined : `${from} imports ${allowed.join(', ')} alone`
  }
  if (layers.alone.includes(from)) return `${from} imports none of ours but ${layers.shared.join(', ')}`
  if (to === undefined) return `${target} is in no folder of engine/layers.json`
  const targetRow = rowOf(to, layers)
  if (targetRow < 0) return `engine imports nothing outside of engine/`
  if (layers.never.some((pair) => pair.from === from && pair.to === to)) return `${from} never touches ${to}`
  return targetRow < row ? undefined : `${from} comes before ${to}, or beside it, in engine/layers.json`
}

/** The folders of engine/ that may import a file: where code that needs it can live. */
export function homesFor(target: string, layers: Layers = LAYERS): string[] {
  const folders = layers.engine.flat().map(({ folder }) => `engine/${folder}`)
  return folders.filter((folder) => refusal(folder, target, layers) === undefined)
}

/** `@scope/name/deep` → `@scope/name`. */
export const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

/** A relative specifier as a path from the root. */
export const resolveImport = (path: string, specifier: string): string => posix.join(posix.dirname(path), specifier)

function judge(path: string, { specifier }: Import, layers: Layers): string | undefined {
  const from = folderOf(path, layers)
  if (specifier.startsWith('node:')) return undefined
  if (specifier.startsWith('.')) {
    const target = resolveImport(path, specifier)
    if (from === undefined) return within(path, 'engine') ? `${path} is a root file of engine/ and imports none of ours` : undefined
    const reason = refusal(from, target, layers)
    return (
      reason &&
      `may not import ${target}: ${reason}. Code that needs it can live in ${homesFor(target, layers).join(', ') || 'tests'}.`
    )
  }
  const name = packageOf(specifier)
  const homes = layers.packages[name]
  if (homes === undefined)
    return `imports the package '${name}', which engine/layers.json does not name: add it there with the folder it belongs to`
  if (homes.some((home) => within(path, home))) return undefined
  return `may not import the package '${name}': it belongs to ${homes.join(', ')}. Move the code there, or give that folder a function for it.`
}

/** Every import of a file that the table forbids. Type imports count: a type ties two folders together as well. */
export function violations(path: string, source: string, layers: Layers = LAYERS): Violation[] {
  if (isFree(path) || !/\.(ts|svelte)$/.test(path)) return []
  if (!within(path, 'engine') && folderOf(path, layers) === undefined) return []
  if (within(path, 'engine') && folderOf(path, layers) === undefined && !layers.shared.includes(path)) {
    return [
      {
        line: 1,
        column: 0,
        message: `${path} is in no folder of engine/layers.json: move it into one, or add its folder to the table`,
      },
    ]
  }
  return importsOf(source, path).flatMap((one) => {
    const message = judge(path, one, layers)
    return message === undefined ? [] : [{ line: one.line, column: one.column, message }]
  })
}

/** Import cycles between files, each as the list of files on it, the first repeated at the end. Type imports vanish at run time and do not count. */
export function importCycles(sources: ReadonlyMap<string, string>): string[][] {
  const edges = new Map<string, string[]>()
  for (const [path, source] of sources) {
    const targets = importsOf(source, path).filter(({ specifier, typeOnly }) => !typeOnly && specifier.startsWith('.'))
    edges.set(
      path,
      targets.map(({ specifier }) => resolveImport(path, specifier)).filter((target) => sources.has(target)),
    )
  }
  const cycles: string[][] = []
  const done = new Set<string>()
  const visit = (path: string, trail: string[]): void => {
    const at = trail.indexOf(path)
    if (at >= 0) {
      cycles.push([...trail.slice(at), path])
      return
    }
    if (done.has(path)) return
    for (const target of edges.get(path) ?? []) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of edges.keys()) visit(path, [])
  return cycles
}

/** The folders of engine/ as a Markdown table. */
export function foldersMarkdown(layers: Layers = LAYERS): string {
  const rows = layers.engine.map(
    (row) => `| ${row.map((at) => `\`${at.folder}\``).join(', ')} | ${row.map((at) => at.holds).join('; ')} |`,
  )
  return ['| folder of `engine/` | what it holds |', '| --- | --- |', ...rows].join('\n')
}

/** The folders and the rules between them, for docs/architecture.md. */
export function layersMarkdown(layers: Layers = LAYERS): string {
  const code = (names: string[]): string => names.map((name) => `\`${name}\``).join(', ')
  const packages = Object.entries(layers.packages).map(([name, homes]) => `\`${name}\`: ${code(homes)}`)
  return [
    foldersMarkdown(layers),
    '',
    'A folder imports the folders above it, never one below or beside it. Further:',
    '',
    `- everything may import ${code(layers.shared)};`,
    `- ${code(layers.alone)} import none of ours but those;`,
    ...layers.never.map(({ from, to }) => `- \`${from}\` never touches \`${to}\`;`),
    ...Object.entries(layers.outside).map(([folder, allowed]) => `- \`${folder}\` imports ${code(allowed)} alone;`),
    `- packages belong to folders: ${packages.join('; ')};`,
    '- tests and benchmarks may import anything;',
    '- an import cycle between files is an error (`import type` does not count).',
  ].join('\n')
}
