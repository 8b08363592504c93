import { readFileSync, statSync } from 'node:fs'
import { dirname, isAbsolute, resolve } from 'node:path'
import { parse } from 'yaml'
import { OptionError } from '../../errors.ts'
import { type FullRecipe, fullRecipe, namesFile, parseInput, Recipe } from '../contract/index.ts'

/** A recipe is written by hand; anything larger is another file given by mistake. */
const MAX_BYTES = 1 << 20

/** Whether a value names a kind of thing instead of a file: `template:mlp`. One letter before the colon is a Windows drive. */
export const hasScheme = (value: string): boolean => /^[a-z][a-z0-9-]+:/.test(value)

/** A path as seen from a folder; values with a scheme stay as they are. */
export const pathFrom = (folder: string, value: string): string =>
  hasScheme(value) || isAbsolute(value) ? value : resolve(folder, value)

/** The written document, JSON or YAML by the file's name. */
function parseDocument(text: string, file: string): unknown {
  try {
    return /\.json$/i.test(file) ? JSON.parse(text) : parse(text)
  } catch (error) {
    const [line] = (error as Error).message.split('\n')
    throw new OptionError(`${file} is not valid ${/\.json$/i.test(file) ? 'JSON' : 'YAML'}: ${line}`, { where: file, cause: error })
  }
}

/**
 * Check a recipe's text. Short forms are written out and paths made absolute, from the recipe's folder.
 * @throws OptionError that names each wrong field
 */
export function parseRecipe(text: string, file: string): FullRecipe {
  const document = parseDocument(text, file)
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new OptionError(`${file}: expected an object with teacher, data, student, …`, { where: file })
  }
  const recipe = fullRecipe(parseInput(Recipe, document))
  const absolute = (value: string): string => pathFrom(dirname(resolve(file)), value)
  if (recipe.teacher !== undefined) recipe.teacher = absolute(recipe.teacher)
  recipe.data.path = absolute(recipe.data.path)
  if (namesFile('model', recipe.student.from)) recipe.student.from = absolute(recipe.student.from)
  if (/\.json$/i.test(recipe.data.preprocess)) recipe.data.preprocess = absolute(recipe.data.preprocess)
  return recipe
}

/** Read and check a recipe file (JSON or YAML). */
export function readRecipe(file: string): FullRecipe {
  const { size } = statSync(file)
  if (size > MAX_BYTES) throw new OptionError(`${file} has ${size} bytes; a recipe has at most ${MAX_BYTES}`, { where: file })
  return parseRecipe(readFileSync(file, 'utf8'), file)
}
