/** `npm run gen` writes the generated files; `npm run gen -- --check` writes nothing and exits 1 when one is stale. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { FAMILIES } from './families.ts'
import { HANDLERS, handlersText } from './handlers.ts'
import { foldersMarkdown, layersMarkdown } from './layers.ts'
import { generateList } from './lists.ts'
import { mendLock } from './lockfile.ts'
import { fillBlock } from './markdown.ts'
import { RECIPE_SCHEMA, recipeSchemaText } from './recipeSchema.ts'

const ROOT = resolve(import.meta.dirname, '..')

/** The generated files whose text on disk is not what the sources give, with the reason; they are rewritten unless `check`. */
export async function generate(root: string, check: boolean): Promise<{ written: string[]; problems: string[] }> {
  const written: string[] = []
  const problems: string[] = []
  const put = (path: string, source: string | undefined): void => {
    const file = join(root, path)
    const before = existsSync(file) ? readFileSync(file, 'utf8') : undefined
    if (before === source) return
    if (check) {
      problems.push(`${path} is stale: run \`npm run gen\` and commit the result`)
    } else {
      if (source === undefined) rmSync(file)
      else writeFileSync(file, source)
      written.push(path)
    }
  }
  for (const family of FAMILIES) {
    try {
      put(join(family.folder, 'list.gen.ts'), (await generateList(root, family))?.source)
    } catch (failure) {
      problems.push((failure as Error).message)
    }
  }
  const blocks = {
    'docs/architecture.md': ['layers', layersMarkdown()],
    'engine/README.md': ['folders', foldersMarkdown()],
  } as const
  for (const [path, [name, content]] of Object.entries(blocks)) {
    if (existsSync(join(root, path))) put(path, fillBlock(readFileSync(join(root, path), 'utf8'), name, content))
  }
  if (existsSync(join(root, RECIPE_SCHEMA))) put(RECIPE_SCHEMA, await recipeSchemaText(root))
  if (existsSync(join(root, HANDLERS, '..'))) put(HANDLERS, await handlersText(root))
  put('package-lock.json', mendLock(root, readFileSync(join(root, 'package-lock.json'), 'utf8')))
  return { written, problems }
}

if (import.meta.main) {
  const { written, problems } = await generate(ROOT, process.argv.includes('--check'))
  for (const path of written) process.stdout.write(`wrote ${path}\n`)
  for (const problem of problems) process.stderr.write(`${problem}\n`)
  if (problems.length > 0) process.exitCode = 1
}
