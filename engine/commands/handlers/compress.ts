import { basename, dirname, extname, join, resolve } from 'node:path'
import { OptionError } from '../../errors.ts'
import { fullRecipe, parseInput, Recipe } from '../contract/index.ts'
import { handler } from './handler.ts'
import { runPipeline } from './pipeline.ts'
import { readRecipe } from './recipeFile.ts'
import { checkOut } from './training.ts'

export default handler<'compress'>(async (input, ctx) => {
  if ((input.recipe === undefined) === (input.document === undefined))
    throw new OptionError('expected a recipe file', { where: 'recipe', hint: 'give its path' })
  const recipe = input.recipe === undefined ? fullRecipe(parseInput(Recipe, input.document)) : readRecipe(input.recipe)
  for (const key of ['seed', 'threads', 'provider'] as const)
    if (input[key] !== undefined) Object.assign(recipe, { [key]: input[key] })
  if (input.qat ?? input.qatBits) {
    const given = { ...(input.qat ? { qat: input.qat } : {}), ...(input.qatBits ? { qatBits: input.qatBits } : {}) }
    recipe.quantize = Recipe.shape.quantize.parse({ ...recipe.quantize, ...given })
  }
  const out = input.out ?? (input.recipe === undefined ? besideStore(ctx.store.path) : besideShell(recipe.name, input.recipe))
  checkOut(out, input.overwrite)
  return runPipeline({ recipe, out, store: input.store, overwrite: true }, ctx)
})

/** A window has no folder that it was started in: its results lie beside the store, by the time they were begun. */
const besideStore = (store: string): string => join(dirname(store), 'results', new Date().toISOString().replaceAll(/[:.]/g, '-'))

const besideShell = (name: string | undefined, recipe: string): string =>
  resolve(`stillroom-out/${name ?? basename(recipe, extname(recipe))}`)
