/** Writes the source of the generated lists from what the files of a family export. No file is executed: exports are read from the syntax tree. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import prettier from 'prettier'
import ts from 'typescript'
import type { Family } from './families.ts'

export interface GeneratedList {
  /** Path of the list from the repository's root. */
  path: string
  source: string
}

/** The list of a family, or undefined while it has no files. Throws when a file of the family exports nothing that belongs in it. */
export async function generateList(root: string, family: Family): Promise<GeneratedList | undefined> {
  const files = familyFiles(root, family)
  if (files.length === 0) return undefined
  const imports: string[] = []
  const members: string[] = []
  for (const file of files) {
    const path = join(family.folder, file)
    const found = exportsOf(readFileSync(join(root, path), 'utf8'), path)
    const names = found.constants.filter((name) => family.named?.test(name))
    if (family.named ? names.length === 0 : !found.hasDefault) {
      if (family.mixed) continue
      const wanted = family.named ? 'exported constant' : 'default export'
      throw new Error(
        `${path}: no ${wanted}, which each file of the ${family.what} has; if it is a helper, name it under 'except' in scripts/families.ts`,
      )
    }
    const local = family.named ? names : [defaultName(file)]
    imports.push(`import ${family.named ? `{ ${local.join(', ')} }` : local[0]} from './${file}'`)
    members.push(...local)
  }
  if (members.length === 0) return undefined
  const type = family.type
  if (type) imports.push(`import type { ${type.name} } from '${type.from}'`)
  const text = `/** The ${family.what}. Generated from the files of this folder by \`npm run gen\`; do not edit. */
${imports.join('\n')}

export const ${family.list}${type ? `: readonly ${type.name}[]` : ''} = [${members.join(', ')}]
`
  const path = join(family.folder, 'list.gen.ts')
  const options = await prettier.resolveConfig(import.meta.filename)
  return { path, source: await prettier.format(text, { ...options, parser: 'typescript' }) }
}

/** The family's files, sorted by code unit so that every machine writes the same list. */
export function familyFiles(root: string, family: Family): string[] {
  const folder = join(root, family.folder)
  if (!existsSync(folder)) return []
  return globSync(family.files ?? '*.ts', { cwd: folder })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => !/(^|\/)index\.ts$|\.(test|bench|gen|d)\.ts$/.test(file) && !family.except?.includes(file))
    .sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
}

/** Names of exported constants that are not functions, in source order, and whether there is a default export. */
export function exportsOf(source: string, path = 'file.ts'): { constants: string[]; hasDefault: boolean } {
  const constants: string[] = []
  let hasDefault = false
  for (const statement of ts.createSourceFile(path, source, ts.ScriptTarget.Latest).statements) {
    const modifiers = ts.canHaveModifiers(statement) ? (ts.getModifiers(statement) ?? []) : []
    const has = (kind: ts.SyntaxKind) => modifiers.some((modifier) => modifier.kind === kind)
    if (ts.isExportAssignment(statement) || has(ts.SyntaxKind.DefaultKeyword)) hasDefault = true
    if (ts.isExportDeclaration(statement) && statement.exportClause && ts.isNamedExports(statement.exportClause)) {
      hasDefault ||= statement.exportClause.elements.some(({ name }) => name.text === 'default')
    }
    if (!ts.isVariableStatement(statement) || !has(ts.SyntaxKind.ExportKeyword)) continue
    for (const { name, initializer } of statement.declarationList.declarations) {
      const isFunction = initializer && (ts.isArrowFunction(initializer) || ts.isFunctionExpression(initializer))
      if (ts.isIdentifier(name) && !isFunction) constants.push(name.text)
    }
  }
  return { constants, hasDefault }
}

/** `small-cnn.ts` is imported as `smallCnn`, `0010-runs.ts` as `m0010Runs`; the extension avoids clashes with keywords (`default.ts`). */
function defaultName(file: string): string {
  const words = basename(file, '.ts').split(/[^A-Za-z0-9]+/)
  const name = words.map((word, i) => (i === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1))).join('')
  return /^[0-9]/.test(name) ? `m${name}` : RESERVED.has(name) ? `${name}_` : name
}

const RESERVED = new Set(['default', 'switch', 'import', 'export', 'static', 'delete', 'new', 'in', 'null', 'true', 'false'])
